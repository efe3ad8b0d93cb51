"""Events of what changes nothing, such as pulls: kept in memory for a moment and written together.

Of a process that dies, those of the last second are lost; of one whose connection is lost while it commits, some may be
recorded twice. Nobody waits for the buffer: when it is full, events are dropped, and how many they were is an event of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import Final

from registry import metrics
from registry.core.audit import REGISTRY, Action, Event, Outcome, row_of
from registry.db import audit
from registry.db.audit import EventRow
from registry.db.pool import Database

CAPACITY: Final = 16_384
"""Events of a process: some 16 MiB."""

_TOGETHER: Final = 1000  # events of one statement


class EventBuffer:
    """Bounded. `add` never waits."""

    def __init__(self, db: Database, *, capacity: int = CAPACITY) -> None:
        self._db = db
        self._capacity = capacity
        self._rows: list[EventRow] = []
        self._dropped = 0
        self._filling = asyncio.Event()
        self._writing = asyncio.Lock()

    def add(self, event: Event) -> None:
        """Keep an event until it is written; drop it where there is no room."""
        if len(self._rows) >= self._capacity:
            self.drop()
            return
        self._rows.append(row_of(event))
        if len(self._rows) * 4 >= self._capacity:
            self._filling.set()

    def drop(self) -> None:
        """Count an event that is not kept."""
        self._dropped += 1
        metrics.count_audit_dropped()

    async def filling(self, seconds: float) -> None:
        """Wait for `seconds`, less where many events come."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._filling.wait(), seconds)
        self._filling.clear()

    async def flush(self) -> None:
        """Write what is kept. Raise Unavailable; all that isn't written is kept then."""
        async with self._writing:
            while self._rows or self._dropped:
                rows, dropped = self._rows[:_TOGETHER], self._dropped
                batch = [*rows, _drop(dropped)] if dropped else rows
                await self._db.statement("write_audit", partial(audit.add_many, events=batch))
                del self._rows[: len(rows)]
                self._dropped -= dropped


def _drop(count: int) -> EventRow:
    return row_of(Event(REGISTRY, Action.AUDIT_DROP, "events", Outcome.FAILED, {"dropped": count}))
