"""Files in compressed layers: a few layers are expanded at a time, whoever waits too long is told so, and bombs are refused."""

from __future__ import annotations

import asyncio
import gzip
import os
from collections.abc import AsyncGenerator

import pytest

from mediatypes.models.artifact import Packing
from mediatypes.ranges import ByteRange
from registry.core import unpacking as unpacking_module
from registry.core.access import EVERYONE, Bound, Caller
from registry.core.unpacking import AT_ONCE, OF_ONE, Unpacking
from registry.errors import FileUnreachable, Unavailable
from registry.storage.base import BlobStore, StorageKey, new_key
from tests.core.support import WrappedStore

CONTENT = os.urandom(1 << 20)


async def stored(store: BlobStore, content: bytes) -> tuple[StorageKey, int]:
    key = new_key()
    writer = await store.open_writer(key, size=len(content))
    await writer.write(content)
    await writer.commit()
    return key, len(content)


async def test_a_span_is_what_lies_there(store: BlobStore) -> None:
    key, size = await stored(store, gzip.compress(CONTENT))
    pieces = Unpacking(store).read("f", key, size, Packing.TAR_GZIP, ByteRange(700_000, 900_001), caller=EVERYONE)
    assert b"".join([piece async for piece in pieces]) == CONTENT[700_000:900_001]


async def test_whoever_waits_too_long_is_told_so_and_the_next_gets_his_turn(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking_module, "_PATIENCE", 0.05)
    key, size = await stored(store, gzip.compress(CONTENT))
    unpacking = Unpacking(store)

    def begun() -> AsyncGenerator[bytes, None]:
        return unpacking.read("f", key, size, Packing.TAR_GZIP, ByteRange(0, len(CONTENT)), caller=EVERYONE)

    slow = [begun() for _ in range(AT_ONCE)]
    for one in slow:
        await anext(one)
    with pytest.raises(Unavailable):
        await anext(begun())
    await slow[0].aclose()
    assert await anext(begun())


async def test_one_caller_has_his_share_and_leaves_the_rest_to_others(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking_module, "_PATIENCE", 0.05)
    key, size = await stored(store, gzip.compress(CONTENT))
    unpacking = Unpacking(store)

    def begun(caller: Caller) -> AsyncGenerator[bytes, None]:
        return unpacking.read("f", key, size, Packing.TAR_GZIP, ByteRange(0, len(CONTENT)), caller=caller)

    alice, by_key = Caller(7, "alice"), Caller(7, "alice", Bound({}, catalog=False))
    hers = [begun(alice) for _ in range(OF_ONE)]
    for one in hers:
        await anext(one)
    for caller in (alice, by_key):
        with pytest.raises(Unavailable):
            await anext(begun(caller))
    for _ in range(2):  # who was refused holds nothing
        bobs = begun(Caller(8, "bob"))
        assert await anext(bobs)
        await bobs.aclose()
    assert b"".join([piece async for piece in hers[0]])
    again = begun(alice)
    assert await anext(again)
    await again.aclose()
    await hers[1].aclose()


async def test_who_takes_it_too_slowly_loses_his_turn(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    key, size = await stored(store, gzip.compress(CONTENT))
    unpacking = Unpacking(store)

    def begun() -> AsyncGenerator[bytes, None]:
        return unpacking.read("f", key, size, Packing.TAR_GZIP, ByteRange(0, len(CONTENT)), caller=EVERYONE)

    monkeypatch.setattr(unpacking_module, "_GRACE", 0.0)
    monkeypatch.setattr(unpacking_module, "_SLOWEST", 1 << 50)
    for _ in range(AT_ONCE + 1):
        slow = begun()
        await anext(slow)
        await asyncio.sleep(0.001)
        with pytest.raises(FileUnreachable, match="bytes a second"):
            await anext(slow)
    monkeypatch.setattr(unpacking_module, "_SLOWEST", 1)
    assert b"".join([piece async for piece in begun()]) == CONTENT


async def test_who_is_cancelled_gives_his_turn_back(store: BlobStore) -> None:
    key, size = await stored(store, gzip.compress(bytes(16 << 20) + CONTENT))
    begun = asyncio.Event()

    async def on_call(_when: str, _what: str) -> None:
        begun.set()

    unpacking = Unpacking(WrappedStore(store, on_call))

    async def taken() -> bytes:
        span = ByteRange(16 << 20, (16 << 20) + 10)
        return b"".join(
            [piece async for piece in unpacking.read("f", key, size, Packing.TAR_GZIP, span, caller=EVERYONE)]
        )

    for _ in range(AT_ONCE):
        begun.clear()
        task = asyncio.create_task(taken())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await taken() == CONTENT[:10]


async def test_who_is_cancelled_twice_lets_the_storage_go(store: BlobStore) -> None:
    key, size = await stored(store, gzip.compress(CONTENT))
    waiting, going_on = asyncio.Event(), asyncio.Event()

    async def on_call(_when: str, _what: str) -> None:
        waiting.set()
        await going_on.wait()

    pieces = Unpacking(WrappedStore(store, on_call)).read(
        "f", key, size, Packing.TAR_GZIP, ByteRange(0, 10), caller=EVERYONE
    )
    task = asyncio.ensure_future(anext(pieces))
    await waiting.wait()
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0.01)
    going_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_bomb_and_what_ends_too_early_are_refused(store: BlobStore) -> None:
    unpacking = Unpacking(store)
    bomb = await stored(store, gzip.compress(bytes(64 << 20)))
    with pytest.raises(FileUnreachable, match="bombs"):
        await anext(unpacking.read("f", *bomb, Packing.TAR_GZIP, ByteRange(60 << 20, 61 << 20), caller=EVERYONE))
    short = await stored(store, gzip.compress(CONTENT))
    with pytest.raises(FileUnreachable, match="before the file"):
        await anext(unpacking.read("f", *short, Packing.TAR_GZIP, ByteRange(2 << 20, 3 << 20), caller=EVERYONE))
