"""The forms of signatures that are read. A further one is a reader in this tuple."""

from __future__ import annotations

from typing import Final

from signing.bundles import read_bundles
from signing.candidates import Reader
from signing.cosign import read_signatures
from signing.model_signing import read_model_signatures
from signing.notation import read_notation

READERS: Final[tuple[Reader, ...]] = (read_signatures, read_bundles, read_model_signatures, read_notation)
