"""A driver does what a dict of bytes would do, whatever is asked of it in whatever order."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

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
from registry.storage import s3_writer
from registry.storage.base import (
    CHUNK_SIZE,
    BlobStore,
    BlobWriter,
    ObjectMissing,
    StorageError,
    StorageKey,
    WriterBusy,
    new_key,
)
from registry.storage.filesystem import FilesystemStore
from registry.storage.memory import MemoryStore
from registry.storage.s3 import S3Store
from tests.properties.filled import filled
from tests.s3_servers import S3Server

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

T = TypeVar("T")

PART = 5 << 20  # bytes; S3 takes no smaller one
PIECES = st.one_of(st.binary(max_size=40), st.sampled_from([CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1]).map(filled))
LARGE_PIECES = st.sampled_from([PART - 1, PART, PART + 1]).map(filled)


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
        self.epochs: Counter[StorageKey] = Counter()

    def make_store(self) -> BlobStore:
        raise NotImplementedError

    def sizes(self) -> dict[StorageKey, int]:
        raise NotImplementedError

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def node_of(self, key: StorageKey) -> BlobStore:
        """Return the store through which a key is written now."""
        return self.store

    def open(self, key: StorageKey) -> BlobWriter:
        content, state = self.saved.get(key, (b"", b""))
        self.epochs[key] += 1
        return self.do(self.node_of(key).open_writer(key, offset=len(content), state=state, epoch=self.epochs[key]))

    def remove(self, key: StorageKey) -> None:
        self.do(self.node_of(key).delete(key))

    @rule(target=keys)
    def make_key(self) -> StorageKey:
        return new_key()

    @rule(target=writers, key=keys)
    def begin_or_resume(self, key: StorageKey) -> Any:
        if key in self.committed:
            return multiple()
        if key in self.writing:
            with pytest.raises(WriterBusy):
                self.open(key)
            return multiple()
        self.writing[key] = self.open(key)
        self.accepted[key] = self.saved.get(key, (b"", b""))[0]
        return key

    @rule(key=keys, beyond=st.integers(1, 5))
    def resume_beyond_the_end(self, key: StorageKey, beyond: int) -> None:
        if key not in self.writing:
            held = len(self.accepted.get(key, b""))
            with pytest.raises(ObjectMissing):
                self.do(self.node_of(key).open_writer(key, offset=held + beyond))

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
            writer = self.writing.pop(key)
            assert self.do(writer.commit())
            self.do(writer.tidy())
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
            self.remove(key)
            self.forget(key)

    @rule(key=consumes(writers))
    def delete_under_the_writer(self, key: StorageKey) -> None:
        if key in self.writing:
            self.remove(key)
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
            self.remove(key)
        assert self.sizes() == {}
        self.do(self.close_stores())
        self.runner.close()

    async def close_stores(self) -> None:
        await self.store.close()

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


class TwoNodesMachine(StoreMachine):
    """Two nodes on one storage. One may go on with what the other still writes: `overtaken` are the writers that don't know."""

    nodes: tuple[BlobStore, BlobStore]
    keys = Bundle("keys")
    writers = Bundle("writers")

    def __init__(self) -> None:
        self.overtaken: dict[StorageKey, BlobWriter] = {}
        self.contested: set[StorageKey] = set()
        self.takeovers: Counter[StorageKey] = Counter()
        super().__init__()

    def make_store(self) -> BlobStore:
        return self.nodes[0]

    def node_of(self, key: StorageKey) -> BlobStore:
        return self.nodes[self.takeovers[key] % 2]

    def remove(self, key: StorageKey) -> None:
        self.overtaken_ends(key)
        super().remove(key)

    @rule(key=writers)
    def another_node_goes_on(self, key: StorageKey) -> None:
        if key in self.writing:
            self.overtaken_ends(key)
            self.overtaken[key] = self.writing.pop(key)
            self.contested.add(key)
            self.takeovers[key] += 1
            self.writing[key] = self.open(key)
            self.accepted[key] = self.saved.get(key, (b"", b""))[0]

    @rule(key=keys, data=PIECES)
    def overtaken_writes(self, key: StorageKey, data: bytes) -> None:
        self.try_overtaken(key, lambda writer: writer.write(data))

    @rule(key=keys)
    def overtaken_saves(self, key: StorageKey) -> None:
        """Its state is not kept, since the lease is another's."""
        self.try_overtaken(key, lambda writer: writer.save())
        self.try_overtaken(key, lambda writer: writer.withdraw())

    @rule(key=keys)
    def overtaken_commits_last(self, key: StorageKey) -> None:
        if key in self.committed and key in self.overtaken:
            with contextlib.suppress(StorageError):
                assert not self.do(self.overtaken[key].commit())
            self.overtaken_ends(key)

    @rule(key=keys)
    def overtaken_ends(self, key: StorageKey) -> None:
        if key in self.overtaken:
            self.do(self.overtaken.pop(key).close())

    def try_overtaken(self, key: StorageKey, act: Callable[[BlobWriter], Coroutine[Any, Any, object]]) -> None:
        """Let an overtaken writer do what it likes; it may fail, and ends then."""
        if key in self.overtaken:
            try:
                self.do(act(self.overtaken[key]))
            except StorageError:
                self.overtaken_ends(key)

    async def close_stores(self) -> None:
        """Leave them to the next example."""


class S3Machine(TwoNodesMachine):
    """On one bucket of S3."""

    client: S3Client
    bucket: str
    keys = Bundle("keys")
    writers = Bundle("writers")

    def sizes(self) -> dict[StorageKey, int]:
        found = self.client.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        uploads = self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
        named = [(item["Key"], item["Size"]) for item in found] + [(f"{item['Key']}?", -1) for item in uploads]
        return {StorageKey(name.rpartition("/")[2]): size for name, size in named}

    @rule(key=writers, data=LARGE_PIECES)
    def write_parts(self, key: StorageKey, data: bytes) -> None:
        self.write(key, data)

    @rule(key=keys, data=LARGE_PIECES)
    def overtaken_writes_parts(self, key: StorageKey, data: bytes) -> None:
        self.overtaken_writes(key, data)

    @invariant()
    def what_lies_there_is_what_was_accepted(self) -> None:
        """Of an unfinished upload S3 shows no more than the end that is no whole part yet."""
        found = self.sizes()
        assert {name[:32] for name in found} <= self.accepted.keys()
        beside = [(name[:32], size) for name, size in found.items() if name[32:].startswith(".")]
        for key, (content, _) in self.saved.items():
            if key not in self.committed and len(content) % PART:
                assert (key, len(content) % PART) in beside
        for key in self.committed:
            assert found[key] == len(self.accepted[key])
            assert key in self.contested or [name for name in found if name.startswith(key)] == [key]
        for key, writer in self.writing.items():
            assert writer.offset == len(self.accepted[key])


@pytest.mark.parametrize("machine", [MemoryMachine, FilesystemMachine])
def test_a_driver_behaves_as_a_dict_of_bytes(machine: type[StoreMachine]) -> None:
    run_state_machine_as_test(machine, settings=settings(max_examples=60, stateful_step_count=30, deadline=None))


def test_two_nodes_on_one_bucket_behave_as_a_dict_of_bytes(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    monkeypatch.setattr(s3_writer, "_PART", PART)

    location, seen_by = s3_server.make_bucket(), s3_server.client
    stores = S3Store(location), S3Store(location)

    class Machine(S3Machine):
        nodes = stores
        client = seen_by
        bucket = location.bucket

    examples = 300 if pytestconfig.getoption("--soak", False) else 6
    run_state_machine_as_test(Machine, settings=settings(max_examples=examples, stateful_step_count=30, deadline=None))
    for node in stores:
        asyncio.run(node.close())
    seen_by.close()
