"""Events of the audit log: written into an inbox by whoever commits, numbered when they are sealed, read by filters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from registry.db.pool import Connection


class EventRow(NamedTuple):
    """What is recorded of an event."""

    at: datetime
    principal_id: int | None
    principal: str
    credential_kind: str
    credential_id: str | None
    address: str | None
    request_id: str | None
    action: str
    target: str
    outcome: str
    detail: str


class SealedRow(NamedTuple):
    """An event and its number in the chain; numbers begin at 1 and have no gaps."""

    sequence: int
    event: EventRow


class WaitingRow(NamedTuple):
    """An event that is not sealed yet, and its place in the inbox; places begin at 1 and may have gaps."""

    place: int
    event: EventRow


class EventFilter(NamedTuple):
    """Which events are asked for: those that fit all that is not None. `until` is exclusive."""

    principal: str | None = None
    action: str | None = None
    target_prefix: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Tail(NamedTuple):
    """Events that are not sealed yet: how many, and when the oldest of them was."""

    events: int
    since: datetime | None


_COLUMNS: Final = """
at, principal_id, principal, credential_kind, credential_id, address, request_id, action, target, outcome, detail
"""
_ADD: Final = f"INSERT INTO audit_inbox ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
_ADD_MANY: Final = f"""
INSERT INTO audit_inbox ({_COLUMNS})
SELECT * FROM unnest($1::timestamptz[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::text[], $10::text[], $11::text[])
"""
# By index: the table may have many pages of events that were moved.
_FIRST: Final = "SELECT id FROM audit_inbox ORDER BY id LIMIT 1"
# An event that becomes visible after one with a larger id is in a later batch, hence has a larger number. An ARRAY is looked
# up by index, however empty the statistics say that the inbox is.
_MOVE: Final = f"""
WITH moved AS (
    DELETE FROM audit_inbox WHERE id = ANY(ARRAY(SELECT id FROM audit_inbox ORDER BY id LIMIT $2))
    RETURNING id, {_COLUMNS}
)
INSERT INTO audit_events (sequence, {_COLUMNS})
SELECT $1::bigint + row_number() OVER (ORDER BY id), {_COLUMNS} FROM moved
RETURNING sequence, {_COLUMNS}
"""
_FITS: Final = """
($1::text IS NULL OR principal = $1) AND ($2::text IS NULL OR action = $2)
AND ($3::text IS NULL OR starts_with(target, $3)) AND ($4::text IS NULL OR outcome = $4)
AND ($5::timestamptz IS NULL OR at >= $5) AND ($6::timestamptz IS NULL OR at < $6)
"""
_NEWEST: Final = f"""
SELECT sequence, {_COLUMNS} FROM audit_events
WHERE {_FITS} AND ($7::bigint IS NULL OR sequence < $7) ORDER BY sequence DESC LIMIT $8
"""
_OLDEST: Final = f"""
SELECT sequence, {_COLUMNS} FROM audit_events
WHERE {_FITS} AND sequence > $7::bigint AND sequence <= $8::bigint ORDER BY sequence LIMIT $9
"""
_WAITING: Final = f"""
SELECT id, {_COLUMNS} FROM audit_inbox
WHERE {_FITS} AND ($7::bigint IS NULL OR id < $7) ORDER BY id DESC LIMIT $8
"""
_TAIL: Final = "SELECT count(*), min(at) FROM audit_inbox"
_SPAN: Final = f"""
SELECT sequence, {_COLUMNS} FROM audit_events
WHERE sequence > $1::bigint AND sequence <= $2::bigint ORDER BY sequence LIMIT $3
"""
_FORGET: Final = """
WITH gone AS (DELETE FROM audit_events WHERE sequence > $1 AND sequence <= $2 RETURNING sequence) SELECT count(*) FROM gone
"""


async def add(conn: Connection, events: Sequence[EventRow]) -> None:
    """Write events into the inbox: for one or two, which is what a change has, the cheapest way."""
    await conn.executemany(_ADD, events)


async def add_many(conn: Connection, events: Sequence[EventRow]) -> None:
    """Write events into the inbox in a single statement."""
    await conn.execute(_ADD_MANY, *(list(column) for column in zip(*events, strict=True)))


async def is_waiting(conn: Connection) -> bool:
    """Say whether there are events that are not sealed yet."""
    return await conn.fetchval(_FIRST) is not None


async def move(conn: Connection, *, after: int, limit: int) -> list[SealedRow]:
    """Give numbers to up to `limit` events of the inbox, from `after` + 1 on, and return them in that order."""
    return sorted((_sealed(tuple(row)) for row in await conn.fetch(_MOVE, after, limit)), key=lambda row: row.sequence)


async def newest(conn: Connection, which: EventFilter, *, before: int | None, limit: int) -> list[SealedRow]:
    """Return sealed events, the newest first, that were numbered below `before`."""
    return [_sealed(tuple(row)) for row in await conn.fetch(_NEWEST, *which, before, limit)]


async def oldest(conn: Connection, which: EventFilter, *, after: int, last: int, limit: int) -> list[SealedRow]:
    """Return sealed events, the oldest first, with numbers above `after` and up to `last`."""
    return [_sealed(tuple(row)) for row in await conn.fetch(_OLDEST, *which, after, last, limit)]


async def waiting(conn: Connection, which: EventFilter, *, before: int | None, limit: int) -> list[WaitingRow]:
    """Return events that are not sealed yet, the newest first, whose place is below `before`."""
    return [WaitingRow(row[0], EventRow(*row[1:])) for row in await conn.fetch(_WAITING, *which, before, limit)]


async def tail(conn: Connection) -> Tail:
    """Return what is not sealed yet."""
    row = await conn.fetchrow(_TAIL)
    assert row is not None
    return Tail(*row)


async def span(conn: Connection, *, after: int, last: int, limit: int) -> list[SealedRow]:
    """Return the first `limit` sealed events with numbers above `after` and up to `last`."""
    return [_sealed(tuple(row)) for row in await conn.fetch(_SPAN, after, last, limit)]


async def forget(conn: Connection, *, after: int, last: int) -> int:
    """Delete the sealed events with numbers above `after` and up to `last`; return how many there were."""
    count: int = await conn.fetchval(_FORGET, after, last)
    return count


def _sealed(row: Sequence[Any]) -> SealedRow:
    sequence, *event = row
    return SealedRow(sequence, EventRow(*event))
