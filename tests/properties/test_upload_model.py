"""Uploads through two nodes on one database and one store do what a dict of bytes would do, whatever clients do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from mediatypes.digest import Digest
from mediatypes.ranges import ByteRange
from registry.compose.verbs import create_services
from registry.config import Settings
from registry.core.services import Services
from registry.core.session import PIECE
from registry.db import uploads
from registry.db.pool import Database
from registry.errors import BodyIncomplete, DigestMismatch, SizeMismatch, UploadOutOfOrder, UploadUnknown
from registry.storage import s3_writer
from registry.storage.base import BlobStore
from registry.storage.memory import MemoryStore
from registry.storage.s3 import S3Store
from tests.core.support import NAME, OTHER, body, clean, contents, read_blob, vanishing
from tests.properties.filled import filled
from tests.s3_servers import S3Server

T = TypeVar("T")

NODES = st.integers(0, 1)
ALGORITHMS = st.sampled_from(["sha256", "sha512"])
DATA = st.one_of(
    st.binary(max_size=30),
    st.sampled_from([PIECE - 1, PIECE, PIECE + 1, 2 * PIECE + 3]).map(filled),
)
PIECES = st.lists(DATA, max_size=3)


class UploadMachine(RuleBasedStateMachine):
    """`sessions` holds the bytes of each open session, `blobs` those of each blob."""

    url: str
    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stores = self.make_stores()
        self.databases = [Database(self.url, size=3, timeout=10) for _ in range(2)]
        self.nodes: list[Services] = []
        self.sessions: dict[UUID, bytes] = {}
        self.blobs: dict[Digest, bytes] = {}
        self.dead_holders: set[UUID] = set()
        self.do(self._open())

    def make_stores(self) -> list[BlobStore]:
        """Return what the two nodes store into."""
        return [MemoryStore()] * 2

    def stored(self) -> list[int]:
        """Return the sizes of all that is stored."""
        return [len(content) for content in contents(self.stores[0])]

    async def _open(self) -> None:
        self.sql = await asyncpg.connect(self.url)
        await self.sql.execute("TRUNCATE repositories, blobs, dead_objects CASCADE")
        for database, store in zip(self.databases, self.stores, strict=True):
            await database.open()
            self.nodes.append(create_services(Settings(database_url=self.url), database, store))

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def refuses(self, upload: UUID, work: Coroutine[Any, Any, object]) -> bool:
        """Say whether an upload takes no bytes at all now; try it then, and see it say why."""
        if upload not in self.sessions:
            with pytest.raises(UploadUnknown):
                self.do(work)
            return True
        if upload in self.dead_holders:
            with pytest.raises(UploadOutOfOrder) as refusal:
                self.do(work)
            assert refusal.value.offset == len(self.sessions[upload])
            return True
        return False

    @rule(target=ids, node=NODES, algorithm=ALGORITHMS)
    def start(self, node: int, algorithm: str) -> UUID:
        upload = self.do(self.nodes[node].uploads.start(NAME, algorithm=algorithm))
        self.sessions[upload] = b""
        return upload

    @rule(upload=ids, node=NODES, pieces=PIECES, with_range=st.booleans())
    def append(self, upload: UUID, node: int, pieces: list[bytes], with_range: bool) -> None:
        held, data = self.sessions.get(upload, b""), b"".join(pieces)
        chunk = ByteRange(len(held), len(held) + len(data)) if with_range and data else None
        work = self.nodes[node].uploads.append(NAME, upload, body(*pieces), chunk=chunk)
        if not self.refuses(upload, work):
            assert self.do(work) == len(held) + len(data)
            self.sessions[upload] = held + data

    @rule(upload=ids, node=NODES, start=st.integers(0, 100), data=st.binary(min_size=1, max_size=9))
    def append_out_of_order(self, upload: UUID, node: int, start: int, data: bytes) -> None:
        held = self.sessions.get(upload, b"")
        if start != len(held):
            chunk = ByteRange(start, start + len(data))
            work = self.nodes[node].uploads.append(NAME, upload, body(data), chunk=chunk)
            if not self.refuses(upload, work):
                with pytest.raises(UploadOutOfOrder) as refusal:
                    self.do(work)
                assert refusal.value.offset == len(held)

    @rule(upload=ids, node=NODES, pieces=PIECES, missing=st.integers(1, 9))
    def append_of_a_client_that_vanishes(self, upload: UUID, node: int, pieces: list[bytes], missing: int) -> None:
        held, data = self.sessions.get(upload, b""), b"".join(pieces)
        chunk = ByteRange(len(held), len(held) + len(data) + missing)
        work = self.nodes[node].uploads.append(NAME, upload, vanishing(*pieces), chunk=chunk)
        if not self.refuses(upload, work):
            with pytest.raises(BodyIncomplete):
                self.do(work)
            self.sessions[upload] = held + data

    @rule(upload=ids, node=NODES, data=DATA, other=st.integers(1, 9))
    def append_of_another_length(self, upload: UUID, node: int, data: bytes, other: int) -> None:
        held = self.sessions.get(upload, b"")
        chunk = ByteRange(len(held), len(held) + len(data) + other)
        work = self.nodes[node].uploads.append(NAME, upload, body(data), chunk=chunk)
        if not self.refuses(upload, work):
            with pytest.raises(SizeMismatch):
                self.do(work)

    @rule(upload=ids, node=NODES, last=DATA, algorithm=ALGORITHMS)
    def finish(self, upload: UUID, node: int, last: bytes, algorithm: str) -> None:
        content = self.sessions.get(upload, b"") + last
        digest = Digest.of(content, algorithm)
        work = self.nodes[node].uploads.finish(NAME, upload, digest, body(last), chunk=None)
        if not self.refuses(upload, work):
            self.do(work)
            self.blobs[digest] = content
            del self.sessions[upload]

    @rule(upload=ids, node=NODES, last=DATA, algorithm=ALGORITHMS)
    def finish_with_a_wrong_digest(self, upload: UUID, node: int, last: bytes, algorithm: str) -> None:
        digest = Digest.of(self.sessions.get(upload, b"") + last + b"!", algorithm)
        work = self.nodes[node].uploads.finish(NAME, upload, digest, body(last), chunk=None)
        if not self.refuses(upload, work):
            with pytest.raises(DigestMismatch):
                self.do(work)
            del self.sessions[upload]

    @rule(node=NODES, pieces=PIECES, algorithm=ALGORITHMS, ends=st.sampled_from(["well", "wrong", "vanished"]))
    def push(self, node: int, pieces: list[bytes], algorithm: str, ends: str) -> None:
        content = b"".join(pieces)
        digest = Digest.of(content + (b"!" if ends == "wrong" else b""), algorithm)
        uploads_of_node = self.nodes[node].uploads
        if ends == "well":
            self.do(uploads_of_node.push(NAME, digest, body(*pieces)))
            self.blobs[digest] = content
        elif ends == "wrong":
            with pytest.raises(DigestMismatch):
                self.do(uploads_of_node.push(NAME, digest, body(*pieces)))
        else:
            with pytest.raises(BodyIncomplete):
                self.do(uploads_of_node.push(NAME, digest, vanishing(*pieces)))

    @rule(upload=ids, node=NODES)
    def cancel(self, upload: UUID, node: int) -> None:
        work = self.nodes[node].uploads.cancel(NAME, upload)
        if upload in self.sessions:
            self.do(work)
            del self.sessions[upload]
        else:
            with pytest.raises(UploadUnknown):
                self.do(work)

    @rule(upload=ids, node=NODES)
    def ask_through_another_repository(self, upload: UUID, node: int) -> None:
        for work in (
            self.nodes[node].uploads.status(OTHER, upload),
            self.nodes[node].uploads.cancel(OTHER, upload),
            self.nodes[node].uploads.append(OTHER, upload, body(b"x"), chunk=None),
            self.nodes[node].uploads.status(NAME, uuid4()),
        ):
            with pytest.raises(UploadUnknown):
                self.do(work)

    @rule(upload=ids)
    def a_holder_dies(self, upload: UUID) -> None:
        if upload in self.sessions and upload not in self.dead_holders:
            self.do(self.databases[0].transaction("die", lambda conn: uploads.take_lease(conn, NAME, upload_id=upload)))
            self.dead_holders.add(upload)

    @rule()
    def leases_run_out(self) -> None:
        self.do(self.sql.execute("UPDATE uploads SET lease_until = now() WHERE lease_until IS NOT NULL"))
        self.dead_holders.clear()

    @rule(node=NODES, upload=ids)
    def expire(self, node: int, upload: UUID) -> None:
        old = "UPDATE uploads SET touched_at = now() - interval '25 hours' WHERE id = $1"
        self.do(self.sql.execute(old, upload))
        expired = self.do(self.nodes[node].cleanup.expire_uploads())
        if upload in self.sessions and upload not in self.dead_holders:
            assert expired == 1
            del self.sessions[upload]
        else:
            assert expired == 0
            self.do(self.sql.execute("UPDATE uploads SET touched_at = now()"))

    @rule(node=NODES)
    def clean(self, node: int) -> None:
        self.do(clean(self.nodes[node]))

    @invariant()
    def every_session_holds_what_was_appended(self) -> None:
        for number, (upload, held) in enumerate(self.sessions.items()):
            assert self.do(self.nodes[number % 2].uploads.status(NAME, upload)) == len(held)
        assert self.do(self.nodes[0].cleanup.count_uploads()) == len(self.sessions)

    def teardown(self) -> None:
        try:
            for number, (digest, content) in enumerate(self.blobs.items()):
                assert self.do(read_blob(self.nodes[number % 2], digest)) == content
            self.do(self.sql.execute("UPDATE uploads SET touched_at = now() - interval '25 hours', lease_until = NULL"))
            assert self.do(self.nodes[0].cleanup.expire_uploads()) == len(self.sessions)
            self.do(self.sql.execute("UPDATE dead_objects SET due_at = now()"))
            self.do(clean(self.nodes[1]))
            assert sorted(self.stored()) == sorted(map(len, self.blobs.values()))
        finally:
            self.do(self._close())
            self.runner.close()

    async def close_stores(self) -> None:
        for store in self.stores:
            await store.close()

    async def _close(self) -> None:
        await self.close_stores()
        await self.sql.close()
        for database in self.databases:
            await database.close()


class S3UploadMachine(UploadMachine):
    """The nodes share a bucket."""

    both: list[BlobStore]
    in_bucket: Callable[[], list[int]]

    def make_stores(self) -> list[BlobStore]:
        return self.both

    def stored(self) -> list[int]:
        return self.in_bucket()

    async def close_stores(self) -> None:
        """Leave them to the next example, empty."""
        for (key,) in await self.sql.fetch("SELECT storage_key FROM blobs"):
            await self.stores[0].delete(key)


def test_uploads_do_what_a_dict_of_bytes_would_do(database_url: str) -> None:
    class Machine(UploadMachine):
        url = database_url

    run_state_machine_as_test(Machine, settings=settings(max_examples=40, stateful_step_count=25, deadline=None))


def test_uploads_of_two_nodes_on_one_bucket_do_the_same(
    database_url: str, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    for size in ("_PART", "_SMALL_PART"):
        monkeypatch.setattr(s3_writer, size, 5 << 20)  # bytes; S3 takes no smaller part

    location = s3_server.make_bucket()
    nodes: list[BlobStore] = [S3Store(location), S3Store(location)]

    class Machine(S3UploadMachine):
        url = database_url
        both = nodes
        in_bucket = staticmethod(partial(s3_server.contents, location))

    examples = 200 if pytestconfig.getoption("--soak", False) else 4
    run_state_machine_as_test(Machine, settings=settings(max_examples=examples, stateful_step_count=25, deadline=None))
    for node in nodes:
        asyncio.run(node.close())
