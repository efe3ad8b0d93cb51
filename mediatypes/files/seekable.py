"""A file's bytes in other shapes: a part of it, with reading ahead, and as the file object that libraries want."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import Final

from mediatypes.files.reading import Malformed, Source, Unreadable

_FIRST_WINDOW: Final = 8 << 10  # bytes read ahead at first; doubled while reading goes on where it stopped …
_LAST_WINDOW: Final = 1 << 20  # … up to these


def require_range(start: int, stop: int, size: int) -> None:
    """Raise Malformed where `start` to `stop` are no bytes of a file of `size` bytes."""
    if not 0 <= start <= stop:
        raise Malformed(f"points to the bytes {start} to {stop}")
    if stop > size:
        raise Malformed(f"ends at byte {size}, before byte {stop}")


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


class SeekableFile(io.RawIOBase):
    """A file object over a source, for libraries that read by ranges.

    Libraries turn errors of their files into errors of their own: `failure` is what the source raised.
    """

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        self._position = 0
        self.failure: Exception | None = None

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
        """Go to a place, which may lie behind the end. Raise Malformed for one before the beginning."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._source.size}[whence]
        if base + offset < 0:
            self.failure = Malformed(f"points to byte {base + offset}")
            raise self.failure
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Return the next bytes, fewer where the file ends."""
        left = max(0, self._source.size - self._position)
        count = left if size is None or size < 0 else min(size, left)
        try:
            content = self._source.read(self._position, self._position + count)
        except Exception as error:
            self.failure = error
            raise
        self._position += count
        return content

    def readall(self) -> bytes:
        """Return the bytes up to the end."""
        return self.read()

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer with the next bytes, and return how many there were."""
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def refuse(self, error: Exception) -> Exception:
        """Return what is to be raised for an error of a library that reads this file."""
        if isinstance(error, Unreadable):
            return error
        return self.failure or Malformed(f"is refused by its library: {error!s:.300}")
