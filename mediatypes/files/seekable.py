"""A file's bytes as the file object that libraries want."""

from __future__ import annotations

import io
from collections import OrderedDict
from typing import Final

from mediatypes.files.ranged import Counted
from mediatypes.files.reading import Malformed, Source

_BLOCKS: Final = 64  # blocks that a file keeps


class SeekableFile(io.RawIOBase):
    """A file object over a source, for libraries that read by ranges. It is read by blocks, of which the last ones are kept.

    Libraries turn errors of their files into errors of their own: `failure` is what the source raised.
    """

    def __init__(self, source: Source, block: int = 16 << 10) -> None:
        super().__init__()
        self._source = source
        self._block = block
        self._position = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
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

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, which may lie behind the end. Raise Malformed for one before the beginning."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._source.size}[whence]
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
            content = self._bytes(self._position, self._position + count)
        except Exception as error:
            self.failure = error
            raise
        self._position += count
        return content

    def _bytes(self, start: int, stop: int) -> bytes:
        if start == stop:
            return b""
        if stop - start > self._block:
            return self._source.read(start, stop)
        parts = [self._kept(index) for index in range(start // self._block, -(-stop // self._block))]
        first = start - start % self._block
        return b"".join(parts)[start - first : stop - first]

    def _kept(self, index: int) -> bytes:
        """Return a block, and keep it as the last one."""
        if index not in self._blocks:
            start = index * self._block
            self._blocks[index] = self._source.read(start, min(start + self._block, self._source.size))
            if len(self._blocks) > _BLOCKS:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(index)
        return self._blocks[index]

    def readall(self) -> bytes:
        """Return all bytes up to the end."""
        return self.read()

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer with the next bytes, and return how many there were."""
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)


def scattered(source: Source) -> SeekableFile:
    """Return a file that is read at many places, a little at each: 4 KiB, and at 20,000 of them. Raise TooMuch beyond."""
    return SeekableFile(Counted(source, 20_000 * 4096), 4096)
