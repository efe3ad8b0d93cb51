"""Bodies, gates and stores that fail, for tests of the verbs."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName, parse_tag
from mediatypes.oci import IMAGE_INDEX, IMAGE_MANIFEST
from mediatypes.ranges import ByteRange
from registry.core.own_referrers import OwnReferrers
from registry.core.services import Services
from registry.db.pool import Connection, Database
from registry.errors import BodyIncomplete
from registry.storage.base import BlobStore, BlobWriter, StorageError, StorageKey
from registry.storage.memory import MemoryStore

T = TypeVar("T")

NAME = RepositoryName("team/model")
OTHER = RepositoryName("team/other")


async def body(*pieces: bytes) -> AsyncIterator[bytes]:
    """Yield a request's body."""
    for piece in pieces:
        yield piece


async def vanishing(*pieces: bytes) -> AsyncIterator[bytes]:
    """Yield what arrives of a body before its client vanishes."""
    for piece in pieces:
        yield piece
    raise BodyIncomplete


class Gate:
    """Where something stops until the test lets it go on."""

    def __init__(self) -> None:
        self._arrived = asyncio.Event()
        self._opened = asyncio.Event()

    async def arrival(self) -> None:
        """Wait until something has stopped here."""
        async with asyncio.timeout(30):
            await self._arrived.wait()

    def open(self) -> None:
        """Let what has stopped, and all that comes, go on."""
        self._opened.set()

    async def stop(self) -> None:
        """Stop here."""
        self._arrived.set()
        async with asyncio.timeout(30):
            await self._opened.wait()

    async def body(self, *pieces: bytes, then: tuple[bytes, ...] = ()) -> AsyncIterator[bytes]:
        """Yield `pieces`, stop here, and yield the rest."""
        for piece in pieces:
            yield piece
        await self.stop()
        for piece in then:
            yield piece


class GatedDatabase(Database):
    """Stops before a transaction whose name has a gate."""

    def __init__(self, url: str) -> None:
        super().__init__(url, size=5, timeout=10)
        self.gates: dict[str, Gate] = {}

    async def transaction(self, name: str, work: Callable[[Connection], Awaitable[T]]) -> T:
        if name in self.gates:
            await self.gates[name].stop()
        return await super().transaction(name, work)

    async def statement(self, name: str, work: Callable[[Connection], Awaitable[T]]) -> T:
        if name in self.gates:
            await self.gates[name].stop()
        return await super().statement(name, work)


class WrappedStore:
    """Hands every call on to `inner`; before and after each, `on_call` may raise or wait."""

    def __init__(self, inner: BlobStore, on_call: Callable[[str, str], Awaitable[None]]) -> None:
        self.inner = inner
        self.on_call = on_call

    async def open_writer(
        self, key: StorageKey, *, offset: int = 0, state: bytes = b"", size: int | None = None, epoch: int = 1
    ) -> BlobWriter:
        await self.on_call("before", "open_writer")
        writer = await self.inner.open_writer(key, offset=offset, state=state, size=size, epoch=epoch)
        try:
            await self.on_call("after", "open_writer")
        except BaseException:
            await writer.close()
            raise
        return _WrappedWriter(writer, self.on_call)

    async def read(self, key: StorageKey, span: ByteRange) -> AsyncGenerator[bytes, None]:
        await self.on_call("before", "read")
        async with contextlib.aclosing(self.inner.read(key, span)) as pieces:
            async for piece in pieces:
                yield piece
        await self.on_call("after", "read")

    async def holds(self, key: StorageKey, size: int) -> bool:
        await self.on_call("before", "holds")
        return await self.inner.holds(key, size)

    def local_path(self, key: StorageKey, size: int) -> Path | None:
        return self.inner.local_path(key, size)

    async def signed_url(self, key: StorageKey) -> str | None:
        return await self.inner.signed_url(key)

    async def delete(self, key: StorageKey) -> None:
        await self.on_call("before", "delete")
        await self.inner.delete(key)
        await self.on_call("after", "delete")

    async def check(self) -> None:
        await self.on_call("before", "check")

    async def close(self) -> None:
        await self.inner.close()


class _WrappedWriter:
    def __init__(self, inner: BlobWriter, on_call: Callable[[str, str], Awaitable[None]]) -> None:
        self._inner = inner
        self._on_call = on_call

    @property
    def offset(self) -> int:
        return self._inner.offset

    def part_end(self, position: int) -> int | None:
        return self._inner.part_end(position)

    async def write(self, *pieces: bytes | bytearray | memoryview) -> None:
        await self._on_call("before", "write")
        await self._inner.write(*pieces)
        await self._on_call("after", "write")

    async def save(self, *, last: bool = False) -> bytes:
        await self._on_call("before", "save")
        state = await self._inner.save(last=last)
        await self._on_call("after", "save")
        return state

    async def withdraw(self) -> None:
        await self._inner.withdraw()

    async def commit(self) -> bool:
        await self._on_call("before", "commit")
        is_ours = await self._inner.commit()
        await self._on_call("after", "commit")
        return is_ours

    async def tidy(self) -> None:
        await self._inner.tidy()

    async def close(self) -> None:
        await self._inner.close()


class FailOnce:
    """Fails the call of the given number, counted from 0, and no other; `calls` lists all that were made."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.calls: list[tuple[str, str]] = []

    async def __call__(self, moment: str, call: str) -> None:
        self.calls.append((moment, call))
        if len(self.calls) == self._number + 1:
            raise StorageError(f"the storage failed {moment} {call}")

    @property
    def has_failed(self) -> bool:
        """Say whether as many calls were made."""
        return len(self.calls) > self._number


async def read_blob(services: Services, digest: Digest, name: RepositoryName = NAME) -> bytes:
    """Return a blob's bytes, as the registry serves them."""
    blob = await services.blobs.find(name, digest)
    async with contextlib.aclosing(services.blobs.read(blob, ByteRange(0, blob.size))) as pieces:
        return b"".join([piece async for piece in pieces])


async def push_blob(services: Services, content: bytes, name: RepositoryName = NAME) -> Digest:
    """Push a blob in one request."""
    digest = Digest.of(content)
    await services.uploads.push(name, digest, body(content))
    return digest


async def clean(services: Services) -> None:
    """Delete all objects that are due."""
    while await services.cleanup.delete_dead_objects():
        pass


def contents(store: BlobStore) -> list[bytes]:
    """Return all that lies in a memory store."""
    assert isinstance(store, MemoryStore)
    return sorted(bytes(content) for content in store._objects.values())


def image(config: Digest, *layers: Digest, subject: Digest | None = None, note: str = "") -> bytes:
    """Return an image manifest; `note` makes it another one."""
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "config": {"mediaType": "application/vnd.example.config", "digest": str(config), "size": 2},
        "layers": [{"mediaType": "application/octet-stream", "digest": str(layer), "size": 1} for layer in layers],
        "annotations": {"note": note},
    }
    if subject is not None:
        document["subject"] = {"mediaType": IMAGE_MANIFEST, "digest": str(subject), "size": 1}
    return json.dumps(document).encode()


def index(*children: Digest, note: str = "") -> bytes:
    """Return an image index."""
    manifests = [{"mediaType": IMAGE_MANIFEST, "digest": str(child), "size": 1} for child in children]
    document = {"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": manifests, "annotations": {"note": note}}
    return json.dumps(document).encode()


async def push_manifest(services: Services, content: bytes, reference: str = "v1", *tags: str) -> Digest:
    """Push a manifest under a tag, and under more of them."""
    media_type = json.loads(content)["mediaType"]
    pushed = await services.manifests.push(
        NAME, content, media_type=media_type, reference=parse_tag(reference), extra_tags=[*map(parse_tag, tags)]
    )
    return pushed.digest


def own_referrers(db: Database, services: Services) -> OwnReferrers:
    """Return what publishes the registry's own referrers."""
    return OwnReferrers(db, services.blobs, services.uploads, services.manifests)
