"""What a compressed archive becomes, read once and onwards: gzip (RFC 1952), Zstandard (RFC 8878)."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import Final, Protocol

import zstandard

from mediatypes.files.reading import Limits, Malformed, Source, TooMuch, Unreadable
from mediatypes.files.seekable import SeekableFile
from mediatypes.models.artifact import Packing

_STEP: Final = 256 << 10  # bytes of compressed and of expanded content that are at hand at once
_FREE: Final = 1 << 20  # bytes whose ratio doesn't matter
_WINDOW: Final = 128 << 20  # bytes of the largest window that zstd itself expands without being asked to


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Expanded:
    """A file object of what a compressed archive becomes, for reading onwards."""

    def __init__(self, source: Source, packing: Packing, limits: Limits) -> None:
        self._compressed = SeekableFile(source)
        self._limits = limits
        self._position = 0
        buffered = io.BufferedReader(self._compressed, _STEP)
        self._content: _Readable
        if packing is Packing.TAR_GZIP:
            self._content = gzip.GzipFile(fileobj=buffered, mode="rb")
        else:
            expander = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
            self._content = expander.stream_reader(buffered, read_size=_STEP, read_across_frames=True)

    def tell(self) -> int:
        """Return how many bytes were expanded."""
        return self._position

    def seek(self, offset: int) -> int:
        """Expand up to a place, and drop what lies before it. Raise Unreadable."""
        if offset < self._position:
            raise Malformed(f"leads back from byte {self._position} to {offset}")
        while self._position < offset:
            if not self._step(min(_STEP, offset - self._position)):
                break
        return self._position

    def read(self, size: int) -> bytes:
        """Return the next bytes, fewer only where the content ends. Raise Unreadable."""
        found = bytearray()
        while len(found) < size:
            content = self._step(min(_STEP, size - len(found)))
            if not content:
                break
            found += content
        return bytes(found)

    def _step(self, size: int) -> bytes:
        """Return some of the next bytes, none at the end."""
        try:
            content = self._content.read(size)
        except Unreadable:
            raise
        except EOFError:
            raise Malformed("ends within its compressed content") from None
        except (OSError, zlib.error, zstandard.ZstdError) as error:
            if self._compressed.failure is not None:
                raise self._compressed.failure from None
            message = str(error)
            if "too much memory" in message:
                raise TooMuch(f"has a Zstandard frame with a window of more than {_WINDOW} bytes") from None
            raise Malformed(f"is not compressed as it should be: {message:.200}") from None
        self._position += len(content)
        taken = self._compressed.tell()
        if self._position > self._limits.expanded:
            raise TooMuch(f"becomes more than {self._limits.expanded} bytes")
        if self._position > _FREE and self._position > taken * self._limits.ratio:
            raise TooMuch(f"becomes more than {self._limits.ratio} times as large, as only bombs do")
        return content
