"""Digests of content.

    digest      ::= algorithm ":" encoded          (image-spec, descriptor.md, Digests)
    sha256      ::= "sha256:" 64 lower-case hexadecimal digits
    sha512      ::= "sha512:" 128 lower-case hexadecimal digits

Only these two registered algorithms are accepted: a digest that can't be checked protects nothing.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

ALGORITHMS: Final = {"sha256": 1, "sha512": 2}
_NAMES: Final = {tag: name for name, tag in ALGORITHMS.items()}
_PATTERN: Final = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


class InvalidDigest(ValueError):
    """Text that is no digest of a supported algorithm."""


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """The algorithm (`sha256` or `sha512`) and the hash in lower-case hexadecimal."""

    algorithm: str
    encoded: str

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Return the digest that `text` spells; raise InvalidDigest where it spells none."""
        if _PATTERN.fullmatch(text) is None:
            raise InvalidDigest(
                "is not sha256:<64 hexadecimal digits> or sha512:<128 hexadecimal digits>, in lower case"
            )
        return cls(text[:6], text[7:])

    @classmethod
    def of(cls, content: bytes, algorithm: str = "sha256") -> Digest:
        """Compute the digest of `content`."""
        return cls(algorithm, hashlib.new(algorithm, content).hexdigest())

    @classmethod
    def from_bytes(cls, packed: bytes) -> Digest:
        """Return the digest that `packed` (one byte of algorithm, then the raw hash) holds."""
        return cls(_NAMES[packed[0]], packed[1:].hex())

    def to_bytes(self) -> bytes:
        """Return one byte for the algorithm and the raw hash: 33 or 65 bytes, the form of database keys."""
        return bytes((ALGORITHMS[self.algorithm],)) + bytes.fromhex(self.encoded)

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.encoded}"
