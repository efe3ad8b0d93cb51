"""The storage fails at any one call: what was acknowledged stays, nothing else is visible, and no byte is left for ever."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from structlog.testing import capture_logs

from mediatypes.digest import Digest
from registry.compose.verbs import create_services
from registry.config import Settings
from registry.core.services import Services
from registry.db.pool import Database
from registry.errors import BlobUnknown, BodyIncomplete, DigestMismatch, UploadUnknown
from registry.storage.base import StorageError, new_key
from registry.storage.memory import MemoryStore
from tests.core.support import (
    NAME,
    FailOnce,
    WrappedStore,
    body,
    clean,
    contents,
    push_blob,
    read_blob,
    vanishing,
)

CONTENT = b"first second third"


async def push(services: Services) -> None:
    await push_blob(services, CONTENT)


async def push_what_is_there(services: Services) -> None:
    await push_blob(services, b"there already")


async def push_under_a_wrong_digest(services: Services) -> None:
    with pytest.raises(DigestMismatch):
        await services.uploads.push(NAME, Digest.of(b"other"), body(CONTENT))


async def push_of_a_client_that_vanishes(services: Services) -> None:
    with pytest.raises(BodyIncomplete):
        await services.uploads.push(NAME, Digest.of(CONTENT), vanishing(b"first "))


async def chunks(services: Services) -> None:
    upload = await services.uploads.start(NAME)
    await services.uploads.append(NAME, upload, body(b"first "), chunk=None)
    with pytest.raises(BodyIncomplete):
        await services.uploads.append(NAME, upload, vanishing(b"second "), chunk=None)
    await services.uploads.finish(NAME, upload, Digest.of(CONTENT), body(b"third"), chunk=None)


async def chunks_that_are_read_again(services: Services) -> None:
    upload = await services.uploads.start(NAME)
    await services.uploads.append(NAME, upload, body(b"first second "), chunk=None)
    await services.uploads.finish(NAME, upload, Digest.of(CONTENT, "sha512"), body(b"third"), chunk=None)


async def cancel(services: Services) -> None:
    upload = await services.uploads.start(NAME)
    await services.uploads.append(NAME, upload, body(b"first "), chunk=None)
    await services.uploads.cancel(NAME, upload)


WORK: list[Callable[[Services], Awaitable[None]]] = [
    push,
    push_what_is_there,
    push_under_a_wrong_digest,
    push_of_a_client_that_vanishes,
    chunks,
    chunks_that_are_read_again,
    cancel,
]


async def visible(services: Services) -> set[bytes]:
    """Return those of the contents pushed here that the registry serves."""
    found = set()
    for content in (b"there already", CONTENT):
        for digest in (Digest.of(content), Digest.of(content, "sha512")):
            try:
                found.add(await read_blob(services, digest))
            except BlobUnknown:
                continue
    return found


async def end_everything(services: Services, sql: asyncpg.Connection[asyncpg.Record]) -> None:
    await sql.execute("UPDATE uploads SET touched_at = now() - interval '1 year'")
    await services.cleanup.expire_uploads()
    await sql.execute("UPDATE dead_objects SET due_at = now()")
    await clean(services)


@pytest.mark.parametrize("work", WORK)
async def test_whatever_call_fails_what_was_acknowledged_stays_and_nothing_else_does(
    work: Callable[[Services], Awaitable[None]],
    settings: Settings,
    database: Database,
    services: Services,
    store: MemoryStore,
    sql: asyncpg.Connection[asyncpg.Record],
) -> None:
    await push_blob(services, b"there already")
    number, has_failed = 0, True
    while has_failed:
        fail = FailOnce(number)
        node = create_services(settings, database, WrappedStore(store, fail))
        acknowledged = {b"there already"}
        try:
            await work(node)
        except StorageError:
            assert fail.has_failed
        else:
            if work.__name__ in {"push", "chunks", "chunks_that_are_read_again"}:
                acknowledged.add(CONTENT)
        assert await visible(services) == acknowledged, fail.calls
        await end_everything(services, sql)
        assert await visible(services) == acknowledged
        assert contents(store) == sorted(acknowledged), fail.calls
        assert await sql.fetchval("SELECT count(*) FROM dead_objects") == 0
        for digest in (Digest.of(CONTENT), Digest.of(CONTENT, "sha512")):  # for the next round
            await sql.execute("DELETE FROM repository_blobs WHERE digest = $1", digest.to_bytes())
            key = await sql.fetchval("DELETE FROM blobs WHERE digest = $1 RETURNING storage_key", digest.to_bytes())
            if key:
                await store.delete(key)
        number, has_failed = number + 1, fail.has_failed
    assert number > 1


@pytest.mark.parametrize("failing", ["open_writer", "write", "commit"])
async def test_a_push_that_fails_leaves_neither_a_session_nor_bytes(
    failing: str,
    settings: Settings,
    database: Database,
    store: MemoryStore,
    sql: asyncpg.Connection[asyncpg.Record],
) -> None:
    async def fail(moment: str, call: str) -> None:
        if (moment, call) == ("after", failing):
            raise StorageError("the storage failed")

    node = create_services(settings, database, WrappedStore(store, fail))
    with pytest.raises(StorageError):
        await push_blob(node, CONTENT)
    assert await sql.fetchval("SELECT count(*) FROM uploads") == 0
    assert contents(store) == []


async def test_an_append_that_could_not_open_its_object_holds_no_lease(
    settings: Settings, database: Database, services: Services, store: MemoryStore
) -> None:
    node = create_services(settings, database, WrappedStore(store, FailOnce(0)))
    upload = await services.uploads.start(NAME)
    with pytest.raises(StorageError):
        await node.uploads.append(NAME, upload, body(b"x"), chunk=None)
    assert await services.uploads.append(NAME, upload, body(b"x"), chunk=None) == 1


async def test_after_a_failed_append_the_upload_goes_on_where_it_was_saved(
    settings: Settings, database: Database, services: Services, store: MemoryStore
) -> None:
    async def fail(moment: str, call: str) -> None:
        if (moment, call) == ("after", "write"):
            raise StorageError("the storage failed")

    node = create_services(settings, database, WrappedStore(store, fail))
    upload = await services.uploads.start(NAME)
    await services.uploads.append(NAME, upload, body(b"first "), chunk=None)
    with pytest.raises(StorageError):
        await node.uploads.append(NAME, upload, body(b"lost"), chunk=None)
    assert await services.uploads.status(NAME, upload) == 6
    await services.uploads.append(NAME, upload, body(b"second "), chunk=None)
    await services.uploads.finish(NAME, upload, Digest.of(CONTENT), body(b"third"), chunk=None)
    assert await read_blob(services, Digest.of(CONTENT)) == CONTENT


async def test_one_object_that_can_not_be_deleted_keeps_no_other_from_it(
    settings: Settings, database: Database, store: MemoryStore, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    node = create_services(settings, database, WrappedStore(store, FailOnce(2)))  # before the second delete
    for _ in range(3):
        key = new_key()
        await (await store.open_writer(key)).commit()
        await sql.execute("INSERT INTO dead_objects (storage_key) VALUES ($1)", key)
    with pytest.raises(StorageError):
        await node.cleanup.delete_dead_objects()
    assert contents(store) == [b""]
    assert await sql.fetchval("SELECT count(*) FROM dead_objects") == 1
    await sql.execute("UPDATE dead_objects SET due_at = now()")
    assert await node.cleanup.delete_dead_objects() == 1
    assert contents(store) == []


async def test_bytes_that_the_storage_lost_end_the_upload(services: Services, store: MemoryStore) -> None:
    upload = await services.uploads.start(NAME)
    await services.uploads.append(NAME, upload, body(b"lost"), chunk=None)
    store._objects.clear()
    with capture_logs() as told:
        for _ in range(2):
            with pytest.raises(UploadUnknown):
                await services.uploads.append(NAME, upload, body(b"more"), chunk=None)
    assert [line["upload"] for line in told if "given up" in line["event"]] == [str(upload)]
    assert contents(store) == []
