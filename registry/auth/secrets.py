"""Secrets that people and scanners recognise: a prefix says what one is, a checksum that it is one.

    blk_<30 letters and digits, 178 bits><6 of checksum>

As GitHub's: the checksum is a CRC-32 of what stands before it, so that a scanner needs no database to tell a key from noise.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib
from typing import Final

API_KEY: Final = "blk"
"""The prefix of API keys."""

_ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM: Final = 30
_CHECK: Final = 6
_SHAPE: Final = re.compile(rf"([a-z]{{3}}_[0-9A-Za-z]{{{_RANDOM}}})([0-9A-Za-z]{{{_CHECK}}})", re.ASCII)


def new_secret(prefix: str) -> str:
    """Return a secret that nobody has."""
    body = f"{prefix}_{''.join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))}"
    return body + _checksum(body)


def is_secret(text: str, prefix: str) -> bool:
    """Say whether a text can be a secret of this kind at all."""
    found = _SHAPE.fullmatch(text)
    return found is not None and text.startswith(f"{prefix}_") and _checksum(found[1]) == found[2]


def hash_of(secret: str) -> bytes:
    """Return what is kept of a secret: its entropy makes a slow hash needless."""
    return hashlib.sha256(secret.encode()).digest()


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECK):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
