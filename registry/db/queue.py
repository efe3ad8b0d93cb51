"""PgQueuer's queue on our own connections (docs/decisions/0009): who does which job when.

PgQueuer wakes its workers by LISTEN and NOTIFY. We have neither: NOTIFY takes a lock of the whole instance at commit, and
LISTEN needs a session of its own, which a pooler doesn't give. Workers poll, and what is enqueued in a process wakes its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Self

from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.tm import TaskManager
from pgqueuer.domain.models import TableChangedEvent
from pgqueuer.domain.settings import DBSettings
from pgqueuer.domain.types import Channel
from pgqueuer.ports.driver import Driver

from registry.db.pool import Connection, Database

_FORGET_LOG: Final = """
DELETE FROM pgqueuer_log WHERE id = ANY(ARRAY(
    SELECT id FROM pgqueuer_log WHERE created < now() - make_interval(secs => $1) ORDER BY created LIMIT $2
    FOR UPDATE SKIP LOCKED))
"""
# Whatever the environment says: the names are those of our revision.
_NAMES: Final = DBSettings(
    prefix="",
    db_schema=None,
    channel=Channel("ch_pgqueuer"),
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    statistics_table="pgqueuer_statistics",
    schedules_table="pgqueuer_schedules",
    queue_status_type="pgqueuer_status",
)

Listener = Callable[[str | bytes | bytearray], None]


class QueueDriver(Driver):
    """PgQueuer's way to the database: each of its statements is one unit of work of ours, or runs on `conn`.

    Notifications stay in this process.
    """

    def __init__(self, db: Database | None = None, conn: Connection | None = None) -> None:
        self._db = db
        self._conn = conn
        self._listeners: list[Listener] = []
        self._shutdown = asyncio.Event()
        self._tasks = TaskManager()

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        """Return the rows of a statement. Raise Unavailable."""
        return [dict(row) for row in await self._run(lambda conn: conn.fetch(query, *args))]

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement and return PostgreSQL's word for what it did. Raise Unavailable."""
        return str(await self._run(lambda conn: conn.execute(query, *args)))

    async def notify(self, channel: str, payload: str) -> None:
        """Tell the listeners of this process."""
        del channel
        for listener in self._listeners:
            listener(payload)

    async def add_listener(self, channel: str, callback: Listener) -> None:
        """Let `callback` hear what is told in this process."""
        del channel
        self._listeners.append(callback)

    async def wake(self) -> None:
        """Have this process's worker look into the queue now."""
        event = TableChangedEvent(
            channel=_NAMES.channel,
            sent_at=datetime.now(UTC),
            type="table_changed_event",
            operation="insert",
            table=_NAMES.queue_table,
        )
        await self.notify(_NAMES.channel, event.model_dump_json())

    @property
    def shutdown(self) -> asyncio.Event:
        """See PgQueuer."""
        return self._shutdown

    @property
    def tm(self) -> TaskManager:
        """See PgQueuer."""
        return self._tasks

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listeners.clear()

    async def _run(self, work: Callable[[Connection], Any]) -> Any:
        if self._conn is not None:
            return await work(self._conn)
        assert self._db is not None
        return await self._db.statement("queue", work)


def queries(driver: QueueDriver) -> Queries:
    """Return PgQueuer's statements by a driver."""
    return Queries(driver, qbe=QueryBuilderEnvironment(_NAMES), qbq=QueryQueueBuilder(_NAMES))


async def enqueue(conn: Connection, added: Sequence[tuple[int, str]], *, priority: int) -> None:
    """Put jobs, by id and kind, into the queue; those of a higher priority come first."""
    if added:
        numbers = [str(job_id) for job_id, _ in added]
        await queries(QueueDriver(conn=conn)).enqueue(
            [kind for _, kind in added],
            [number.encode() for number in numbers],
            [priority] * len(added),
            dedupe_key=list(numbers),
            on_conflict="skip",
        )


async def forget_log(conn: Connection, *, after: float, limit: int) -> int:
    """Forget what PgQueuer has noted `after` seconds ago or earlier, up to `limit` rows; return how many."""
    return int((await conn.execute(_FORGET_LOG, after, limit)).rpartition(" ")[2])
