"""Blobs in memory, gone with the process: for tests, and for a look around."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

from mediatypes.ranges import ByteRange
from registry.storage.base import CHUNK_SIZE, ObjectMissing, StorageKey, WriterBusy


class MemoryStore:
    """A BlobStore of one process."""

    def __init__(self) -> None:
        self._objects: dict[StorageKey, bytearray] = {}
        self._writing: set[StorageKey] = set()

    async def open_writer(
        self, key: StorageKey, *, offset: int = 0, state: bytes = b"", size: int | None = None, epoch: int = 1
    ) -> MemoryWriter:
        """See BlobStore."""
        del state, size, epoch
        if key in self._writing:
            raise WriterBusy("another request is writing the object")
        held = self._objects.get(key, bytearray())
        if len(held) < offset or (offset > 0 and key not in self._objects):
            raise ObjectMissing(f"an object holds fewer than the {offset} bytes that were saved")
        # A copy: readers of the old bytes, and a writer whose object was deleted, keep their own.
        self._objects[key] = content = held[:offset]
        self._writing.add(key)
        return MemoryWriter(key, content, self._writing)

    async def read(self, key: StorageKey, span: ByteRange) -> AsyncGenerator[bytes, None]:
        """See BlobStore."""
        content = self._objects.get(key)
        if content is None or len(content) < span.stop:
            raise ObjectMissing("an object is missing, or shorter than its recorded size")
        for position in range(span.start, span.stop, CHUNK_SIZE):
            yield bytes(content[position : min(position + CHUNK_SIZE, span.stop)])

    async def holds(self, key: StorageKey, size: int) -> bool:
        """See BlobStore."""
        content = self._objects.get(key)
        return content is not None and len(content) == size

    def local_path(self, key: StorageKey, size: int) -> Path | None:
        """See BlobStore."""
        del key, size
        return None

    async def signed_url(self, key: StorageKey) -> str | None:
        """See BlobStore."""
        del key
        return None

    async def delete(self, key: StorageKey) -> None:
        """See BlobStore."""
        self._objects.pop(key, None)

    async def check(self) -> None:
        """See BlobStore."""

    async def close(self) -> None:
        """See BlobStore."""


class MemoryWriter:
    """A BlobWriter on a bytearray."""

    def __init__(self, key: StorageKey, content: bytearray, writing: set[StorageKey]) -> None:
        self._key = key
        self._content = content
        self._writing = writing
        self._is_open = True

    @property
    def offset(self) -> int:
        """See BlobWriter."""
        return len(self._content)

    def part_end(self, position: int) -> int | None:
        """See BlobWriter: there are no parts."""
        del position
        return None

    async def write(self, *pieces: bytes | bytearray | memoryview) -> None:
        """See BlobWriter."""
        if not self._is_open:
            raise ValueError("the writer is closed")
        for piece in pieces:
            self._content += piece

    async def save(self, *, last: bool = False) -> bytes:
        """See BlobWriter."""
        del last
        if not self._is_open:
            raise ValueError("the writer is closed")
        return b""

    async def withdraw(self) -> None:
        """See BlobWriter: nothing lies beside."""

    async def commit(self) -> bool:
        """See BlobWriter."""
        await self.save()
        await self.close()
        return True

    async def tidy(self) -> None:
        """See BlobWriter: nothing lies beside."""

    async def close(self) -> None:
        """See BlobWriter."""
        if self._is_open:
            self._is_open = False
            self._writing.discard(self._key)
