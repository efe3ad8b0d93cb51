"""The relay: what the outbox holds becomes jobs (DESIGN, decision 14)."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Final, Protocol

from registry.core.jobs import DESCRIBE, DIGEST
from registry.db import jobs, outbox
from registry.db.jobs import NewJob
from registry.db.pool import Connection, Database

BATCH: Final = 200
"""Rows that are taken at a time: where so many were found, there may be more."""

# The kind of job that follows what has happened, and how urgent it is. What a newer node tells is left to it.
_FOLLOWING: Final = {
    outbox.MANIFEST_PUSHED: (DESCRIBE, 1),
    outbox.DESCRIPTION_ASKED: (DESCRIBE, 0),  # of what was described before: what was pushed just now goes first
    outbox.DIGESTS_ASKED: (DIGEST, 0),
}


class Enqueue(Protocol):
    """Puts jobs, by id and kind, into the queue, in the transaction of the connection (registry.db.queue)."""

    def __call__(self, conn: Connection, added: Sequence[tuple[int, str]], *, priority: int) -> Awaitable[None]:
        """Put them."""


class Outbox:
    """Any number of processes may relay at once: each takes rows that no other has taken."""

    def __init__(self, db: Database, enqueue: Enqueue) -> None:
        self._db = db
        self._enqueue = enqueue

    async def relay(self) -> int:
        """Make jobs of up to a batch of rows, each once while it is unfinished; return how many rows that were."""
        return await self._db.transaction("relay_outbox", self._relay)

    async def restore(self) -> int:
        """Put those jobs into the queue again that it has lost: its answer to a database that went away. Return how many."""

        async def put(conn: Connection) -> int:
            lost = await jobs.lost(conn, limit=BATCH)
            await self._enqueue(conn, lost, priority=0)
            return len(lost)

        return await self._db.transaction("restore_jobs", put)

    async def _relay(self, conn: Connection) -> int:
        rows = await outbox.take(conn, _FOLLOWING, limit=BATCH)
        by_priority: dict[int, list[NewJob]] = {}
        for row in rows:
            kind, priority = _FOLLOWING[row.kind]
            by_priority.setdefault(priority, []).append(NewJob(kind, row.repository_id, row.digest))
        for priority, new in by_priority.items():
            await self._enqueue(conn, await jobs.add(conn, new), priority=priority)
        return len(rows)
