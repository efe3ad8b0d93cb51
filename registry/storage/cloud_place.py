"""All that lies under one key in Azure or Google Cloud Storage: the blob's object, and the segments beside it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Collection, Iterable, Sequence
from typing import Final

import msgspec

from mediatypes.ranges import ByteRange
from registry.storage.base import CHUNK_SIZE, ObjectMissing, StorageError
from registry.storage.cloud_container import Container
from registry.storage.cloud_segments import LENGTH, Description, Run, pieces_of, size_of, sizes_of

_BLOB: Final = "blob"
_FIRST: Final = 64 << 10  # bytes of a blob's object that are read with its description
_DELETED: Final = 8  # objects at a time


class Place:
    """A directory of its own for each key: object stores list whole directories only."""

    def __init__(self, container: Container, name: str) -> None:
        self._container = container
        self._name = name

    async def put_segment(self, name: str, content: bytes | bytearray) -> None:
        """Make a segment durable."""
        await self._container.put(f"{self._name}/{name}", content)

    async def create_blob(self, description: Description, end: bytes | bytearray) -> None:
        """Make the blob's object. Raise ObjectExists where there is one, perhaps by an attempt that nobody was told of."""
        await self._container.create(self._blob, description.encode() + end)

    async def describe(self) -> Description:
        """Return what the blob is made of. Raise ObjectMissing."""
        return (await self._opened())[0]

    async def read(self, span: ByteRange) -> AsyncGenerator[bytes, None]:
        """Yield the blob's bytes of `span` in pieces of at most CHUNK_SIZE. Raise ObjectMissing where it has fewer."""
        description, end, first = await self._opened()
        if span.stop > description.size:
            raise ObjectMissing(f"an object ends at byte {description.size}, before its recorded size")
        for piece in pieces_of(description.runs, span):
            async with contextlib.aclosing(
                self._container.stream(f"{self._name}/{piece.name}", piece.start, piece.stop)
            ) as found:
                async for data in found:
                    yield data
        # What is in no segment lies in the blob's object, from `end` on; its first bytes are here already.
        begin = end - size_of(description.runs)
        position, stop = begin + max(span.start, size_of(description.runs)), begin + span.stop
        while position < min(stop, len(first)):
            data = first[position : min(position + CHUNK_SIZE, stop)]
            position += len(data)
            yield data
        if position < stop:
            async with contextlib.aclosing(self._container.stream(self._blob, position, stop)) as found:
                async for data in found:
                    yield data

    async def has(self, runs: Iterable[Run]) -> bool:
        """Say whether all segments are there, each with its bytes."""
        missing = sizes_of(runs)
        async with contextlib.aclosing(self._container.list(self._name)) as pages:
            async for page in pages:
                for name in [name for name, size in page.items() if missing.get(name) == size]:
                    del missing[name]
        return not missing

    async def delete(self, keep: Collection[str] | None = None) -> None:
        """Delete the blob and all that lies beside it; or, with the names of its segments, only what is neither."""
        if keep is None:  # the object first: what is being deleted is missing at once, not in parts
            await self._container.delete(self._blob)
        async with contextlib.aclosing(self._container.list(self._name)) as pages:
            async for page in pages:
                await self.delete_objects(
                    [name for name in page if keep is None or (name != _BLOB and name not in keep)]
                )

    async def delete_objects(self, names: Sequence[str]) -> None:
        """Delete objects by their names, some at a time."""
        for start in range(0, len(names), _DELETED):
            batch = [self._container.delete(f"{self._name}/{name}") for name in names[start : start + _DELETED]]
            for outcome in await asyncio.gather(*batch, return_exceptions=True):
                if isinstance(outcome, BaseException):
                    raise outcome

    @property
    def _blob(self) -> str:
        return f"{self._name}/{_BLOB}"

    async def _opened(self) -> tuple[Description, int, bytes]:
        """Return the blob's description, where it ends in the blob's object, and the first bytes of that."""
        first, size = await self._container.read(self._blob, 0, _FIRST)
        end = LENGTH.size + int.from_bytes(first[: LENGTH.size])
        if end > len(first):
            first, size = await self._container.read(self._blob, 0, end)
        try:
            description = msgspec.msgpack.decode(first[LENGTH.size : end], type=Description)
        except msgspec.DecodeError as error:
            raise StorageError("an object in the storage is no blob's") from error
        if end + description.end != size:
            raise ObjectMissing(f"an object has {size} bytes, and {end + description.end} were written")
        return description, end, first
