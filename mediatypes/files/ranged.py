"""Sources of bytes, and ways to read one: by ranges as a file, and onwards from a place in it."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import Final

from mediatypes.files.reading import Malformed, Source, TooMuch

_FIRST_STEP: Final = 16 << 10  # bytes that a reader asks for beyond what it needs, doubled with each step …
_LAST_STEP: Final = 1 << 20  # … up to these


@dataclass(frozen=True, slots=True)
class InMemory:
    """A file that is in memory."""

    content: bytes

    @property
    def size(self) -> int:
        """The file's bytes."""
        return len(self.content)

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` up to `stop`. Raise Malformed where the file ends before."""
        _within(start, stop, self.size)
        return self.content[start:stop]


@dataclass(slots=True)
class Counted:
    """A file of which at most `limit` bytes are read; `taken` counts them, `reads` the ranges."""

    source: Source
    limit: int
    taken: int = 0
    reads: int = 0

    @property
    def size(self) -> int:
        """The file's bytes."""
        return self.source.size

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` up to `stop`. Raise TooMuch where they and those before exceed the limit."""
        _within(start, stop, self.size)
        if self.taken + stop - start > self.limit:
            raise TooMuch(f"needs more than {self.limit} bytes of it to be read")
        self.taken += stop - start
        self.reads += 1
        return self.source.read(start, stop)


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes of a file from `start` up to `stop`, as a file of their own."""

    source: Source
    start: int
    stop: int

    @property
    def size(self) -> int:
        """The part's bytes."""
        return self.stop - self.start

    def read(self, start: int, stop: int) -> bytes:
        """Return the part's bytes from `start` up to `stop`. Raise Malformed where it ends before."""
        _within(start, stop, self.size)
        return self.source.read(self.start + start, self.start + stop)


class Cursor:
    """Reads a file onwards: takes bytes, or passes over them without reading.

    At most `limit` bytes are taken. The bytes are asked for in steps that grow while nothing is passed over, so that a
    long header costs few requests and a short one few bytes.
    """

    def __init__(self, source: Source, limit: int, start: int = 0) -> None:
        self.source = source
        self.position = start
        """Where in the file the next byte is."""
        self._left = limit
        self._limit = limit
        self._buffer = b""
        self._begin = start  # where in the file the buffer begins
        self._step = _FIRST_STEP

    @property
    def remaining(self) -> int:
        """The bytes up to the file's end."""
        return self.source.size - self.position

    def take(self, count: int) -> bytes:
        """Return the next bytes. Raise Malformed where the file ends before, TooMuch beyond the limit."""
        self._fill(count)
        self._left -= count
        start = self.position - self._begin
        self.position += count
        return self._buffer[start : start + count]

    def peek(self) -> int:
        """Return the next byte without taking it. Raise Malformed at the file's end."""
        self._fill(1)
        return self._buffer[self.position - self._begin]

    def line(self, longest: int) -> bytes:
        """Return the bytes up to the next newline, and pass over it. Raise Malformed where none comes."""
        count = min(256, self.remaining)
        while True:
            self._fill(count)
            start = self.position - self._begin
            end = self._buffer.find(b"\n", start, start + count)
            if end >= 0:
                return self.take(end + 1 - start)[:-1]
            if count >= min(longest, self.remaining):
                raise Malformed(f"has no end of a line after byte {self.position}")
            count = min(count * 2, longest, self.remaining)

    def skip(self, count: int) -> None:
        """Pass over bytes. Raise Malformed where the file ends before."""
        if count > self.remaining:
            raise Malformed(f"ends within {count} bytes that begin at byte {self.position}")
        self.position += count

    def _fill(self, count: int) -> None:
        """Make the buffer hold the next bytes."""
        if count > self.remaining:
            raise Malformed(f"ends within {count} bytes that begin at byte {self.position}")
        if count > self._left:
            raise TooMuch(f"has a header of more than {self._limit} bytes")
        have = self._begin + len(self._buffer) - self.position
        if have >= count:
            return
        if have < 0:  # Bytes were passed over.
            self._step = _FIRST_STEP
            have = 0
        wanted = min(max(count - have, self._step), self.remaining - have)
        self._step = min(self._step * 2, _LAST_STEP)
        start = self.position + have
        kept = self._buffer[len(self._buffer) - have :] if have else b""
        self._buffer = kept + self.source.read(start, start + wanted)
        self._begin = self.position


class RangedFile(io.RawIOBase):
    """A file as libraries want one, over a source; it reads ahead by steps, and keeps only what it read last."""

    def __init__(self, source: Source, ahead: int = _FIRST_STEP) -> None:
        super().__init__()
        self._source = source
        self._ahead = ahead
        self._position = 0
        self._buffer = b""
        self._begin = 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be read from anywhere."""
        return True

    def tell(self) -> int:
        """Return where the next byte is."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place, which may lie behind the end. Raise Malformed for one before the begin."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._source.size}[whence]
        if base + offset < 0:
            raise Malformed(f"points to byte {base + offset}")
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Return the next bytes, fewer where the file ends."""
        left = max(0, self._source.size - self._position)
        count = left if size is None or size < 0 else min(size, left)
        start = self._position - self._begin
        if start < 0 or start + count > len(self._buffer):
            end = min(self._source.size, self._position + max(count, self._ahead))
            self._buffer = self._source.read(self._position, end)
            self._begin, start = self._position, 0
        self._position += count
        return self._buffer[start : start + count]

    def readall(self) -> bytes:
        """Return all bytes up to the end."""
        return self.read()

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer with the next bytes, and return how many there were."""
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)


def _within(start: int, stop: int, size: int) -> None:
    if not 0 <= start <= stop:
        raise Malformed(f"points to the bytes {start} to {stop}")
    if stop > size:
        raise Malformed(f"ends at byte {size}, before byte {stop}")
