"""Old batches can go, and what remains still verifies; what went by other hands shows."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta

import asyncpg
import pytest

from registry.core.audit import Actor
from registry.core.audit_chain import SignedMark
from registry.core.audit_retention import Pruned, Retention
from registry.core.audit_verification import Compared, Finding, Verification
from registry.db.pool import Connection, Database
from registry.errors import AuditDamaged
from tests.core.audit import ALICE, KEY, OTHER_KEY, happen, pull, seal, sealed_batches, verified

Sql = asyncpg.Connection
NOW = timedelta(0)
LONG = timedelta(days=400)


async def prune(db: Database, older_than: timedelta = NOW) -> Pruned:
    return await Retention(db, KEY.sign, KEY.verify).prune(older_than, ALICE)


async def sealed_long_ago(monkeypatch: pytest.MonkeyPatch, db: Database, *sizes: int) -> list[SignedMark]:
    """Seal batches as if their time were long ago."""

    class Earlier:
        @staticmethod
        def now(zone):  # type: ignore[no-untyped-def]
            return datetime.now(zone) - LONG

    with monkeypatch.context() as patched:
        patched.setattr("registry.core.audit_sealing.datetime", Earlier)
        return [sealed.head for sealed in await sealed_batches(db, *sizes)]


async def test_old_batches_go_as_a_whole_and_what_remains_verifies(
    database: Database, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sealed_long_ago(monkeypatch, database, 2, 3)
    await happen(database, pull("new"))
    await seal(database)
    assert await prune(database, timedelta(days=399)) == Pruned(2, 5)
    assert await sql.fetchval("SELECT array_agg(target) FROM audit_events") == ["new"]
    found, done = await verified(database)
    assert found == []
    assert (done.first_batch, done.last.batch, done.events, done.tail.events) == (3, 3, 1, 1)
    assert await prune(database, timedelta(days=399)) == Pruned(0, 0)


async def test_who_has_pruned_what_is_recorded(database: Database, sql: Sql) -> None:
    await sealed_batches(database, 2, 3)
    await prune(database)
    row = await sql.fetchrow("SELECT principal, action, outcome, detail FROM audit_inbox")
    assert tuple(row)[:3] == ("alice", "audit.prune", "done")
    assert json.loads(row["detail"]) == {"batches": [1, 2], "events": [1, 5]}


async def test_the_chain_goes_on_from_the_anchor_where_all_was_old(database: Database) -> None:
    await sealed_batches(database, 2, 3)
    await prune(database)
    (sealed,) = await seal(database)  # of the deletion itself
    assert (sealed.head.mark.batch, sealed.head.mark.last_sequence) == (3, 6)
    assert await prune(database) == Pruned(1, 1)
    found, done = await verified(database)
    assert (found, done.first_batch, done.events) == ([], 4, 0)


async def test_batches_that_are_not_old_stay_even_between_old_ones(
    database: Database, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clocks of nodes may differ."""
    await sealed_batches(database, 1)
    await happen(database, pull())
    await sealed_long_ago(monkeypatch, database, 1)
    assert await prune(database, timedelta(days=399)) == Pruned(0, 0)
    assert await sql.fetchval("SELECT count(*) FROM audit_anchors") == 0


async def test_a_large_log_is_pruned_in_steps_and_keeps_one_anchor(
    database: Database, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.core.audit_retention._BATCHES", 3)
    monkeypatch.setattr("registry.core.audit_retention._EVENTS", 4)
    await sealed_batches(database, 2, 2, 9, 1, 1, 1, 1)
    assert await prune(database) == Pruned(7, 17)
    assert await sql.fetchval("SELECT array_agg((detail::json -> 'batches')::text ORDER BY id) FROM audit_inbox") == [
        "[1,2]",
        "[3,3]",
        "[4,6]",
        "[7,7]",
    ]
    assert await sql.fetchval("SELECT array_agg(batch) FROM audit_anchors") == [7]
    assert (await verified(database))[0] == []


async def test_exported_heads_of_pruned_batches_are_counted_and_the_last_one_is_compared(
    database: Database, sql: Sql
) -> None:
    heads = [sealed.head for sealed in await sealed_batches(database, 1, 2)]
    await prune(database)
    await seal(database)
    found: list[Finding] = []
    assert await Verification(database, KEY.verify).compare(heads, found.append) == Compared(1, 1)
    assert found == []


async def test_events_that_come_back_before_the_anchor_are_named(database: Database, sql: Sql) -> None:
    await sealed_batches(database, 2)
    await sql.execute(
        "CREATE TABLE kept AS SELECT * FROM audit_events; CREATE TABLE batches AS SELECT * FROM audit_batches"
    )
    await prune(database)
    await sql.execute("INSERT INTO audit_events SELECT * FROM kept; INSERT INTO audit_batches SELECT * FROM batches")
    found, _ = await verified(database)
    assert [finding.text for finding in found] == [
        "events were inserted before the chain's begin: 2, from 1 on",
        "batches were inserted before the chain's begin: 1",
    ]


async def test_an_anchor_that_is_altered_or_dropped_is_named(database: Database, sql: Sql) -> None:
    await sealed_batches(database, 2, 1)
    await prune(database)
    await seal(database)
    await sql.execute("UPDATE audit_anchors SET made_at = made_at - interval '1 day'")
    assert [finding.text for finding in (await verified(database))[0]] == [
        "the anchor after batch 2, up to which all is deleted, is not signed by this installation"
    ]
    await sql.execute("DELETE FROM audit_anchors")
    assert [finding.text for finding in (await verified(database))[0]] == [
        "batches 1 to 2 are missing, with events 1 to 3"
    ]


async def test_what_others_have_deleted_is_not_passed_off_as_pruned(database: Database, sql: Sql) -> None:
    await sealed_batches(database, 1, 1, 1)
    await sql.execute("DELETE FROM audit_batches WHERE number = 1")
    await sql.execute("DELETE FROM audit_events WHERE sequence = 1")
    with pytest.raises(AuditDamaged, match=r"batch 1 .* is missing .* nothing from there on was deleted"):
        await prune(database)
    assert [finding.text for finding in (await verified(database))[0]] == ["batch 1 is missing, with event 1"]


async def test_a_missing_event_is_not_passed_off_as_pruned(database: Database, sql: Sql) -> None:
    await sealed_batches(database, 2)
    await sql.execute("DELETE FROM audit_events WHERE sequence = 2")
    with pytest.raises(AuditDamaged):
        await prune(database)
    assert await sql.fetchval("SELECT count(*) FROM audit_batches") == 1


async def test_nothing_is_pruned_that_this_installation_has_not_signed(database: Database, sql: Sql) -> None:
    await sealed_batches(database, 1)
    await happen(database, pull())
    await seal(database, OTHER_KEY)
    with pytest.raises(AuditDamaged, match=r"batch 2 of the audit log .* run `blacklake admin audit verify`"):
        await prune(database)
    assert await sql.fetchval("SELECT count(*) FROM audit_events") == 2


async def test_verification_finds_nothing_wrong_while_old_batches_go(
    database: Database, other_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.core.audit_verification._BATCHES", 2)
    monkeypatch.setattr("registry.core.audit_retention._BATCHES", 3)
    step, turns = Retention._step, asyncio.Semaphore(0)

    async def in_turn(self: Retention, conn: Connection, sealed_before: datetime, actor: Actor) -> Pruned:
        await turns.acquire()  # each step goes beside a verification
        return await step(self, conn, sealed_before, actor)

    monkeypatch.setattr(Retention, "_step", in_turn)
    await sealed_batches(database, *[2] * 60)
    pruning = asyncio.create_task(prune(other_database))
    while not pruning.done():
        turns.release()
        assert (await verified(database))[0] == []
    assert await pruning == Pruned(60, 120)
