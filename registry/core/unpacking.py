"""The bytes of files in compressed layers: expanded as they are sent, in threads of their own, and never kept.

A layer is read from its beginning, since gzip and Zstandard have no other way in. What has been expanded counts as it does
where layers are read (mediatypes.files.reading.Limits), and only so many are expanded at a time: of those a caller has his
share, and who takes what he gets too slowly loses his turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar
from weakref import WeakValueDictionary

from mediatypes.files.expanding import Expanded
from mediatypes.files.reading import LIMITS, Malformed, Unreadable
from mediatypes.models.artifact import Packing
from mediatypes.ranges import ByteRange
from registry.core.access import Caller
from registry.errors import FileUnreachable, Unavailable
from registry.storage.base import BlobStore, StorageKey

Result = TypeVar("Result")

AT_ONCE: Final = 4
"""Layers that a process expands at a time: each may need a window of 128 MiB."""

OF_ONE: Final = 2
"""Of these, how many are one caller's: all who are anonymous count as one."""

_PATIENCE: Final = 10.0  # seconds for which a download waits until another one ends
_SLOWEST: Final = 128 << 10  # bytes a second, on average and after _GRACE, that a client takes
_GRACE: Final = 30.0  # seconds
_STEP: Final = 4 << 20  # bytes that are expanded in one go where they are dropped
_PIECE: Final = 256 << 10  # bytes that are sent in one go


class Unpacking:
    """Expands layers of a storage."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self._free = asyncio.Semaphore(AT_ONCE)
        self._shares: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()
        self._threads = ThreadPoolExecutor(AT_ONCE, "unpacking")

    async def read(
        self, path: str, key: StorageKey, size: int, packing: Packing, span: ByteRange, *, caller: Caller
    ) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of `span` of what a blob of `size` bytes becomes; `path` is what errors call them.

        Raise Unavailable before the first of them where too many ask, or the caller asks too often. Raise FileUnreachable
        where the layer turns out to be broken, or what is yielded is taken too slowly, and StorageError.
        """
        async with self._turn(caller), _compressed(self._store, key, size) as source:
            try:
                expanded = await self._done(functools.partial(Expanded, source, packing, LIMITS))
                at, waited = 0, 0.0
                while at < span.start:
                    at = await self._done(functools.partial(_sought, expanded, min(span.start, at + _STEP)))
                while at < span.stop:
                    piece = await self._done(functools.partial(expanded.read, min(_PIECE, span.stop - at)))
                    if not piece:
                        raise Malformed("ends before its layer's header says so")
                    at += len(piece)
                    begun = time.monotonic()
                    yield piece
                    waited += time.monotonic() - begun
                    if waited > _GRACE + (at - span.start) / _SLOWEST:
                        raise FileUnreachable(path, f"is expanded for who takes {_SLOWEST} bytes a second or more")
            except Unreadable as error:
                raise FileUnreachable(path, f"can't be had: its layer {error}") from None

    @contextlib.asynccontextmanager
    async def _turn(self, caller: Caller) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as held:
            try:
                async with asyncio.timeout(_PATIENCE):
                    # His own first: who waits for that keeps nobody else waiting.
                    if caller.principal_id is not None:
                        share = self._shares.get(caller.principal_id) or asyncio.Semaphore(OF_ONE)
                        self._shares[caller.principal_id] = share
                        await held.enter_async_context(share)
                    await held.enter_async_context(self._free)
            except TimeoutError:
                raise Unavailable("the expanding of compressed layers, of which many are asked for,", 10) from None
            yield

    async def _done(self, work: Callable[[], Result]) -> Result:
        """Do a step in a thread; whoever is cancelled, however often, waits for its end, since it uses what is closed then."""
        step = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await asyncio.shield(step)
        except asyncio.CancelledError:
            while not step.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([step])
            raise


def _sought(expanded: Expanded, place: int) -> int:
    """Go to a place. Raise Malformed where there is none such."""
    if expanded.seek(place) < place:
        raise Malformed(f"ends at byte {expanded.tell()}, before the file")
    return place


@contextlib.asynccontextmanager
async def _compressed(store: BlobStore, key: StorageKey, size: int) -> AsyncIterator[_Compressed]:
    source = _Compressed(store, key, size)
    try:
        yield source
    finally:
        await source.close()


class _Compressed:
    """A blob's bytes for a thread, onwards and by one request of the storage (mediatypes.files.reading.Source)."""

    def __init__(self, store: BlobStore, key: StorageKey, size: int) -> None:
        self._size = size
        self._loop = asyncio.get_running_loop()
        self._pieces = store.read(key, ByteRange(0, size))
        self._content = bytearray()
        self._position = 0  # of the first byte of the content

    @property
    def size(self) -> int:
        """The blob's bytes."""
        return self._size

    def read(self, start: int, stop: int) -> bytes:
        """Return bytes, none of which lies before those that were read last. Raise Malformed, StorageError."""
        if not self._position <= start <= stop <= self._size:
            raise Malformed(f"points back, to the bytes {start} to {stop}")
        while self._position + len(self._content) < stop:
            self._content += asyncio.run_coroutine_threadsafe(self._next(), self._loop).result()
        del self._content[: start - self._position]
        self._position = start
        return bytes(self._content[: stop - start])

    async def _next(self) -> bytes:
        return await anext(self._pieces)

    async def close(self) -> None:
        """Let the storage go."""
        await self._pieces.aclose()
