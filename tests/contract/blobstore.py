"""What every BlobStore does: one test for each sentence of `registry/storage/base.py`.

A driver's own file makes a `driver` (a store, and what lies in it) and inherits everything here. After each test nothing may
be left in the store, nor any file open.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from mediatypes.ranges import ByteRange
from registry.storage.base import CHUNK_SIZE, BlobStore, ObjectMissing, StorageKey, WriterBusy, new_key

PATIENCE = 30.0
"""Seconds after which what should be closed is taken for left open."""

SIZES = [0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 3 * CHUNK_SIZE + 17]


@dataclass(frozen=True)
class Driver:
    """A store under test; `contents` returns the sizes of all that lies in it, whatever it is called there."""

    store: BlobStore
    contents: Callable[[], list[int]]


def noise(size: int) -> bytes:
    """Return `size` bytes in which each position can be told from its neighbours."""
    return bytes(number * 37 % 251 for number in range(251)) * (size // 251) + bytes(range(size % 251))


async def store_blob(store: BlobStore, content: bytes) -> StorageKey:
    key = new_key()
    writer = await store.open_writer(key)
    await writer.write(content)
    await writer.commit()
    return key


async def read_pieces(store: BlobStore, key: StorageKey, span: ByteRange) -> list[bytes]:
    async with contextlib.aclosing(store.read(key, span)) as pieces:
        return [piece async for piece in pieces]


async def read(store: BlobStore, key: StorageKey, size: int, *, start: int = 0) -> bytes:
    return b"".join(await read_pieces(store, key, ByteRange(start, size)))


class BlobStoreContract:
    """Inherit, and give a fixture `driver`."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def collected(cls) -> Iterator[None]:
        """Let each test's garbage collection look at what these tests make, and not at all that was there before."""
        gc.collect()
        gc.freeze()
        yield
        gc.unfreeze()

    @pytest.fixture
    async def store(self, driver: Driver) -> AsyncIterator[BlobStore]:
        before = _open_files()
        yield driver.store
        assert driver.contents() == []
        await driver.store.close()
        gc.collect()  # urllib3 closes the idle connections of a client when the client is collected
        assert await _left_open(before) == []

    @pytest.mark.parametrize("size", SIZES)
    async def test_what_was_committed_is_read_back(self, store: BlobStore, size: int) -> None:
        key = await store_blob(store, noise(size))
        assert await read(store, key, size) == noise(size)
        await store.delete(key)

    async def test_pieces_read_are_at_most_a_chunk_and_never_empty(self, store: BlobStore) -> None:
        key = await store_blob(store, noise(3 * CHUNK_SIZE + 17))
        for start in (0, 5, CHUNK_SIZE):
            pieces = await read_pieces(store, key, ByteRange(start, 3 * CHUNK_SIZE + 17))
            assert all(0 < len(piece) <= CHUNK_SIZE for piece in pieces)
            assert b"".join(pieces) == noise(3 * CHUNK_SIZE + 17)[start:]
        await store.delete(key)

    async def test_every_span_is_read_exactly(self, store: BlobStore) -> None:
        size = 2 * CHUNK_SIZE + 2
        content = noise(size)
        key = await store_blob(store, content)
        edges = [0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 2 * CHUNK_SIZE, size - 1, size]
        for start in edges:
            for stop in edges:
                if start <= stop:
                    assert await read(store, key, stop, start=start) == content[start:stop]
        await store.delete(key)

    async def test_a_piece_larger_than_a_chunk_is_written_whole(self, store: BlobStore) -> None:
        key = new_key()
        writer = await store.open_writer(key)
        await writer.write(noise(2 * CHUNK_SIZE + 3))
        await writer.write(noise(5))
        assert writer.offset == 2 * CHUNK_SIZE + 8
        await writer.commit()
        assert await read(store, key, 2 * CHUNK_SIZE + 8) == noise(2 * CHUNK_SIZE + 3) + noise(5)
        await store.delete(key)

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    async def test_data_of_every_kind_is_taken_and_not_kept(
        self, store: BlobStore, kind: Callable[[bytes], bytes | bytearray | memoryview]
    ) -> None:
        key = new_key()
        writer = await store.open_writer(key)
        data = kind(b"before")
        await writer.write(data)
        if isinstance(data, bytearray):
            data[:] = b"after, and of another length"
        await writer.write(b"")
        await writer.commit()
        assert await read(store, key, 6) == b"before"
        await store.delete(key)

    async def test_the_offset_counts_from_the_beginning_of_the_blob(self, store: BlobStore) -> None:
        key = new_key()
        writer = await store.open_writer(key)
        assert writer.offset == 0
        await writer.write(b"four")
        assert writer.offset == 4
        state = await writer.save()
        await writer.close()
        resumed = await store.open_writer(key, offset=4, state=state)
        assert resumed.offset == 4
        await resumed.write(b"seven")
        assert resumed.offset == 9
        await resumed.close()
        await store.delete(key)

    async def test_what_was_saved_is_kept_when_the_writer_is_closed(self, store: BlobStore) -> None:
        key = new_key()
        writer = await store.open_writer(key)
        await writer.write(noise(CHUNK_SIZE + 9))
        state = await writer.save()
        await writer.write(b"not saved")
        await writer.close()
        resumed = await store.open_writer(key, offset=CHUNK_SIZE + 9, state=state)
        await resumed.write(b"end")
        await resumed.commit()
        assert await read(store, key, CHUNK_SIZE + 12) == noise(CHUNK_SIZE + 9) + b"end"
        await store.delete(key)

    @pytest.mark.parametrize("saved", [0, 1, 5])
    async def test_a_resumed_writer_discards_what_lies_beyond_its_offset(
        self, driver: Driver, store: BlobStore, saved: int
    ) -> None:
        key = new_key()
        writer = await store.open_writer(key)
        await writer.write(noise(saved))
        state = await writer.save()
        await writer.write(b"beyond")
        await writer.close()
        resumed = await store.open_writer(key, offset=saved, state=state)
        assert await resumed.commit()
        await resumed.tidy()
        assert driver.contents() == [saved]
        with pytest.raises(ObjectMissing):
            await read(store, key, saved + 1)
        assert await read(store, key, saved) == noise(saved)
        await store.delete(key)

    async def test_a_blob_is_resumed_many_times(self, store: BlobStore) -> None:
        key, state, content = new_key(), b"", noise(100)
        for start, stop in pairwise([0, 1, 1, 40, 99, 100]):
            writer = await store.open_writer(key, offset=start, state=state)
            await writer.write(content[start:stop])
            state = await writer.save()
            await writer.close()
        writer = await store.open_writer(key, offset=100, state=state)
        await writer.commit()
        assert await read(store, key, 100) == content
        await store.delete(key)

    async def test_fewer_bytes_than_the_offset_are_an_object_missing(self, store: BlobStore) -> None:
        key = new_key()
        with pytest.raises(ObjectMissing):
            await store.open_writer(key, offset=1)
        writer = await store.open_writer(key)
        await writer.write(b"four")
        state = await writer.save()
        await writer.close()
        with pytest.raises(ObjectMissing):
            await store.open_writer(key, offset=5, state=state)
        await (await store.open_writer(key, offset=4, state=state)).close()
        await store.delete(key)

    async def test_one_writer_holds_a_key_at_a_time(self, store: BlobStore) -> None:
        key = new_key()
        writer = await store.open_writer(key)
        await writer.write(b"held")
        state = await writer.save()
        for offset in (0, 4):
            with pytest.raises(WriterBusy):
                await store.open_writer(key, offset=offset, state=state)
        assert writer.offset == 4
        await writer.write(b" still")
        await writer.commit()
        assert await read(store, key, 10) == b"held still"
        await store.delete(key)

    @pytest.mark.parametrize("end", ["close", "commit"])
    async def test_a_writer_that_has_ended_lets_the_key_go_and_takes_nothing(self, store: BlobStore, end: str) -> None:
        key = new_key()
        writer = await store.open_writer(key)
        await writer.write(b"four")
        state = await writer.save()
        await getattr(writer, end)()
        for act in (writer.write(b"more"), writer.save(), writer.commit()):
            with pytest.raises(ValueError, match="closed"):
                await act
        await writer.close()
        await writer.close()
        begin = partial(store.open_writer, key, **({"offset": 4, "state": state} if end == "close" else {}))
        other = await begin()
        await writer.close()  # not the other's
        with pytest.raises(WriterBusy):
            await begin()
        await other.close()
        await store.delete(key)

    async def test_an_empty_writer_leaves_what_delete_removes(self, store: BlobStore) -> None:
        key = new_key()
        await (await store.open_writer(key)).close()
        await store.delete(key)

    async def test_a_writer_that_is_withdrawn_after_its_commit_takes_nothing_from_the_blob(
        self, store: BlobStore
    ) -> None:
        key = new_key()
        writer = await store.open_writer(key)
        await writer.write(noise(CHUNK_SIZE + 9))
        assert await writer.commit()
        await writer.withdraw()
        assert await read(store, key, CHUNK_SIZE + 9) == noise(CHUNK_SIZE + 9)
        await store.delete(key)

    async def test_zero_bytes_are_a_blob(self, store: BlobStore) -> None:
        key = new_key()
        await (await store.open_writer(key)).commit()
        assert await read(store, key, 0) == b""
        with pytest.raises(ObjectMissing):
            await read(store, key, 1)
        await store.delete(key)

    async def test_what_is_not_all_there_is_missing(self, store: BlobStore) -> None:
        with pytest.raises(ObjectMissing):
            await read(store, new_key(), 1)
        with pytest.raises(ObjectMissing):
            await read(store, new_key(), 0)
        key = await store_blob(store, noise(10))
        with pytest.raises(ObjectMissing):
            await read(store, key, 11)
        with pytest.raises(ObjectMissing):
            await read(store, key, 12, start=11)
        await store.delete(key)

    async def test_a_deleted_blob_is_missing_and_nothing_of_it_is_left(self, driver: Driver, store: BlobStore) -> None:
        key, other = await store_blob(store, b"gone"), await store_blob(store, b"stays")
        await store.delete(key)
        with pytest.raises(ObjectMissing):
            await read(store, key, 4)
        assert driver.contents() == [5]
        assert await read(store, other, 5) == b"stays"
        await store.delete(other)

    async def test_deleting_what_is_not_there_is_no_error(self, store: BlobStore) -> None:
        await store.delete(new_key())
        key = await store_blob(store, b"x")
        await store.delete(key)
        await store.delete(key)

    async def test_what_an_unfinished_writer_left_is_deleted(self, store: BlobStore) -> None:
        key = new_key()
        writer = await store.open_writer(key)
        await writer.write(noise(CHUNK_SIZE + 1))
        await writer.save()
        await writer.close()
        await store.delete(key)
        with pytest.raises(ObjectMissing):
            await store.open_writer(key, offset=CHUNK_SIZE + 1)

    @pytest.mark.parametrize("end", ["close", "commit"])
    async def test_deleting_under_an_open_writer_leaves_nothing(
        self, driver: Driver, store: BlobStore, end: str
    ) -> None:
        key = new_key()
        writer = await store.open_writer(key)
        await writer.write(b"before")
        await store.delete(key)
        await writer.write(b"after")
        await writer.save()
        await getattr(writer, end)()
        assert driver.contents() == []
        with pytest.raises(ObjectMissing):
            await read(store, key, 11)

    async def test_a_read_under_way_when_the_blob_is_deleted_gives_its_bytes_or_says_so(self, store: BlobStore) -> None:
        content = noise(2 * CHUNK_SIZE)
        key = await store_blob(store, content)
        got = b""
        async with contextlib.aclosing(store.read(key, ByteRange(0, len(content)))) as pieces:
            with contextlib.suppress(ObjectMissing):
                async for piece in pieces:
                    got += piece
                    await store.delete(key)
        assert content.startswith(got)
        assert got

    async def test_many_read_one_blob_at_once(self, store: BlobStore) -> None:
        content = noise(2 * CHUNK_SIZE + 5)
        key = await store_blob(store, content)
        found = await asyncio.gather(*(read(store, key, len(content), start=start) for start in range(20)))
        assert found == [content[start:] for start in range(20)]
        await store.delete(key)

    async def test_many_keys_are_written_at_once(self, store: BlobStore) -> None:
        contents = [noise(CHUNK_SIZE + number) for number in range(8)]
        keys = await asyncio.gather(*(store_blob(store, content) for content in contents))
        for key, content in zip(keys, contents, strict=True):
            assert await read(store, key, len(content)) == content
        await asyncio.gather(*map(store.delete, keys))

    @pytest.mark.parametrize("turns", range(4))
    async def test_a_cancelled_write_can_be_resumed_where_it_was_saved(self, store: BlobStore, turns: int) -> None:
        key = new_key()
        writer = await store.open_writer(key)
        await writer.write(b"saved")
        state = await writer.save()
        writing = asyncio.create_task(writer.write(noise(4 * CHUNK_SIZE)))
        await _cancel(writing, turns)
        await writer.close()
        resumed = await store.open_writer(key, offset=5, state=state)
        await resumed.write(b", resumed")
        await resumed.commit()
        assert await read(store, key, 14) == b"saved, resumed"
        with pytest.raises(ObjectMissing):
            await read(store, key, 15)
        await store.delete(key)

    @pytest.mark.parametrize("turns", range(4))
    async def test_a_cancelled_open_holds_no_key(self, store: BlobStore, turns: int) -> None:
        key = new_key()
        opening = asyncio.create_task(store.open_writer(key))
        await _cancel(opening, turns)
        if not opening.cancelled():
            await opening.result().close()
        await (await store.open_writer(key)).close()
        await store.delete(key)

    @pytest.mark.parametrize("turns", range(6))
    async def test_a_cancelled_read_holds_nothing(self, store: BlobStore, turns: int) -> None:
        content = noise(3 * CHUNK_SIZE)
        key = await store_blob(store, content)
        await _cancel(asyncio.create_task(read(store, key, len(content))), turns)
        assert await read(store, key, len(content)) == content
        await store.delete(key)

    async def test_a_read_that_is_given_up_holds_nothing(self, store: BlobStore) -> None:
        key = await store_blob(store, noise(3 * CHUNK_SIZE))
        pieces = store.read(key, ByteRange(0, 3 * CHUNK_SIZE))
        first = await anext(pieces)
        assert 0 < len(first) <= CHUNK_SIZE
        assert noise(3 * CHUNK_SIZE).startswith(first)
        await pieces.aclose()
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)
        await asyncio.sleep(0)
        await store.delete(key)

    async def test_the_local_path_is_that_of_a_file_with_exactly_the_blob(self, store: BlobStore) -> None:
        key = new_key()
        writer = await store.open_writer(key)
        await writer.write(b"exactly")
        state = await writer.save()
        await writer.write(b" and more")
        await writer.close()
        await (await store.open_writer(key, offset=7, state=state)).commit()
        path = store.local_path(key, 7)
        assert path is None or _content(path) == b"exactly"
        assert store.local_path(key, 6) is store.local_path(key, 8) is None
        assert [await store.holds(key, size) for size in (6, 7, 8)] == [False, True, False]
        await store.delete(key)
        assert store.local_path(key, 7) is None
        assert not await store.holds(key, 7)

    async def test_a_check_leaves_nothing(self, driver: Driver, store: BlobStore) -> None:
        await asyncio.gather(*(store.check() for _ in range(5)))
        assert driver.contents() == []


async def _cancel(task: asyncio.Task[object], turns: int) -> None:
    """Cancel a task after so many turns of the loop, and wait for its end."""
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])


def _content(path: Path) -> bytes:
    return path.read_bytes()


async def _left_open(before: list[str]) -> list[str]:
    """Return what is open and wasn't before, once that is nothing or stays something: libraries close in threads of theirs."""
    left = None
    until = asyncio.get_running_loop().time() + PATIENCE
    while left is None or (left and asyncio.get_running_loop().time() < until):
        # Of what an earlier test left, the garbage collector may have closed some meanwhile.
        left = sorted((Counter(_open_files()) - Counter(before)).elements())
        await asyncio.sleep(0.01)
    return left


def _open_files() -> list[str]:
    """Return what this process has open, without the directory that it looks into for that."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(str(entry.readlink()))
    return sorted(name for name in found if not name.startswith("/proc/"))
