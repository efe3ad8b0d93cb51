"""The audit log, read: page by page, or as a whole."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any, Final, NamedTuple

from registry.core.audit import Event, record
from registry.core.audit_chain import time_of
from registry.core.audit_sealing import position
from registry.db import audit
from registry.db.audit import EventFilter, EventRow, SealedRow
from registry.db.pool import Connection, Database

_TOGETHER: Final = 1000  # events of one query


class EventPage(NamedTuple):
    """Events, the newest first: those that are not sealed yet on the first pages only. `next_before` is None on the last."""

    waiting: list[EventRow]
    sealed: list[SealedRow]
    next_before: int | None


class AuditLog:
    """Reads what was recorded, damaged or not."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def page(self, which: EventFilter, *, before: int | None = None, limit: int) -> EventPage:
        """Return up to `limit` events that are not sealed yet, and as many sealed ones, as soon as there are no more of those.

        `before` is the number below which the sealed ones are; below zero it is the place of one that was not sealed, from
        which on all are returned, sealed by now or not. Begin without, and go on by `next_before`: what is sealed meanwhile
        may come twice, and nothing is left out.
        """
        number = before if before is None or before >= 0 else None
        place = -before if before is not None and before < 0 else None

        async def read(conn: Connection) -> EventPage:
            # In this order: what is sealed in between is in both, and not in neither.
            rows = await audit.waiting(conn, which, before=place, limit=limit + 1) if number is None else []
            waiting = [row.event for row in rows[:limit]]
            if len(rows) > limit:
                return EventPage(waiting, [], -rows[limit - 1].place)
            found = await audit.newest(conn, which, before=number, limit=limit + 1)
            more = len(found) > limit
            return EventPage(waiting, found[:limit], found[limit - 1].sequence if more else None)

        return await self._db.read("list_audit", read)

    async def export(self, which: EventFilter) -> AsyncGenerator[SealedRow, None]:
        """Yield the sealed events, the oldest first, up to the one that is the last now; some are held at a time."""
        after, last = 0, (await self._db.read("find_audit_end", position)).last_sequence

        async def read(conn: Connection) -> list[SealedRow]:
            return await audit.oldest(conn, which, after=after, last=last, limit=_TOGETHER)

        while rows := await self._db.read("export_audit", read):
            for row in rows:
                yield row
            after = rows[-1].sequence

    async def note(self, event: Event) -> None:
        """Record an event that comes with no change."""
        await self._db.statement("audit", lambda conn: record(conn, event))

    async def tail(self) -> audit.Tail:
        """Return what is not sealed yet."""
        return await self._db.read("find_audit_tail", audit.tail)


def as_json(event: EventRow, sequence: int | None) -> str:
    """Return an event as a line of JSON. It is ASCII without control characters, whatever a client has sent."""
    found: dict[str, Any] = {"sequence": sequence, **event._asdict()}
    found["at"] = time_of(event.at)
    try:
        found["detail"] = json.loads(event.detail)
    except ValueError:  # somebody has meddled
        found["detail"] = event.detail
    return json.dumps(found, separators=(",", ":"))
