"""The database fails at any one transaction, before it or with the answer of its commit lost: no wrong answer comes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import asyncpg
import pytest

from mediatypes.digest import Digest
from mediatypes.names import parse_tag
from registry.compose.verbs import create_services
from registry.config import Settings
from registry.core.services import Services
from registry.db.pool import Connection, Database
from registry.errors import BlobUnknown, RegistryError, Unavailable, UploadOutOfOrder, UploadUnknown
from registry.storage.memory import MemoryStore
from tests.core.support import NAME, body, clean, contents, image, push_blob, push_manifest, read_blob

T = TypeVar("T")
Sql = asyncpg.Connection

CONTENT = b"first second"


class UnreliableDatabase(Database):
    """Fails the transaction of the given number: `before` it, or `after` its commit, whose answer is lost then."""

    def __init__(self, url: str) -> None:
        super().__init__(url, size=5, timeout=10)
        self.plan("", -1)

    def plan(self, moment: str, number: int) -> None:
        """Count anew, and fail once."""
        self._moment, self._number, self.names = moment, number, list[str]()

    @property
    def has_failed(self) -> bool:
        """Say whether as many transactions were tried."""
        return len(self.names) > self._number

    async def transaction(self, name: str, work: Callable[[Connection], Awaitable[T]]) -> T:
        return await self._tried(name, super().transaction(name, work))

    async def statement(self, name: str, work: Callable[[Connection], Awaitable[T]]) -> T:
        return await self._tried(name, super().statement(name, work))

    async def _tried(self, name: str, unit: Coroutine[Any, Any, T]) -> T:
        self.names.append(name)
        fails = len(self.names) == self._number + 1
        if fails and self._moment == "before":
            unit.close()
            raise Unavailable("the database")
        result = await unit
        if fails:
            raise Unavailable("the database (it went away during a commit)")
        return result


@pytest.fixture
async def unreliable(database_url: str) -> AsyncIterator[UnreliableDatabase]:
    db = UnreliableDatabase(database_url)
    await db.open()
    yield db
    await db.close()


async def push(services: Services) -> None:
    await push_blob(services, CONTENT)


async def chunks(services: Services) -> None:
    upload = await services.uploads.start(NAME)
    await services.uploads.append(NAME, upload, body(b"first "), chunk=None)
    await services.uploads.finish(NAME, upload, Digest.of(CONTENT), body(b"second"), chunk=None)


async def cancel(services: Services) -> None:
    upload = await services.uploads.start(NAME)
    await services.uploads.append(NAME, upload, body(b"first "), chunk=None)
    await services.uploads.cancel(NAME, upload)


async def push_twice(services: Services) -> None:
    await push_blob(services, CONTENT)
    await push_blob(services, CONTENT)


async def is_visible(services: Services) -> bool:
    try:
        assert await read_blob(services, Digest.of(CONTENT)) == CONTENT
    except BlobUnknown:
        return False
    return True


async def end_everything(services: Services, sql: Sql) -> None:
    await sql.execute("UPDATE uploads SET touched_at = now() - interval '1 year', lease_until = NULL")
    await services.cleanup.expire_uploads()
    await sql.execute("UPDATE dead_objects SET due_at = now()")
    await clean(services)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("work", [push, push_twice, chunks, cancel])
async def test_whatever_transaction_fails_what_was_acknowledged_stays_and_no_byte_is_left(
    work: Callable[[Services], Awaitable[None]],
    moment: str,
    unreliable: UnreliableDatabase,
    settings: Settings,
    services: Services,
    store: MemoryStore,
    sql: Sql,
) -> None:
    node = create_services(settings, unreliable, store)
    number, has_failed = 0, True
    while has_failed:
        unreliable.plan(moment, number)
        acknowledged = False
        try:
            await work(node)
            acknowledged = work is not cancel
        except Unavailable:
            assert unreliable.has_failed
        visible = await is_visible(services)
        assert visible or not acknowledged, unreliable.names
        await end_everything(services, sql)
        assert await is_visible(services) == visible, unreliable.names
        assert contents(store) == ([CONTENT] if visible else []), unreliable.names
        assert await sql.fetchval("SELECT count(*) FROM dead_objects") == 0
        has_failed = unreliable.has_failed
        number += 1
        key = await sql.fetchval("WITH gone AS (DELETE FROM repository_blobs) DELETE FROM blobs RETURNING storage_key")
        if key:
            await store.delete(key)
    assert number > 2


async def test_a_client_that_repeats_what_was_unavailable_gets_its_blob_in(
    unreliable: UnreliableDatabase, settings: Settings, store: MemoryStore, sql: Sql
) -> None:
    """As clients do: ask for the status, go on from there, and start again where the session is gone."""
    node = create_services(settings, unreliable, store)
    for moment in ("before", "after"):
        for number in range(12):
            content = f"{moment} {number}".encode()
            unreliable.plan(moment, number)
            while not await _get_in(node, content, sql):
                pass
            assert await read_blob(node, Digest.of(content)) == content
    await end_everything(node, sql)
    assert len(contents(store)) == 24


async def _get_in(node: Services, content: bytes, sql: Sql) -> bool:
    try:
        upload = await node.uploads.start(NAME)
    except Unavailable:
        return False
    for _ in range(6):
        try:
            offset = await node.uploads.status(NAME, upload)
            if offset < 3:
                await node.uploads.append(NAME, upload, body(content[offset:3]), chunk=None)
                offset = 3
            await node.uploads.finish(NAME, upload, Digest.of(content), body(content[offset:]), chunk=None)
        except UploadOutOfOrder:
            await sql.execute("UPDATE uploads SET lease_until = now()")  # its ten seconds have passed
        except Unavailable:
            continue
        except UploadUnknown:
            return await _has(node, content)
        else:
            return True
    return False


async def _has(node: Services, content: bytes) -> bool:
    try:
        await node.blobs.find(NAME, Digest.of(content))
    except BlobUnknown:
        return False
    return True


@pytest.mark.parametrize("table", ["uploads", "repository_blobs", "blobs", "manifests", "tags", "dead_objects"])
async def test_a_connection_that_breaks_at_the_commit_is_unavailable_and_nothing_half_done_is_visible(
    table: str, services: Services, store: MemoryStore, sql: Sql
) -> None:
    config = await push_blob(services, b"{}")
    await sql.execute(
        f"""
        CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER die_at_commit AFTER INSERT OR UPDATE OR DELETE ON {table}
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die();
        """
    )
    failures: list[RegistryError] = []

    async def attempt(work: Awaitable[object]) -> None:
        try:
            await work
        except RegistryError as error:
            failures.append(error)

    await attempt(push_blob(services, CONTENT))
    await attempt(services.uploads.push(NAME, Digest.of(b"wrong"), body(b"other")))
    await attempt(push_manifest(services, image(config)))
    assert any(isinstance(failure, Unavailable) for failure in failures)
    await sql.execute(f"DROP TRIGGER die_at_commit ON {table}")
    await end_everything(services, sql)
    assert len(contents(store)) == await sql.fetchval("SELECT count(*) FROM blobs")
    digest = await push_manifest(services, image(config))
    assert (await services.manifests.resolve(NAME, parse_tag("v1"))).digest == digest
    await push_blob(services, CONTENT)
    assert await is_visible(services)


async def test_every_read_is_unavailable_where_the_database_is(settings: Settings, store: MemoryStore) -> None:
    node = create_services(settings, Database(settings.database_url or "", size=2, timeout=1), store)
    digest = Digest.of(b"")
    reads: list[Awaitable[object]] = [
        node.blobs.find(NAME, digest),
        node.manifests.resolve(NAME, digest),
        node.tags.page(NAME, after="", limit=1),
        node.repositories.page(after="", limit=1),
        node.referrers.page(NAME, digest, artifact_type=None, after=None, limit=1),
        node.uploads.start(NAME),
        node.cleanup.count_uploads(),
    ]
    for read in reads:
        with pytest.raises(Unavailable):
            await read
    assert await node.health.check() == {"database": "does not answer", "schema": "unknown", "storage": "ok"}
