"""Whoever changes the log in the database, whatever rights he has there, is found out."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import asyncpg
import pytest

from registry.auth.audit_key import AuditKey
from registry.core.audit_chain import Mark, MarkKind, SignedMark, chained, digests_of, exported_head
from registry.core.audit_verification import Compared, Damage, Finding, Verification
from registry.db import audit, audit_batches
from registry.db.audit_batches import BatchRow
from registry.db.pool import Database
from tests.core.audit import KEY, OTHER_KEY, happen, pull, seal, sealed_batches, verified

Sql = asyncpg.Connection
COLUMNS = (
    "at, principal_id, principal, credential_kind, credential_id, address, request_id, action, target, outcome, detail"
)


async def findings(db: Database) -> list[tuple[str, str]]:
    return [(finding.damage.value, finding.text) for finding in (await verified(db))[0]]


async def test_an_empty_log_is_well(database: Database) -> None:
    found, done = await verified(database)
    assert (found, done.events, done.tail.events, done.tail.since) == ([], 0, 0, None)


async def test_what_is_sealed_is_well_and_what_is_not_is_named(database: Database) -> None:
    await sealed_batches(database, 3, 1, 2)
    waiting = pull()
    await happen(database, waiting, pull())
    found, done = await verified(database)
    assert found == []
    assert (done.first_batch, done.last.batch, done.last.last_sequence, done.events) == (1, 3, 6, 6)
    assert (done.tail.events, done.tail.since) == (2, waiting.at)


async def test_many_batches_and_many_events_of_one_are_read_in_pages(
    database: Database, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.core.audit_verification._BATCHES", 2)
    monkeypatch.setattr("registry.core.audit_verification._ROWS", 3)
    await sealed_batches(database, 1, 7, 2, 1, 3)
    found, done = await verified(database)
    assert (found, done.events, done.last.batch) == ([], 14, 5)
    await sql.execute("DELETE FROM audit_events WHERE sequence IN (4, 11)")
    assert await findings(database) == [
        ("dropped", "event 4 is missing of batch 2"),
        ("dropped", "event 11 is missing of batch 4"),
    ]


@pytest.mark.parametrize(
    "change",
    [
        "at = at + interval '1 microsecond'",
        "principal_id = 8",
        "principal_id = NULL",
        "principal = 'bob'",
        "credential_kind = 'password'",
        "credential_id = '43'",
        "credential_id = NULL",
        "address = '192.0.2.2'",
        "request_id = 'request-3'",
        "action = 'push'",
        "target = 'team/other'",
        "outcome = 'denied'",
        """detail = '{"a":1}'""",
    ],
)
async def test_an_altered_event_is_named(database: Database, sql: Sql, change: str) -> None:
    await sealed_batches(database, 2, 3)
    assert await sql.execute(f"UPDATE audit_events SET {change} WHERE sequence = 4") == "UPDATE 1"
    assert await findings(database) == [("altered", "event 4 of batch 2 was altered")]


async def test_events_that_change_places_are_named(database: Database, sql: Sql) -> None:
    await sealed_batches(database, 3)
    for change in ("-1 WHERE sequence = 1", "1 WHERE sequence = 2", "2 WHERE sequence = -1"):
        await sql.execute(f"UPDATE audit_events SET sequence = {change}")
    assert await findings(database) == [
        ("altered", "event 1 of batch 1 was altered"),
        ("altered", "event 2 of batch 1 was altered"),
    ]


async def test_dropped_events_are_named_at_the_begin_in_the_middle_and_at_the_end(database: Database, sql: Sql) -> None:
    await sealed_batches(database, 4, 4)
    await sql.execute("DELETE FROM audit_events WHERE sequence IN (1, 3, 7, 8)")
    assert await findings(database) == [
        ("dropped", "event 1 is missing of batch 1"),
        ("dropped", "event 3 is missing of batch 1"),
        ("dropped", "events 7 to 8 are missing of batch 2"),
    ]


async def insert(sql: Sql, sequence: int) -> None:
    await sql.execute(
        f"INSERT INTO audit_events (sequence, {COLUMNS})"
        f" SELECT {sequence}, {COLUMNS} FROM audit_events ORDER BY sequence LIMIT 1"
    )


@pytest.mark.parametrize(
    ("sequence", "text"),
    [
        (0, "events were inserted before the chain's begin: 1, from 0 on"),
        (5, "events are in no batch: 1, from 5 on; they were inserted, or their batches deleted"),
        (9, "events are in no batch: 1, from 9 on; they were inserted, or their batches deleted"),
    ],
)
async def test_an_inserted_event_is_named(database: Database, sql: Sql, sequence: int, text: str) -> None:
    await sealed_batches(database, 4)
    await insert(sql, sequence)
    assert await findings(database) == [("inserted", text)]


async def test_an_event_that_replaces_a_dropped_one_is_named(database: Database, sql: Sql) -> None:
    await sealed_batches(database, 4)
    await sql.execute("DELETE FROM audit_events WHERE sequence = 3")
    await insert(sql, 3)
    assert await findings(database) == [("altered", "event 3 of batch 1 was altered")]


async def test_missing_batches_are_named_with_and_without_their_events(database: Database, sql: Sql) -> None:
    await sealed_batches(database, 1, 2, 2, 1)
    await sql.execute("DELETE FROM audit_batches WHERE number IN (2, 3)")
    expected = [("dropped", "batches 2 to 3 are missing, with events 2 to 5")]
    assert await findings(database) == expected
    await sql.execute("DELETE FROM audit_events WHERE sequence BETWEEN 2 AND 5")
    assert await findings(database) == expected
    await sql.execute("DELETE FROM audit_batches WHERE number = 1")
    assert await findings(database) == [("dropped", "batches 1 to 3 are missing, with events 1 to 5")]


async def test_a_last_batch_that_is_dropped_leaves_events_without_one(database: Database, sql: Sql) -> None:
    await sealed_batches(database, 1, 2)
    await sql.execute("DELETE FROM audit_batches WHERE number = 2")
    assert await findings(database) == [
        ("inserted", "events are in no batch: 2, from 2 on; they were inserted, or their batches deleted")
    ]


@pytest.mark.parametrize(
    "change",
    [
        "sealed_at = sealed_at - interval '1 day'",
        "row_digests = sha256('other') || substr(row_digests, 33)",
        "row_digests = row_digests || sha256('other')",
        "last_sequence = last_sequence + 1",
        "head = sha256('other')",
    ],
)
async def test_a_batch_whose_record_was_altered_is_named(database: Database, sql: Sql, change: str) -> None:
    await sealed_batches(database, 1, 2)
    await sql.execute(f"UPDATE audit_batches SET {change} WHERE number = 2")
    last = 4 if change.startswith("last") else 3
    assert await findings(database) == [
        ("altered", f"the record of batch 2 was altered; events 2 to {last} are not to be verified")
    ]


async def rewrite(sql: Sql, db: Database, key: AuditKey, number: int) -> None:
    """Alter the events of a batch and all that vouches for them, as well as somebody with another key can."""
    (batch,) = (await db.read("look", lambda conn: audit_batches.named(conn, [number]))).values()
    await sql.execute("UPDATE audit_events SET principal = 'nobody' WHERE sequence = $1", batch.last_sequence)
    rows = await db.read(
        "look", lambda conn: audit.span(conn, after=batch.first_sequence - 1, last=batch.last_sequence, limit=100)
    )
    digests = digests_of(rows)
    head = chained(batch._replace(row_digests=digests))
    signed = key.sign(Mark(MarkKind.HEAD, number, batch.last_sequence, head, batch.sealed_at).message())
    await sql.execute(
        "UPDATE audit_batches SET row_digests = $2, head = $3, kid = $4, signature = $5 WHERE number = $1",
        number,
        digests,
        head,
        *signed,
    )
    await sql.execute("UPDATE audit_batches SET previous = $2 WHERE number = $1 + 1", number, head)


async def test_a_batch_that_was_rewritten_with_another_key_is_named_whatever_name_the_key_has(
    database: Database, sql: Sql
) -> None:
    await sealed_batches(database, 1, 2)
    await rewrite(sql, database, OTHER_KEY, 2)
    expected = [("forged", "batch 2 is not signed by this installation; events 2 to 3 are not to be verified")]
    assert await findings(database) == expected
    await sql.execute("UPDATE audit_batches SET kid = (SELECT kid FROM audit_batches WHERE number = 1)")
    assert await findings(database) == expected


async def test_a_batch_that_does_not_fit_the_next_is_named(database: Database, sql: Sql) -> None:
    await sealed_batches(database, 1, 2, 1)
    await rewrite(sql, database, KEY, 2)
    assert await findings(database) == [
        ("altered", "the record of batch 3 was altered; event 4 is not to be verified"),
    ]
    await sql.execute("UPDATE audit_batches SET previous = sha256('other') WHERE number = 3")
    assert ("altered", "batch 3 does not follow the one before it") in await findings(database)


async def test_a_head_s_signature_is_none_of_an_anchor(database: Database, sql: Sql) -> None:
    """Whoever deletes the begin of the log can't let a head stand for a deletion by the registry."""
    await sealed_batches(database, 1, 2)
    await sql.execute(
        "INSERT INTO audit_anchors"
        " SELECT number, last_sequence, head, sealed_at, kid, signature FROM audit_batches WHERE number = 1"
    )
    await sql.execute("DELETE FROM audit_batches WHERE number = 1")
    await sql.execute("DELETE FROM audit_events WHERE sequence = 1")
    assert await findings(database) == [
        ("forged", "the anchor after batch 1, up to which all is deleted, is not signed by this installation")
    ]


async def compared(db: Database, heads: list[SignedMark]) -> tuple[list[Finding], Compared]:
    found: list[Finding] = []
    return found, await Verification(db, KEY.verify).compare(heads, found.append)


async def test_a_log_that_was_cut_off_with_its_batches_shows_by_a_head_that_was_kept_elsewhere(
    database: Database, sql: Sql
) -> None:
    heads = [sealed.head for sealed in await sealed_batches(database, 1, 2, 1)]
    assert await compared(database, heads) == ([], Compared(3, 0))
    await sql.execute("DELETE FROM audit_batches WHERE number > 1")
    await sql.execute("DELETE FROM audit_events WHERE sequence > 1")
    assert await findings(database) == []  # nothing in the database shows it
    text = "the log ends with batch 1, and the exported head of batch {}, with events up to {}, was kept"
    assert await compared(database, heads) == (
        [Finding(Damage.TRUNCATED, text.format(2, 3)), Finding(Damage.TRUNCATED, text.format(3, 4))],
        Compared(1, 0),
    )
    await happen(database, pull(), pull(), pull())
    await seal(database)  # the log goes on, as if nothing had been
    assert await findings(database) == []
    assert (await compared(database, heads[1:]))[0] == [
        Finding(
            Damage.ALTERED,
            "the exported head of batch 2 is another than the log's; what was sealed up to there was replaced",
        ),
        Finding(Damage.TRUNCATED, text.replace("batch 1", "batch 2").format(3, 4)),
    ]


async def test_a_head_that_the_registry_has_not_exported_says_nothing(database: Database) -> None:
    (sealed,) = await sealed_batches(database, 1)
    mark = sealed.head.mark
    forged = SignedMark(mark, OTHER_KEY.sign(mark.message()))
    moved = SignedMark(Mark(MarkKind.HEAD, 2, 1, mark.head, mark.at), sealed.head.signature)
    found, done = await compared(database, [forged, moved])
    assert [finding.damage for finding in found] == [Damage.FORGED, Damage.FORGED]
    assert done == Compared(0, 0)


async def test_a_head_is_read_again_from_what_was_exported_and_from_the_server_s_log(database: Database) -> None:
    (sealed,) = await sealed_batches(database, 1)
    exported = sealed.head.exported()
    assert exported_head(json.dumps(exported)) == sealed.head
    line = json.dumps({"timestamp": "now", "level": "info", "event": "audit log sealed", "head": exported})
    assert exported_head(line) == sealed.head
    assert exported_head('{"event":"request"}') is None
    assert exported_head("not JSON") is None
    for broken in (
        line[:-9],
        json.dumps(exported | {"head": "xy"}),
        '["signature"]',
        '{"signature": ""}',
        '{"a":"signature", "signature":1}',
    ):
        with pytest.raises(ValueError, match="no whole head"):
            exported_head(broken)


async def test_verification_finds_nothing_wrong_while_nodes_write_and_seal(
    database: Database, other_database: Database
) -> None:
    is_done = False

    async def write() -> None:
        for _ in range(40):
            await happen(other_database, pull(), pull())
            await seal(other_database)

    async def verify() -> int:
        count = 0
        while not is_done:
            assert await findings(database) == []
            count += 1
        return count

    task = asyncio.create_task(verify())
    await write()
    is_done = True
    assert await task > 1


async def test_another_installation_s_key_verifies_nothing(database: Database) -> None:
    await sealed_batches(database, 1)
    found, _ = await verified(database, OTHER_KEY)
    assert [finding.damage for finding in found] == [Damage.FORGED]


def test_the_encoding_of_an_event_does_not_change() -> None:
    """What was sealed by this release must verify in all later ones."""
    at = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    event = audit.EventRow(at, 7, "älice", "key", "42", None, "r\n1", "pull", "team/model:v1", "done", '{"a":"b"}')
    digests = digests_of([audit.SealedRow(1, event)])
    assert digests.hex() == "216dfa59e696b35a55bae9fe7fd6f20eef296320beeccc21dc148ec5301faed4"
    assert (
        chained(BatchRow(1, 1, 1, at, bytes(32), digests, b"", "", b"")).hex()
        == "4bc01ea1b84de73bd75b9e8710fef983623c2950786e9085c0129923f64be683"
    )
    message = Mark(MarkKind.HEAD, 1, 1, bytes(32), at).message()
    assert message == (
        b'head\n{"at":"2026-01-02T03:04:05.000006Z","batch":1,"head":"' + b"00" * 32 + b'","last_sequence":1}'
    )
    assert KEY.sign(message).kid == "d8b8ca7bea3e7131e3ee0ea8c8db546b"
