"""The forms of signatures that are read. A further one is a reader in this tuple."""

from __future__ import annotations

from typing import Final

from signing.bundles import read_bundles
from signing.candidates import Reader
from signing.cosign import read_signatures

READERS: Final[tuple[Reader, ...]] = (read_signatures, read_bundles)
