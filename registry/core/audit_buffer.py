"""Events of what changes nothing, such as pulls: kept in memory for a moment and written together.

Whoever pulls the same thing again meanwhile, as clients do that read a blob range by range, adds to the event that is there.

Of a process that dies, those of the last second are lost; of one whose connection is lost while it commits, some may be
recorded twice. Nobody waits for the buffer: when it is full, events are dropped, and how many they were is an event of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

from registry import metrics
from registry.core.access import Caller, Credential, CredentialKind
from registry.core.audit import REGISTRY, Action, Actor, Event, Outcome, row_of
from registry.db import audit
from registry.db.audit import EventRow
from registry.db.pool import Database

CAPACITY: Final = 16_384
"""Events of a process: some 16 MiB."""

_TOGETHER: Final = 1000  # events of one statement
_REQUESTS: Final = 3500  # bytes of the names of requests in one event of pulls: its detail has room for them

# Who pulls (id, name and credential), from which address, and what; made with each pull, and a plain tuple is made fastest.
_Pulls = tuple[int | None, str, Credential | None, str, str]


@dataclass(slots=True)
class _Requests:
    """The requests in which that happens, since when, and how many bytes their names have beside the first."""

    at: datetime
    ids: list[str]
    size: int = 0


class EventBuffer:
    """Bounded. `add` never waits."""

    def __init__(self, db: Database, *, capacity: int = CAPACITY) -> None:
        self._db = db
        self._capacity = capacity
        self._rows: list[EventRow] = []
        self._pulls: dict[_Pulls, _Requests] = {}
        self._pulled = 0
        self._dropped = 0
        self.has_ended = False
        self._filling = asyncio.Event()
        self._writing = asyncio.Lock()

    def add(self, event: Event) -> None:
        """Keep an event until it is written; drop it where there is no room."""
        if self._has_room():
            self._rows.append(row_of(event))

    def add_pull(self, caller: Caller, target: str, *, address: str, request_id: str) -> None:
        """Keep the event of a pull, one for all of the same; drop it where there is no room."""
        if not self._has_room():
            return
        key = (caller.principal_id, caller.name, caller.credential, address, target)
        found = self._pulls.get(key)
        if found is not None and found.size + len(request_id) <= _REQUESTS:
            found.ids.append(request_id)
            found.size += len(request_id) + len('"",')
        else:
            if found is not None:
                self._rows.append(_row_of_pulls(key, found))
            self._pulls[key] = _Requests(datetime.now(UTC), [request_id])
        self._pulled += 1

    def _has_room(self) -> bool:
        kept = len(self._rows) + self._pulled
        if (kept + 1) * 4 >= self._capacity:
            self._filling.set()
        if kept >= self._capacity:
            self.drop()
            return False
        return True

    def drop(self) -> None:
        """Count an event that is not kept."""
        self._dropped += 1
        metrics.count_audit_dropped()

    async def filling(self, seconds: float) -> None:
        """Wait for `seconds`, less where many events come."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._filling.wait(), seconds)
        self._filling.clear()

    def end(self) -> None:
        """Tell who writes what is kept that no more will come."""
        self.has_ended = True
        self._filling.set()

    async def flush(self) -> None:
        """Write what is kept. Raise Unavailable; all that isn't written is kept then.

        Don't cancel it: of a statement that is cut off nobody knows whether it was done, and it would be done again.
        """
        async with self._writing:
            self._rows += [_row_of_pulls(key, requests) for key, requests in self._pulls.items()]
            self._pulls.clear()
            self._pulled = 0
            while self._rows or self._dropped:
                rows, dropped = self._rows[:_TOGETHER], self._dropped
                batch = [*rows, _drop(dropped)] if dropped else rows
                await self._db.statement("write_audit", partial(audit.add_many, events=batch))
                del self._rows[: len(rows)]
                self._dropped -= dropped


def _row_of_pulls(pulls: _Pulls, requests: _Requests) -> EventRow:
    principal_id, principal, credential, address, target = pulls
    kind, credential_id = credential or Credential(CredentialKind.NONE)
    first, *more = requests.ids
    actor = Actor(principal_id, principal, kind, credential_id, address, first)
    detail = {"requests": more} if more else {}
    return row_of(Event(actor, Action.PULL, target, detail=detail, at=requests.at))


def _drop(count: int) -> EventRow:
    return row_of(Event(REGISTRY, Action.AUDIT_DROP, "events", Outcome.FAILED, {"dropped": count}))
