"""What is recorded of an event, and that it is in the log if and only if the change is in the database."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from blacklake.admin.audit import line_of
from registry import metrics
from registry.auth.secrets import API_KEY, new_secret
from registry.core.access import Caller, Credential, CredentialKind
from registry.core.audit import DETAIL_LIMIT, Action, Actor, Event, Outcome, row_of
from registry.core.audit_buffer import EventBuffer
from registry.core.audit_log import AuditLog, as_json
from registry.core.identities import Identities
from registry.db.audit import EventFilter
from registry.db.pool import Database
from registry.errors import IdentityRefused, Unavailable
from tests.core.audit import ALICE, BOB, happen, pull, seal

Sql = asyncpg.Connection
ALL = EventFilter()
ADMINISTRATORS = """
INSERT INTO principals (id, kind, name, is_admin) OVERRIDING SYSTEM VALUE
VALUES (7, 'user', 'alice', true), (8, 'user', 'bob', true)
"""


async def recorded(sql: Sql) -> list[tuple[str, str, str]]:
    """Return who did what to what, as far as nothing is sealed."""
    return [tuple(row) for row in await sql.fetch("SELECT principal, action, target FROM audit_inbox ORDER BY id")]


async def test_changes_of_identities_are_recorded_with_who_made_them(database: Database, sql: Sql) -> None:
    await sql.execute(ADMINISTRATORS)
    identities = Identities(database)
    await identities.add_user("carol", password_hash=None, is_admin=True, actor=ALICE)
    await identities.add_organisation("acme", actor=ALICE)
    await identities.grant("user:carol", "writer", "acme/x*", actor=BOB)
    await identities.revoke("user:carol", "writer", "acme/x*", actor=BOB)
    assert await recorded(sql) == [
        ("alice", "user.add", "user:carol"),
        ("alice", "organisation.add", "acme"),
        ("bob", "grant.add", "acme/x*"),
        ("bob", "grant.remove", "acme/x*"),
    ]
    row = await sql.fetchrow("SELECT * FROM audit_inbox WHERE action = 'grant.add'")
    assert (row["principal_id"], row["credential_kind"], row["credential_id"]) == (8, "password", None)
    assert (row["address"], row["request_id"], row["outcome"]) == ("2001:db8::1", "request-2", "done")
    assert json.loads(row["detail"]) == {"role": "writer", "subject": "user:carol"}


async def test_a_change_that_is_refused_leaves_no_event(database: Database, sql: Sql) -> None:
    await sql.execute(ADMINISTRATORS)
    identities = Identities(database)
    await identities.add_organisation("acme", actor=ALICE)
    with pytest.raises(IdentityRefused):
        await identities.add_organisation("acme", actor=BOB)
    with pytest.raises(IdentityRefused):
        await identities.revoke("anonymous", "reader", "acme", actor=BOB)
    assert await recorded(sql) == [("alice", "organisation.add", "acme")]


async def test_a_change_whose_event_can_not_be_written_is_not_made(database: Database, sql: Sql) -> None:
    await sql.execute(ADMINISTRATORS)
    await sql.execute("ALTER TABLE audit_inbox ADD CHECK (principal <> 'bob')")
    with pytest.raises(asyncpg.CheckViolationError):
        await Identities(database).add_organisation("acme", actor=BOB)
    assert await sql.fetchval("SELECT count(*) FROM organisations") == 0


async def test_an_event_keeps_nobody_from_committing(database: Database, sql: Sql) -> None:
    """Another transaction, open for as long as it likes, has recorded one."""
    transaction = sql.transaction()
    await transaction.start()
    await sql.execute(
        "INSERT INTO audit_inbox (at, principal, credential_kind, action, target, outcome, detail)"
        " VALUES (now(), 'carol', 'key', 'pull', 'x', 'done', '{}')"
    )
    await happen(database, pull())
    assert await database.read("look", lambda conn: conn.fetchval("SELECT count(*) FROM audit_inbox")) == 1
    await transaction.rollback()


def test_secrets_are_masked_wherever_they_turn_up() -> None:
    key = new_secret(API_KEY)
    token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
    actor = Actor(None, key, CredentialKind.NONE, token, f"Bearer {token}", f"x {key} y")
    row = row_of(
        Event(
            actor, Action.PULL, f"https://me:hidden@host/{token}", detail={"sent": [key, {"header": "Basic aGlkZGVu"}]}
        )
    )
    text = repr(row)
    for secret in (key, token, key[4:], "hidden", "aGlkZGVu", "c2lnbmF0dXJl"):
        assert secret not in text
    assert (row.principal, row.credential_id, row.request_id) == ("blk_***", "eyJ***", "x blk_*** y")
    assert row.target == "https://me:***@host/eyJ***"
    detail = {"new_password": 'hun"ter 2', "to": "postgresql://u@h/d?password=hunter2&x=1", "name": "my_team/token:v1"}
    assert json.loads(row_of(Event(ALICE, Action.PULL, "x", detail=detail)).detail) == {
        "new_password": "***",
        "to": "postgresql://u@h/d?password=***&x=1",
        "name": "my_team/token:v1",
    }


def test_a_secret_of_letters_alone_is_masked_by_its_name() -> None:
    detail = {"requests": ["a", "b"], "token": "hidden"}
    assert json.loads(row_of(Event(ALICE, Action.PULL, "x", detail=detail)).detail) == {**detail, "token": "***"}


@pytest.mark.parametrize(
    "target", ["team/model@sha256:" + 64 * "a", "my_team/token:v1", "acme/x*", "user:a.b-c_d", "team/eyJ:1"]
)
def test_what_is_no_secret_is_kept_as_it_is(target: str) -> None:
    assert row_of(pull(target)).target == target


def test_what_is_recorded_is_bounded() -> None:
    huge = "x" * 1_000_000
    row = row_of(
        Event(Actor(1, huge, CredentialKind.KEY, huge, huge, huge), Action.PULL, huge, detail={"huge": '"\n' * 10_000})
    )
    assert max(len(str(field)) for field in row[:-1]) == 513
    assert len(row.detail.encode()) <= DETAIL_LIMIT
    assert json.loads(row.detail)["bytes"] > 40_000


async def test_what_a_client_sends_can_neither_break_the_log_nor_steer_a_terminal(database: Database) -> None:
    evil = 'x"\x00\x1b[2J\r\n{"sequence":1}\u202e\x9b\udcff=cmd()'
    await happen(
        database, Event(Actor(1, evil, CredentialKind.KEY, evil, evil, evil), Action.PULL, evil, detail={evil: evil})
    )
    await seal(database)
    (row,) = (await AuditLog(database).page(ALL, limit=10)).sealed
    text = as_json(row.event, row.sequence)
    shown = json.loads(text)
    for line in (text, line_of(shown)):
        assert line.isascii()
        assert line.isprintable()
    assert shown["target"] == 'x"\\x00\x1b[2J\r\n{"sequence":1}\u202e\x9b\\udcff=cmd()'
    assert shown["detail"] == {evil: evil}
    assert shown["sequence"] == 1


async def test_pages_go_back_from_the_newest_and_begin_with_what_is_not_sealed(database: Database) -> None:
    await happen(database, *(pull(f"m:{number}") for number in range(1, 6)))
    await seal(database)
    await happen(database, pull("m:6"))
    log = AuditLog(database)
    first = await log.page(ALL, limit=2)
    assert [event.target for event in first.waiting] == ["m:6"]
    assert ([row.event.target for row in first.sealed], first.next_before) == (["m:5", "m:4"], 4)
    second = await log.page(ALL, before=first.next_before, limit=2)
    assert (second.waiting, [row.sequence for row in second.sealed], second.next_before) == ([], [3, 2], 2)
    third = await log.page(ALL, before=second.next_before, limit=2)
    assert ([row.sequence for row in third.sealed], third.next_before) == ([1], None)


async def test_of_many_that_are_not_sealed_none_is_left_out_though_they_are_sealed_meanwhile(
    database: Database,
) -> None:
    await happen(database, pull("m:0"))
    await seal(database)
    for number in range(1, 8):
        await happen(database, pull(f"m:{number}"))
    log = AuditLog(database)

    async def walk(seal_after: int) -> list[str]:
        found: list[str] = []
        before, pages = None, 0
        while True:
            page = await log.page(ALL, before=before, limit=2)
            found += [event.target for event in [*page.waiting, *(row.event for row in page.sealed)]]
            before, pages = page.next_before, pages + 1
            if before is None:
                return found
            if pages == seal_after:
                await seal(database)

    everything = [f"m:{number}" for number in range(7, -1, -1)]
    assert await walk(seal_after=0) == everything
    assert await walk(seal_after=2) == [*everything[:4], *everything]
    assert await walk(seal_after=0) == everything


async def test_filters_find_what_fits_all_of_them(database: Database) -> None:
    old = Event(ALICE, Action.PULL, "team/model:v1", at=pull().at - timedelta(days=9))
    denied = pull("team-b/model:v1", actor=BOB, outcome=Outcome.DENIED)
    other = Event(BOB, Action.GRANT_ADD, "team/model")
    await happen(database, old, denied, other)
    log = AuditLog(database)

    async def found(**which: object) -> list[str]:
        page = await log.page(EventFilter(**which), limit=10)  # type: ignore[arg-type]
        assert page.waiting == [] or page.sealed == []
        return sorted(event.target for event in page.waiting or [row.event for row in page.sealed])

    for _ in range(2):  # before they are sealed, and after
        assert await found(principal="bob") == ["team-b/model:v1", "team/model"]
        assert await found(principal="bob", action="pull") == ["team-b/model:v1"]
        assert await found(target_prefix="team/") == ["team/model", "team/model:v1"]
        assert await found(outcome="denied") == ["team-b/model:v1"]
        assert await found(since=denied.at) == ["team-b/model:v1", "team/model"]
        assert await found(until=denied.at) == ["team/model:v1"]
        assert await found(principal="b") == []
        await seal(database)
    exported = [row.event.target async for row in log.export(EventFilter(principal="bob"))]
    assert exported == ["team-b/model:v1", "team/model"]


async def test_an_export_is_in_order_however_many_pages_it_has_and_leaves_the_unsealed_out(database: Database) -> None:
    for start in (0, 800, 1600):
        await happen(database, *(pull(f"m:{number}") for number in range(start, start + 800)))
    await seal(database)
    await happen(database, pull("unsealed"))
    log = AuditLog(database)
    rows = [row async for row in log.export(ALL)]
    assert [row.sequence for row in rows] == list(range(1, 2401))
    assert [row.event.target for row in rows] == [f"m:{number}" for number in range(2400)]
    assert (await log.tail()).events == 1


async def test_a_buffer_writes_together_what_was_added(database: Database, sql: Sql) -> None:
    buffer = EventBuffer(database)
    for number in range(2500):
        buffer.add(pull(f"m:{number}"))
    assert await recorded(sql) == []
    await buffer.flush()
    assert [target for _, _, target in await recorded(sql)] == [f"m:{number}" for number in range(2500)]
    await buffer.flush()
    assert await sql.fetchval("SELECT count(*) FROM audit_inbox") == 2500


async def test_a_full_buffer_drops_events_and_tells_how_many(database: Database, sql: Sql) -> None:
    before = metrics.exposition()
    buffer = EventBuffer(database, capacity=3)
    for number in range(5):
        buffer.add(pull(f"m:{number}"))
    await buffer.flush()
    assert [target for _, _, target in await recorded(sql)] == ["m:0", "m:1", "m:2", "events"]
    row = await sql.fetchrow("SELECT principal, action, outcome, detail FROM audit_inbox ORDER BY id DESC LIMIT 1")
    assert tuple(row) == ("registry", "audit.drop", "failed", '{"dropped":2}')
    assert counted(metrics.exposition()) - counted(before) == 2
    buffer.add(pull("m:5"))  # there is room again, and nothing more to tell
    await buffer.flush()
    assert await sql.fetchval("SELECT count(*) FROM audit_inbox WHERE action = 'audit.drop'") == 1


async def test_pulls_of_the_same_are_one_event_that_names_every_request(database: Database, sql: Sql) -> None:
    alice = Caller(7, "alice", credential=Credential(CredentialKind.KEY, "42"))
    others = [
        (replace(alice, credential=Credential(CredentialKind.KEY, "43")), "team/m:v1", "192.0.2.1"),
        (alice, "team/m:v2", "192.0.2.1"),
        (alice, "team/m:v1", "192.0.2.2"),
    ]
    buffer = EventBuffer(database)
    for number in range(3):
        buffer.add_pull(alice, "team/m:v1", address="192.0.2.1", request_id=f"request-{number}")
    for caller, target, address in others:
        buffer.add_pull(caller, target, address=address, request_id="another")
    await buffer.flush()
    buffer.add_pull(alice, "team/m:v1", address="192.0.2.1", request_id="later")
    await buffer.flush()
    rows = await sql.fetch("SELECT credential_id, target, address, request_id, detail FROM audit_inbox ORDER BY id")
    assert [tuple(row) for row in rows] == [
        ("42", "team/m:v1", "192.0.2.1", "request-0", '{"requests":["request-1","request-2"]}'),
        ("43", "team/m:v1", "192.0.2.1", "another", "{}"),
        ("42", "team/m:v2", "192.0.2.1", "another", "{}"),
        ("42", "team/m:v1", "192.0.2.2", "another", "{}"),
        ("42", "team/m:v1", "192.0.2.1", "later", "{}"),
    ]


async def test_no_request_of_many_pulls_is_left_out(database: Database, sql: Sql) -> None:
    buffer = EventBuffer(database)
    ids = [f"{number:0128}" for number in range(200)]
    for request_id in ids:
        buffer.add_pull(Caller(7, "alice"), "team/m:v1", address="192.0.2.1", request_id=request_id)
    await buffer.flush()
    rows = await sql.fetch("SELECT request_id, detail FROM audit_inbox")
    assert sorted(one for row in rows for one in [row[0], *json.loads(row[1])["requests"]]) == ids
    assert len(rows) < 10


async def test_pulls_that_a_full_buffer_drops_are_told_of(database: Database, sql: Sql) -> None:
    buffer = EventBuffer(database, capacity=3)
    for number in range(5):
        buffer.add_pull(Caller(7, "alice"), "team/m:v1", address="192.0.2.1", request_id=str(number))
    await buffer.flush()
    found = [tuple(row) for row in await sql.fetch("SELECT action, detail FROM audit_inbox ORDER BY id")]
    assert found == [("pull", '{"requests":["1","2"]}'), ("audit.drop", '{"dropped":2}')]


def counted(exposition: bytes) -> float:
    (line,) = (line for line in exposition.decode().splitlines() if line.startswith("blacklake_audit_dropped_total"))
    return float(line.split()[1])


async def test_a_buffer_keeps_what_could_not_be_written(database: Database, sql: Sql) -> None:
    unopened = Database(database._url, size=1, timeout=1)
    buffer = EventBuffer(unopened)
    buffer.add(pull("kept"))
    with pytest.raises(Unavailable):
        await buffer.flush()
    await unopened.open()
    await buffer.flush()
    await unopened.close()
    assert await recorded(sql) == [("alice", "pull", "kept")]


async def test_a_buffer_that_fills_is_written_before_its_time(database: Database) -> None:
    buffer = EventBuffer(database, capacity=4)
    buffer.add(pull())
    await buffer.filling(3600)  # would hang
    await buffer.flush()
    buffer._filling.clear()
    await buffer.filling(0.01)
