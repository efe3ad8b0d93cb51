"""Any node may take the next request of an upload; one at a time writes, and a holder that was overtaken does no harm."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest

from mediatypes.digest import Digest
from mediatypes.ranges import ByteRange
from registry.compose.verbs import create_services
from registry.config import Settings
from registry.core import session
from registry.core.services import Services
from registry.db import uploads
from registry.db.pool import Database
from registry.errors import BlobUnknown, BodyIncomplete, UploadOutOfOrder, UploadUnknown
from registry.storage.base import BlobStore
from registry.storage.memory import MemoryWriter
from tests.core.support import NAME, Gate, GatedDatabase, WrappedStore, body, clean, contents, read_blob, vanishing

Sql = asyncpg.Connection


@pytest.fixture
async def gated_database(database_url: str) -> AsyncIterator[GatedDatabase]:
    db = GatedDatabase(database_url)
    await db.open()
    yield db
    await db.close()


@pytest.fixture
def gated(settings: Settings, gated_database: GatedDatabase, store: BlobStore) -> Services:
    """Return the verbs of a node that can be stopped before any transaction."""
    return create_services(settings, gated_database, store)


async def run_out(sql: Sql) -> None:
    """Let every lease run out, as ten seconds without a sign of life would."""
    await sql.execute("UPDATE uploads SET lease_until = now() - interval '1 second' WHERE lease_until IS NOT NULL")


async def lease_of(sql: Sql, upload: UUID) -> asyncpg.Record:
    return await sql.fetchrow("SELECT lease_epoch, lease_until, received FROM uploads WHERE id = $1", upload)


async def finish(services: Services, upload: UUID, content: bytes, *, last: bytes = b"") -> None:
    await services.uploads.finish(NAME, upload, Digest.of(content), body(last), chunk=None)
    assert await read_blob(services, Digest.of(content)) == content


@pytest.mark.parametrize("store", ["memory", "filesystem"], indirect=True)
async def test_of_two_nodes_that_append_at_once_one_wins_and_the_other_learns_the_offset(
    services: Services, other_services: Services
) -> None:
    upload = await services.uploads.start(NAME)
    await services.uploads.append(NAME, upload, body(b"first "), chunk=None)
    gate = Gate()
    winner = asyncio.create_task(
        services.uploads.append(NAME, upload, gate.body(b"sec", then=(b"ond ",)), chunk=ByteRange(6, 13))
    )
    await gate.arrival()
    with pytest.raises(UploadOutOfOrder) as refusal:
        await other_services.uploads.append(NAME, upload, body(b"loser"), chunk=ByteRange(6, 11))
    assert refusal.value.offset == 6
    gate.open()
    assert await winner == 13
    assert await other_services.uploads.append(NAME, upload, body(b"third"), chunk=ByteRange(13, 18)) == 18
    await finish(services, upload, b"first second third")


async def test_many_nodes_append_the_same_chunk_and_it_is_there_once(
    services: Services, other_services: Services
) -> None:
    upload = await services.uploads.start(NAME)
    expected = b""
    for number in range(5):
        chunk = bytes([number]) * 10
        results = await asyncio.gather(
            *(
                node.uploads.append(NAME, upload, body(chunk), chunk=ByteRange(number * 10, number * 10 + 10))
                for node in (services, other_services) * 3
            ),
            return_exceptions=True,
        )
        assert results.count(number * 10 + 10) == 1
        assert all(isinstance(result, UploadOutOfOrder) for result in results if not isinstance(result, int))
        expected += chunk
    await finish(services, upload, expected)


async def test_the_lease_of_a_dead_holder_is_taken_over_when_it_has_run_out(
    services: Services, database: Database, sql: Sql
) -> None:
    upload = await services.uploads.start(NAME)
    await services.uploads.append(NAME, upload, body(b"kept"), chunk=None)
    await database.transaction("die", lambda conn: uploads.take_lease(conn, NAME, upload_id=upload))
    with pytest.raises(UploadOutOfOrder) as refusal:
        await services.uploads.append(NAME, upload, body(b" and"), chunk=None)
    assert refusal.value.offset == 4
    await run_out(sql)
    assert await services.uploads.append(NAME, upload, body(b" and"), chunk=None) == 8
    await finish(services, upload, b"kept and")


async def test_a_lease_is_released_at_once_when_the_client_vanishes(services: Services, sql: Sql) -> None:
    upload = await services.uploads.start(NAME)
    with pytest.raises(BodyIncomplete):
        await services.uploads.append(NAME, upload, vanishing(b"arr", b"ived"), chunk=ByteRange(0, 100))
    lease = await lease_of(sql, upload)
    assert lease["lease_until"] is None
    assert lease["received"] == 7
    assert await services.uploads.append(NAME, upload, body(b" on"), chunk=ByteRange(7, 10)) == 10


async def test_a_lease_is_released_at_once_when_the_request_is_cancelled(services: Services, sql: Sql) -> None:
    upload = await services.uploads.start(NAME)
    gate = Gate()
    task = asyncio.create_task(services.uploads.append(NAME, upload, gate.body(b"lost"), chunk=None))
    await gate.arrival()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await lease_of(sql, upload))["lease_until"] is None
    assert await services.uploads.append(NAME, upload, body(b"kept"), chunk=None) == 4
    await finish(services, upload, b"kept")


async def test_a_lease_is_renewed_while_bytes_arrive(
    gated: Services, gated_database: GatedDatabase, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_RENEW_SECONDS", 0.05)
    first, second = Gate(), Gate()
    gated_database.gates["renew_upload_lease"] = first
    done = asyncio.Event()

    async def trickle() -> AsyncIterator[bytes]:
        while not done.is_set():
            yield b"."
            await asyncio.sleep(0.001)

    upload = await gated.uploads.start(NAME)
    task = asyncio.create_task(gated.uploads.append(NAME, upload, trickle(), chunk=None))
    await first.arrival()
    await run_out(sql)
    gated_database.gates["renew_upload_lease"] = second
    first.open()
    await second.arrival()
    assert await sql.fetchval("SELECT lease_until > now() FROM uploads")
    done.set()
    second.open()
    assert await task > 0


@pytest.mark.parametrize("store", ["memory"], indirect=True)
async def test_a_lease_is_renewed_until_the_writer_is_closed(
    gated: Services, gated_database: GatedDatabase, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is on its way to a silent storage may arrive there until then: nobody may delete the key before."""
    monkeypatch.setattr(session, "_RENEW_SECONDS", 0.05)
    receiving, closing, first, second = Gate(), Gate(), Gate(), Gate()
    close = MemoryWriter.close

    async def slow(self: MemoryWriter) -> None:
        await closing.stop()
        await close(self)

    monkeypatch.setattr(MemoryWriter, "close", slow)
    upload = await gated.uploads.start(NAME)
    task = asyncio.create_task(gated.uploads.append(NAME, upload, receiving.body(b"lost"), chunk=None))
    await receiving.arrival()
    task.cancel()
    await closing.arrival()
    await run_out(sql)
    gated_database.gates["renew_upload_lease"] = first
    await first.arrival()
    gated_database.gates["renew_upload_lease"] = second
    first.open()
    await second.arrival()
    assert await sql.fetchval("SELECT lease_until > now() FROM uploads")
    closing.open()
    second.open()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await lease_of(sql, upload))["lease_until"] is None


async def test_a_holder_that_waits_in_vain_lets_another_continue(
    gated: Services,
    gated_database: GatedDatabase,
    other_services: Services,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session, "_RENEW_SECONDS", 0.05)
    upload = await gated.uploads.start(NAME)
    await gated.uploads.append(NAME, upload, body(b"saved "), chunk=None)
    silent, first, second, third = Gate(), Gate(), Gate(), Gate()
    idle = asyncio.create_task(gated.uploads.append(NAME, upload, silent.body(b"late"), chunk=None))
    await silent.arrival()
    epoch = (await lease_of(sql, upload))["lease_epoch"]
    gated_database.gates["renew_upload_lease"] = first
    await first.arrival()  # perhaps before it counts as idle; the second time it does
    gated_database.gates["renew_upload_lease"] = second
    first.open()
    await second.arrival()
    await run_out(sql)
    gated_database.gates["renew_upload_lease"] = third
    second.open()
    await third.arrival()
    assert await sql.fetchval("SELECT lease_until < now() FROM uploads")  # it has looked, and renewed nothing
    with contextlib.suppress(UploadOutOfOrder):  # where the file is still held
        await other_services.uploads.append(NAME, upload, body(b"by another"), chunk=ByteRange(6, 16))
    assert not idle.done()
    third.open()
    async with asyncio.timeout(20):  # less than the gate has patience for: that must not be what ends it
        with pytest.raises(UploadOutOfOrder, match="another request"):
            await idle
    assert (await lease_of(sql, upload))["lease_epoch"] > epoch
    if (await lease_of(sql, upload))["received"] == 6:
        await other_services.uploads.append(NAME, upload, body(b"by another"), chunk=ByteRange(6, 16))
    await finish(other_services, upload, b"saved by another")


@pytest.mark.parametrize("how", ["saved", "released"])
async def test_a_renewal_that_comes_after_the_release_does_not_take_the_lease_again(
    services: Services, database: Database, sql: Sql, how: str
) -> None:
    upload = await services.uploads.start(NAME)
    row = await database.transaction("take", lambda conn: uploads.take_lease(conn, NAME, upload_id=upload))
    assert row is not None
    if how == "saved":
        await database.transaction("save", lambda conn: uploads.save(conn, row, release=True))
    else:
        await database.transaction("release", lambda conn: uploads.release(conn, row))
    assert not await database.transaction("renew", lambda conn: uploads.keep_lease(conn, row, extend=True))
    assert (await lease_of(sql, upload))["lease_until"] is None


async def test_a_holder_whose_lease_ran_out_but_was_not_taken_goes_on(services: Services, sql: Sql) -> None:
    upload = await services.uploads.start(NAME)
    gate = Gate()
    task = asyncio.create_task(services.uploads.append(NAME, upload, gate.body(b"slow", then=(b" on",)), chunk=None))
    await gate.arrival()
    await run_out(sql)
    gate.open()
    assert await task == 7


@pytest.mark.parametrize("store", ["memory", "filesystem"], indirect=True)
async def test_while_an_overtaken_holder_still_writes_nobody_else_does_and_afterwards_the_upload_goes_on(
    services: Services, other_services: Services, sql: Sql
) -> None:
    upload = await services.uploads.start(NAME)
    await services.uploads.append(NAME, upload, body(b"kept"), chunk=None)
    gate = Gate()
    old = asyncio.create_task(services.uploads.append(NAME, upload, gate.body(b"old"), chunk=None))
    await gate.arrival()
    await run_out(sql)
    with pytest.raises(UploadOutOfOrder) as refusal:
        await other_services.uploads.append(NAME, upload, body(b"new"), chunk=None)
    assert refusal.value.offset == 4
    gate.open()
    with pytest.raises(UploadOutOfOrder) as refusal:
        await old
    assert refusal.value.offset == 4
    assert await other_services.uploads.append(NAME, upload, body(b" new"), chunk=None) == 8
    await finish(services, upload, b"kept new")


@pytest.mark.parametrize("store", ["memory", "filesystem"], indirect=True)
async def test_a_holder_that_is_overtaken_before_it_records_the_blob_records_nothing(
    gated: Services, gated_database: GatedDatabase, services: Services, sql: Sql
) -> None:
    upload = await services.uploads.start(NAME)
    await services.uploads.append(NAME, upload, body(b"kept"), chunk=None)
    gate = gated_database.gates["finish_upload"] = Gate()
    old = asyncio.create_task(gated.uploads.finish(NAME, upload, Digest.of(b"kept old"), body(b" old"), chunk=None))
    await gate.arrival()
    await run_out(sql)
    assert await services.uploads.append(NAME, upload, body(b" new"), chunk=None) == 8
    gate.open()
    with pytest.raises(UploadOutOfOrder) as refusal:
        await old
    assert refusal.value.offset == 8
    with pytest.raises(BlobUnknown):
        await services.blobs.find(NAME, Digest.of(b"kept old"))
    await finish(services, upload, b"kept new")


async def test_a_holder_that_is_overtaken_while_it_reads_its_bytes_again_does_not_end_the_upload(
    settings: Settings, other_database: Database, services: Services, store: BlobStore, sql: Sql
) -> None:
    gate = Gate()

    async def stop_at_read(moment: str, call: str) -> None:
        if (moment, call) == ("before", "read"):
            await gate.stop()

    node = create_services(settings, other_database, WrappedStore(store, stop_at_read))
    upload = await services.uploads.start(NAME)
    await services.uploads.append(NAME, upload, body(b"kept"), chunk=None)
    wanted = Digest.of(b"kept old", "sha512")  # another algorithm than the upload's: the bytes are read again
    old = asyncio.create_task(node.uploads.finish(NAME, upload, wanted, body(b" old"), chunk=None))
    await gate.arrival()
    await run_out(sql)
    assert await services.uploads.append(NAME, upload, body(b"!"), chunk=None) == 5
    gate.open()
    with pytest.raises(UploadOutOfOrder) as refusal:
        await old
    assert refusal.value.offset == 5
    await finish(services, upload, b"kept!")


async def test_an_overtaken_holder_of_an_upload_that_is_finished_leaves_the_blob_alone(
    gated: Services, gated_database: GatedDatabase, services: Services, store: BlobStore, sql: Sql
) -> None:
    upload = await services.uploads.start(NAME)
    await services.uploads.append(NAME, upload, body(b"kept"), chunk=None)
    gate = gated_database.gates["finish_upload"] = Gate()
    old = asyncio.create_task(gated.uploads.finish(NAME, upload, Digest.of(b"kept"), body(), chunk=None))
    await gate.arrival()
    await run_out(sql)
    await finish(services, upload, b"kept")
    gate.open()
    with pytest.raises(UploadUnknown):
        await old
    await clean(services)
    assert await read_blob(services, Digest.of(b"kept")) == b"kept"
    assert contents(store) == [b"kept"]


async def test_an_upload_that_is_cancelled_while_it_is_written_ends_and_leaves_no_bytes(
    services: Services, other_services: Services, store: BlobStore, sql: Sql
) -> None:
    upload = await services.uploads.start(NAME)
    gate = Gate()
    writing = asyncio.create_task(services.uploads.append(NAME, upload, gate.body(b"going on"), chunk=None))
    await gate.arrival()
    await other_services.uploads.cancel(NAME, upload)
    with pytest.raises(UploadUnknown):
        await other_services.uploads.status(NAME, upload)
    gate.open()
    with pytest.raises(UploadUnknown):
        await writing
    await sql.execute("UPDATE dead_objects SET due_at = now()")
    await clean(other_services)
    assert contents(store) == []


async def test_an_upload_that_is_cancelled_before_its_writer_made_the_object_leaves_no_bytes(
    settings: Settings, other_database: Database, services: Services, store: BlobStore, sql: Sql
) -> None:
    gate = Gate()

    async def stop_at_open(moment: str, call: str) -> None:
        if (moment, call) == ("before", "open_writer"):
            await gate.stop()

    node = create_services(settings, other_database, WrappedStore(store, stop_at_open))
    upload = await services.uploads.start(NAME)
    writing = asyncio.create_task(node.uploads.append(NAME, upload, body(b"late"), chunk=None))
    await gate.arrival()
    await services.uploads.cancel(NAME, upload)
    await sql.execute("UPDATE dead_objects SET due_at = now()")
    await clean(services)
    gate.open()
    with pytest.raises(UploadUnknown):
        await writing
    assert contents(store) == []
    assert await sql.fetchval("SELECT count(*) FROM dead_objects") == 0


async def test_two_requests_finish_one_upload_and_one_blob_comes_of_it(
    services: Services, other_services: Services, store: BlobStore
) -> None:
    for number in range(10):
        content = b"content %d" % number
        upload = await services.uploads.start(NAME)
        await services.uploads.append(NAME, upload, body(content), chunk=None)
        results = await asyncio.gather(
            *(
                node.uploads.finish(NAME, upload, Digest.of(content), body(), chunk=None)
                for node in (services, other_services)
            ),
            return_exceptions=True,
        )
        assert results.count(None) == 1
        assert all(isinstance(result, UploadOutOfOrder | UploadUnknown) for result in results if result is not None)
        assert await read_blob(services, Digest.of(content)) == content
    assert len(contents(store)) == 10
