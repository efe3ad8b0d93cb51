"""Workers of the queue in this process, and what they do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg

from registry.core.jobs import DESCRIBE, Jobs
from registry.core.outbox import Outbox
from registry.db.jobs import BegunJob
from registry.db.pool import Database
from registry.db.queue import enqueue
from registry.jobs.working import HEARTBEAT, Verb, Worker

PATIENCE = 30.0  # seconds after which what should happen is taken for not happening


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - another process may make it true
            await asyncio.sleep(0.02)


async def someone_waits(sql: asyncpg.Connection) -> bool:
    """Say whether anything of this database server waits for a lock."""
    return bool(await sql.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"))


def finishing(db: Database, work: Callable[[BegunJob], Awaitable[None]]) -> Verb:
    """Return a verb that does `work` and finishes the job."""
    jobs = Jobs(db)

    async def do(begun: BegunJob) -> None:
        await work(begun)
        await db.transaction("finish", lambda conn: jobs.finish(conn, begun))

    return do


@contextlib.asynccontextmanager
async def working(db: Database, verb: Verb, *, heartbeat: float = HEARTBEAT) -> AsyncIterator[Worker]:
    """Let a worker do what is in the outbox now, and whatever comes into the queue as long as the block lasts."""
    worker = Worker(db, Jobs(db), {DESCRIBE: verb}, heartbeat=heartbeat)
    await Outbox(db, enqueue).relay()
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.leave()
        async with asyncio.timeout(PATIENCE):
            await running
