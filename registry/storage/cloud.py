"""Blobs in Azure Blob Storage and Google Cloud Storage (docs/decisions/0005-azure-and-google-cloud.md).

    prefix/ab/cd/abcd…/blob        a blob: what it is made of, and those of its bytes that are in no segment
    prefix/ab/cd/abcd…/12ef….3     a segment: the fourth one of the writer 12ef…

Each object is made once and never changes, and a writer's name is random: one that was overtaken can replace nothing. No byte
is sent twice or copied. Of all who may try, the first makes `blob`.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path

from mediatypes.ranges import ByteRange
from registry.storage.base import ObjectMissing, StorageError, StorageKey, WriterBusy, place_of
from registry.storage.cloud_container import Container
from registry.storage.cloud_place import Place
from registry.storage.cloud_writer import CloudWriter, WriterState
from registry.storage_url import AzureLocation, GoogleLocation


class CloudStore:
    """A BlobStore in a container or bucket, which any number of nodes share."""

    def __init__(self, location: AzureLocation | GoogleLocation) -> None:
        self._container = Container(location)
        self._writing: dict[StorageKey, CloudWriter] = {}

    async def open_writer(
        self, key: StorageKey, *, offset: int = 0, state: bytes = b"", size: int | None = None, epoch: int = 1
    ) -> CloudWriter:
        """See BlobStore. Writers of other processes are not seen: their lease keeps them off."""
        del size
        place = self._place(key)
        if key in self._writing:
            raise WriterBusy("another request is writing the object")
        known = WriterState.decode(state, offset) if offset else WriterState()
        writer = CloudWriter(place, known, epoch=epoch, let_go=partial(self._writing.pop, key))
        self._writing[key] = writer
        return writer

    async def read(self, key: StorageKey, span: ByteRange) -> AsyncGenerator[bytes, None]:
        """See BlobStore. A connection that breaks is replaced by one that goes on where it stopped."""
        async with contextlib.aclosing(self._place(key).read(span)) as pieces:
            async for piece in pieces:
                yield piece

    async def holds(self, key: StorageKey, size: int) -> bool:
        """See BlobStore. Of the segments, only names and sizes are looked at."""
        place = self._place(key)
        try:
            description = await place.describe()
        except ObjectMissing:
            return False
        return description.size == size and await place.has(description.runs)

    def local_path(self, key: StorageKey, size: int) -> Path | None:
        """See BlobStore."""
        del key, size
        return None

    async def signed_url(self, key: StorageKey) -> str | None:
        """See BlobStore. None: a blob's object begins with its description, and may be one of many."""
        del key
        return None

    async def delete(self, key: StorageKey) -> None:
        """See BlobStore."""
        if key in self._writing:
            await self._writing[key].abandon()
        await self._place(key).delete()

    async def check(self) -> None:
        """See BlobStore."""
        name, content = f"check.{secrets.token_hex(8)}", secrets.token_bytes(16)
        try:
            await self._container.put(name, content)
            if await self._container.read(name, 0, len(content)) != (content, len(content)):
                raise StorageError("the storage returned other bytes than were put a moment ago")
        except BaseException:
            with contextlib.suppress(StorageError):  # what failed first says more
                await self._container.delete(name)
            raise
        await self._container.delete(name)

    async def close(self) -> None:
        """See BlobStore."""
        self._container.close()

    def _place(self, key: StorageKey) -> Place:
        return Place(self._container, place_of(key))
