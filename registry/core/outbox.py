"""The relay: what the outbox holds becomes jobs (DESIGN, decision 14)."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Final, Protocol

from registry.core.jobs import DESCRIBE, DIGEST, SCAN
from registry.db import jobs, outbox
from registry.db.jobs import NewJob
from registry.db.pool import Connection, Database

BATCH: Final = 200
"""Rows that are taken at a time: where so many were found, there may be more."""

# By priority the kind of job that follows what has happened: what was pushed just now goes before what was described before.
# What a newer node tells is left to it.
_FOLLOWING: Final = {
    1: {outbox.MANIFEST_PUSHED: DESCRIBE},
    0: {outbox.DESCRIPTION_ASKED: DESCRIBE, outbox.DIGESTS_ASKED: DIGEST, outbox.SCANS_ASKED: SCAN},
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
        """Make jobs of up to a batch of rows of each priority, each once while it is unfinished; return of how many rows.

        Each priority has a transaction of its own, which locks jobs in the one order that all have (registry.db.jobs).
        """
        moved = 0
        for priority in _FOLLOWING:
            moved += await self._db.transaction("relay_outbox", partial(self._relay, priority=priority))
        return moved

    async def restore(self) -> int:
        """Put those jobs into the queue again that it has lost: its answer to a database that went away. Return how many."""

        async def put(conn: Connection) -> int:
            lost = await jobs.lost(conn, limit=BATCH)
            await self._enqueue(conn, lost, priority=0)
            return len(lost)

        return await self._db.transaction("restore_jobs", put)

    async def _relay(self, conn: Connection, *, priority: int) -> int:
        following = _FOLLOWING[priority]
        rows = await outbox.take(conn, following, limit=BATCH)
        new = [NewJob(following[row.kind], row.repository_id, row.digest) for row in rows]
        await self._enqueue(conn, await jobs.add(conn, new), priority=priority)
        return len(rows)
