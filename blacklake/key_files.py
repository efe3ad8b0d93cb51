"""Private keys in files, and what opens them."""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from blacklake.files import content_of
from blacklake.settings import USAGE, Refused

if TYPE_CHECKING:
    from signing.private_keys import SigningKey

_VARIABLES: Final = ("BLACKLAKE_KEY_PASSWORD", "COSIGN_PASSWORD")


def signing_key(path: Path) -> SigningKey:
    """Return the key in a file; its password is in a variable, or is asked for. Raise Refused."""
    from signing.private_keys import UnusableKey, WrongPassphrase, read_signing_key

    content = content_of(path)
    password = next((os.environ[name].encode() for name in _VARIABLES if name in os.environ), None)
    try:
        try:
            return read_signing_key(content, password)
        except WrongPassphrase:
            if password is not None or not sys.stdin.isatty():
                raise
            return read_signing_key(content, getpass.getpass(f"Password of {path}: ").encode())
    except WrongPassphrase as error:
        raise Refused(f"the key {path} {error}: set {' or '.join(_VARIABLES)}", USAGE) from None
    except UnusableKey as error:
        raise Refused(f"the key {path} {error}", USAGE) from None
