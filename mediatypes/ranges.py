"""Ranges of bytes: what a client asks for, and what an upload's chunk says it is.

Range: bytes=first-last | bytes=first- | bytes=-suffix         (RFC 9110 §14.1.2)
Content-Range: first-last                                      (spec: end-5; not the form of RFC 9110)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_RANGE: Final = re.compile(r"bytes=\s*(?:(\d{1,19})-(\d{0,19})|-(\d{1,19}))\s*", re.ASCII | re.IGNORECASE)
_CHUNK: Final = re.compile(r"(?:bytes[ =])?(\d{1,19})-(\d{1,19})(?:/(?:\d{1,19}|\*))?", re.ASCII)


class UnsatisfiableRange(ValueError):
    """A range that selects no byte of the content."""


class InvalidContentRange(ValueError):
    """A Content-Range that is not `first-last` with first ≤ last."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes `start` (inclusive) to `stop` (exclusive)."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def parse_range(text: str, size: int) -> ByteRange | None:
    """Return the bytes that a Range header selects of content of `size` bytes.

    None where the header has several ranges, another unit or another form: a server may ignore it then and send the
    whole content (RFC 9110 §14.2). Raise UnsatisfiableRange where it selects nothing: it begins beyond the end, or ends
    before it begins (RFC 9110 §15.5.17).
    """
    match = _RANGE.fullmatch(text)
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        if int(suffix) == 0 or size == 0:
            raise UnsatisfiableRange(text)
        return ByteRange(max(0, size - int(suffix)), size)
    start = int(first)
    if start >= size or (last and int(last) < start):
        raise UnsatisfiableRange(text)
    return ByteRange(start, min(int(last) + 1, size) if last else size)


def parse_content_range(text: str) -> ByteRange:
    """Return the bytes that an upload's Content-Range says its body holds (spec: end-5).

    `bytes first-last/total` of RFC 9110 is understood too, since some clients send it.
    """
    match = _CHUNK.fullmatch(text.strip())
    if match is None or int(match[2]) < int(match[1]):
        raise InvalidContentRange("is not <first>-<last>, the positions of the chunk's first and last byte")
    return ByteRange(int(match[1]), int(match[2]) + 1)
