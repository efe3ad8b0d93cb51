"""Committed events are sealed one after the other, whoever commits first and whoever seals."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest
import structlog

from registry.core.audit import record
from registry.core.audit_buffer import EventBuffer
from registry.core.audit_chain import Signature, SignedMark, exported_head
from registry.core.audit_sealing import Sealer
from registry.db import audit_batches
from registry.db.pool import Connection, Database
from registry.jobs.sealing import seal_forever, write_until_end
from registry.storage.base import StorageError
from tests.core.audit import KEY, happen, pull, seal, verified
from tests.core.support import Gate
from tests.db.pgbouncer import pgbouncer

Sql = asyncpg.Connection


async def targets(sql: Sql) -> list[str]:
    rows = await sql.fetch("SELECT sequence, target FROM audit_events ORDER BY sequence")
    assert [row["sequence"] for row in rows] == list(range(1, len(rows) + 1))
    return [row["target"] for row in rows]


async def test_an_event_that_is_committed_after_a_later_one_was_sealed_is_sealed_too(
    database: Database, sql: Sql
) -> None:
    early, late = Gate(), Gate()

    async def transact(gate: Gate, target: str) -> None:
        async def act(conn: Connection) -> None:
            await record(conn, pull(target))
            await gate.stop()

        await database.transaction("slow", act)

    first = asyncio.create_task(transact(early, "first"))
    await early.arrival()
    second = asyncio.create_task(transact(late, "second"))
    await late.arrival()
    assert await seal(database) == []
    late.open()
    await second
    (sealed,) = await seal(database)
    assert (sealed.head.mark.batch, sealed.head.mark.last_sequence) == (1, 1)
    early.open()
    await first
    (sealed,) = await seal(database)
    assert (sealed.head.mark.batch, sealed.head.mark.last_sequence) == (2, 2)
    assert await targets(sql) == ["second", "first"]
    findings, done = await verified(database)
    assert (findings, done.events, done.tail.events) == ([], 2, 0)


async def test_an_event_that_is_rolled_back_leaves_no_gap(database: Database, sql: Sql) -> None:
    async def act(conn: Connection) -> None:
        await record(conn, pull("undone"))
        raise LookupError

    await happen(database, pull("a"))
    with pytest.raises(LookupError):
        await database.transaction("undone", act)
    await happen(database, pull("b"))
    await seal(database)
    assert await targets(sql) == ["a", "b"]


async def test_a_batch_has_a_limit_and_says_that_more_may_wait(database: Database, sql: Sql) -> None:
    await happen(database, *(pull(f"m:{number}") for number in range(5)))
    sealer = Sealer(database, KEY.sign, batch=2)
    found = [await sealer.seal() for _ in range(4)]
    assert [sealed and (sealed.head.mark.last_sequence, sealed.is_full) for sealed in found] == [
        (2, True),
        (4, True),
        (5, False),
        None,
    ]
    assert await targets(sql) == [f"m:{number}" for number in range(5)]


async def test_one_node_seals_at_a_time_and_the_other_does_not_wait(
    database: Database, other_database: Database, sql: Sql
) -> None:
    await happen(database, pull("a"))
    transaction = sql.transaction()
    await transaction.start()
    await sql.execute("SELECT pg_advisory_xact_lock($1)", audit_batches._LOCK)
    assert await Sealer(other_database, KEY.sign).seal() is None
    await transaction.rollback()
    assert await Sealer(other_database, KEY.sign).seal() is not None


@pytest.fixture(params=["direct", "pgbouncer"])
async def nodes(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[list[Database]]:
    """Return two nodes' pools, before PostgreSQL or before pgbouncer in transaction mode."""
    if request.param == "direct":
        made = [Database(database_url, size=5, timeout=10) for _ in range(2)]
        for db in made:
            await db.open()
        yield made
        for db in made:
            await db.close()
        return
    with pgbouncer(database_url) as url:
        made = [Database(url, size=5, timeout=10, pooled=True) for _ in range(2)]
        for db in made:
            await db.open()
        yield made
        for db in made:
            await db.close()


async def test_two_nodes_that_seal_at_once_make_one_chain_of_all_that_others_commit(
    nodes: list[Database], sql: Sql
) -> None:
    is_done = False

    async def write(node: Database, name: str) -> None:
        for number in range(60):
            events = [pull(f"{name}:{number}:{one}") for one in range(random.randint(1, 5))]
            expected.extend(event.target for event in events)
            await happen(node, *events)

    async def keep_sealing(node: Database) -> int:
        sealer, count = Sealer(node, KEY.sign, batch=7), 0
        while True:
            finished = is_done
            if await sealer.seal() is not None:
                count += 1
            elif finished:
                return count

    expected: list[str] = []
    sealing = [asyncio.create_task(keep_sealing(node)) for node in nodes for _ in range(2)]
    await asyncio.gather(*(write(node, f"{number}{writer}") for number, node in enumerate(nodes) for writer in "ab"))
    is_done = True
    counts = await asyncio.gather(*sealing)
    await seal(nodes[0])
    assert sorted(await targets(sql)) == sorted(expected)
    findings, done = await verified(nodes[1])
    assert (findings, done.events, done.tail.events) == ([], len(expected), 0)
    assert sum(counts) == done.last.batch


async def test_a_sealer_that_fails_leaves_everything_to_the_next(database: Database, sql: Sql) -> None:
    def fail(message: bytes) -> Signature:
        raise LookupError

    await happen(database, pull("a"))
    with pytest.raises(LookupError):
        await Sealer(database, fail).seal()
    assert await sql.fetchval("SELECT count(*) FROM audit_inbox") == 1
    await seal(database)
    assert await targets(sql) == ["a"]


async def until(is_there: Callable[[], object]) -> None:
    for _ in range(3000):
        if is_there():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it never comes")


async def test_the_loops_write_seal_and_tell_each_head_even_where_one_can_not_be_put(database: Database) -> None:
    put: list[tuple[int, bytes]] = []

    async def into_bucket(batch: int, content: bytes) -> None:
        put.append((batch, content))
        if batch == 1:
            raise StorageError("S3 doesn't answer")

    buffer = EventBuffer(database)
    with structlog.testing.capture_logs() as logged:
        tasks = [
            asyncio.create_task(seal_forever(Sealer(database, KEY.sign), into_bucket)),
            asyncio.create_task(write_until_end(buffer)),
        ]
        buffer.add(pull("a"))
        await until(lambda: len(put) == 1)
        buffer.add(pull("b"))
        await until(lambda: len(put) == 2)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    heads = [exported_head(content.decode()) for _, content in put]
    assert [head.mark.batch for head in heads if head] == [1, 2]
    assert all(isinstance(head, SignedMark) and KEY.verify(head.mark.message(), head.signature) for head in heads)
    assert [line["head"]["batch"] for line in logged if line["event"] == "audit log sealed"] == [1, 2]
    assert [line["batch"] for line in logged if "not exported" in line["event"]] == [1]


async def test_the_loops_go_on_after_a_failure(database: Database) -> None:
    calls: list[bytes] = []

    def fail_once(message: bytes) -> Signature:
        calls.append(message)
        if len(calls) == 1:
            raise LookupError
        return KEY.sign(message)

    await happen(database, pull("a"))
    with structlog.testing.capture_logs() as logged:
        task = asyncio.create_task(seal_forever(Sealer(database, fail_once), None))
        await until(lambda: any(line["event"] == "audit log sealed" for line in logged))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [line["event"] for line in logged] == ["sealing the audit log failed", "audit log sealed"]


async def test_what_is_being_written_when_the_buffer_ends_is_written_once(database: Database, sql: Sql) -> None:
    """Of a statement that was cut off nobody would know whether it had been done."""
    buffer = EventBuffer(database)
    task = asyncio.create_task(write_until_end(buffer))
    async with sql.transaction():
        await sql.execute("LOCK TABLE audit_inbox IN EXCLUSIVE MODE")
        buffer.add(pull("a"))
        await until(buffer._writing.locked)
        buffer.add(pull("b"))
        buffer.end()
    await asyncio.wait_for(task, 30)
    assert [row["target"] for row in await sql.fetch("SELECT target FROM audit_inbox ORDER BY id")] == ["a", "b"]


async def test_a_buffer_that_ends_without_a_database_is_no_error(database: Database) -> None:
    buffer = EventBuffer(Database(database._url, size=1, timeout=1))  # never opened
    buffer.add(pull("a"))
    buffer.end()
    with structlog.testing.capture_logs() as logged:
        await asyncio.wait_for(write_until_end(buffer), 30)
    assert {line["event"] for line in logged} == {"writing the audit log failed"}
