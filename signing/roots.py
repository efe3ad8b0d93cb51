"""Trust roots: certificate authorities, transparency logs and timestamp authorities that are trusted, and from when to when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class TrustRoot:
    """What a `trusted_root.json` of Sigstore's holds (dev.sigstore.trustroot.v1)."""

    content: bytes

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a `trusted_root.json`."""
        return cls(content)
