"""A driver does what a dict of bytes would do, whatever is asked of it in whatever order."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from mediatypes.ranges import ByteRange
from registry.storage.base import CHUNK_SIZE, BlobStore, BlobWriter, ObjectMissing, StorageKey, WriterBusy, new_key
from registry.storage.filesystem import FilesystemStore
from registry.storage.memory import MemoryStore

T = TypeVar("T")

PIECES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1]).map(lambda size: bytes([size % 251]) * size),
)


class StoreMachine(RuleBasedStateMachine):
    """Writes, resumes, commits, reads and deletes; `saved` and `accepted` are the model of a key's bytes."""

    keys = Bundle("keys")
    writers = Bundle("writers")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.store = self.make_store()
        self.saved: dict[StorageKey, tuple[bytes, bytes]] = {}  # content and the writer's state
        self.accepted: dict[StorageKey, bytes] = {}
        self.writing: dict[StorageKey, BlobWriter] = {}
        self.committed: set[StorageKey] = set()

    def make_store(self) -> BlobStore:
        raise NotImplementedError

    def sizes(self) -> dict[StorageKey, int]:
        raise NotImplementedError

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @rule(target=keys)
    def make_key(self) -> StorageKey:
        return new_key()

    @rule(target=writers, key=keys)
    def begin_or_resume(self, key: StorageKey) -> Any:
        if key in self.committed:
            return multiple()
        content, state = self.saved.get(key, (b"", b""))
        if key in self.writing:
            with pytest.raises(WriterBusy):
                self.do(self.store.open_writer(key, offset=len(content), state=state))
            return multiple()
        self.writing[key] = self.do(self.store.open_writer(key, offset=len(content), state=state))
        self.accepted[key] = content
        return key

    @rule(key=keys, beyond=st.integers(1, 5))
    def resume_beyond_the_end(self, key: StorageKey, beyond: int) -> None:
        if key not in self.writing:
            held = len(self.accepted.get(key, b""))
            with pytest.raises(ObjectMissing):
                self.do(self.store.open_writer(key, offset=held + beyond))

    @rule(key=writers, data=PIECES)
    def write(self, key: StorageKey, data: bytes) -> None:
        if key in self.writing:
            self.do(self.writing[key].write(data))
            self.accepted[key] += data

    @rule(key=writers)
    def save(self, key: StorageKey) -> None:
        if key in self.writing:
            self.saved[key] = self.accepted[key], self.do(self.writing[key].save())

    @rule(key=consumes(writers))
    def close(self, key: StorageKey) -> None:
        if key in self.writing:
            self.do(self.writing.pop(key).close())

    @rule(key=consumes(writers))
    def commit(self, key: StorageKey) -> None:
        if key in self.writing:
            self.do(self.writing.pop(key).commit())
            self.committed.add(key)

    @rule(key=keys, data=st.data())
    def read(self, key: StorageKey, data: st.DataObject) -> None:
        if key in self.writing or (key in self.accepted and key not in self.committed):
            return
        content = self.accepted.get(key)
        if content is None:
            with pytest.raises(ObjectMissing):
                self.do(self._read(key, ByteRange(0, 1)))
            return
        stop = data.draw(st.integers(0, len(content)))
        start = data.draw(st.integers(0, stop))
        assert self.do(self._read(key, ByteRange(start, stop))) == content[start:stop]
        with pytest.raises(ObjectMissing):
            self.do(self._read(key, ByteRange(start, len(content) + 1)))

    @rule(key=keys)
    def delete(self, key: StorageKey) -> None:
        if key not in self.writing:
            self.do(self.store.delete(key))
            self.forget(key)

    @rule(key=consumes(writers))
    def delete_under_the_writer(self, key: StorageKey) -> None:
        if key in self.writing:
            self.do(self.store.delete(key))
            self.do(self.writing[key].write(b"nowhere"))
            self.do(self.writing.pop(key).commit())
            self.forget(key)

    @invariant()
    def what_lies_there_is_what_was_accepted(self) -> None:
        expected = {key: len(content) for key, content in self.accepted.items()}
        assert self.sizes() == expected
        for key, writer in self.writing.items():
            assert writer.offset == expected[key]

    def teardown(self) -> None:
        for writer in self.writing.values():
            self.do(writer.close())
        for key in self.accepted:
            self.do(self.store.delete(key))
        assert self.sizes() == {}
        self.do(self.store.close())
        self.runner.close()

    def forget(self, key: StorageKey) -> None:
        for known in (self.saved, self.accepted):
            known.pop(key, None)
        self.committed.discard(key)

    async def _read(self, key: StorageKey, span: ByteRange) -> bytes:
        async with contextlib.aclosing(self.store.read(key, span)) as pieces:
            return b"".join([piece async for piece in pieces])


class MemoryMachine(StoreMachine):
    def make_store(self) -> BlobStore:
        self.memory = MemoryStore()
        return self.memory

    def sizes(self) -> dict[StorageKey, int]:
        return {key: len(content) for key, content in self.memory._objects.items()}


class FilesystemMachine(StoreMachine):
    def make_store(self) -> BlobStore:
        self.root = Path(tempfile.mkdtemp(prefix="blacklake-machine-"))
        return FilesystemStore(self.root)

    def sizes(self) -> dict[StorageKey, int]:
        return {StorageKey(path.name): path.stat().st_size for path in self.root.rglob("*") if path.is_file()}

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            shutil.rmtree(self.root)


@pytest.mark.parametrize("machine", [MemoryMachine, FilesystemMachine])
def test_a_driver_behaves_as_a_dict_of_bytes(machine: type[StoreMachine]) -> None:
    run_state_machine_as_test(machine, settings=settings(max_examples=60, stateful_step_count=30, deadline=None))
