"""Sources of bytes: in memory, counted, a part of another, read ahead; and a way to read one onwards from a place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mediatypes.files.reading import Malformed, Source, TooMuch

_FIRST_STEP: Final = 16 << 10  # bytes that a reader asks for beyond what it needs, doubled with each step …
_LAST_STEP: Final = 1 << 20  # … up to these
_FIRST_WINDOW: Final = 8 << 10  # bytes that a window holds at first, doubled while reading goes on where it stopped …
_LAST_WINDOW: Final = 1 << 20  # … up to these


def require_range(start: int, stop: int, size: int) -> None:
    """Raise Malformed where `start` to `stop` are no bytes of a file of `size` bytes."""
    if not 0 <= start <= stop:
        raise Malformed(f"points to the bytes {start} to {stop}")
    if stop > size:
        raise Malformed(f"ends at byte {size}, before byte {stop}")


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
        require_range(start, stop, self.size)
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
        require_range(start, stop, self.size)
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
        require_range(start, stop, self.size)
        return self.source.read(self.start + start, self.start + stop)


class Window:
    """A file that is read ahead: little after a jump, more the longer reading goes on; it keeps what it read last."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._start = 0
        self._content = b""
        self._ahead = _FIRST_WINDOW

    @property
    def size(self) -> int:
        """The file's bytes."""
        return self._source.size

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` up to `stop`. Raise Malformed where the file ends before."""
        require_range(start, stop, self.size)
        end = self._start + len(self._content)
        if not self._start <= start <= stop <= end:
            goes_on = self._content and self._start <= start <= end
            self._ahead = min(2 * self._ahead, _LAST_WINDOW) if goes_on else _FIRST_WINDOW
            self._content = self._source.read(start, min(max(stop, start + self._ahead), self.size))
            self._start = start
        return self._content[start - self._start : stop - self._start]


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
