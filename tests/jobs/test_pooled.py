"""The queue behind pgbouncer in transaction mode: no session, no LISTEN, no NOTIFY."""

from __future__ import annotations

import asyncio

import asyncpg

from registry.compose.verbs import create_services
from registry.config import Settings
from registry.db.jobs import BegunJob
from registry.db.pool import Database
from registry.storage.memory import MemoryStore
from tests.core.support import image, push_blob, push_manifest
from tests.db.pgbouncer import pgbouncer
from tests.jobs.support import eventually, finishing, working

Sql = asyncpg.Connection


async def test_two_workers_behind_a_pooler_share_the_jobs(database_url: str, sql: Sql) -> None:
    done: list[bytes] = []

    async def do(begun: BegunJob) -> None:
        await asyncio.sleep(0.01)
        done.append(begun.digest)

    async def are_done() -> bool:
        return bool(await sql.fetchval("SELECT count(*) = 20 FROM jobs WHERE state = 'done'"))

    with pgbouncer(database_url) as url:
        pools = [Database(url, size=5, timeout=10, pooled=True) for _ in range(2)]
        for pool in pools:
            await pool.open()
        services = create_services(Settings(database_url=url), pools[0], MemoryStore())
        config = await push_blob(services, b"{}")
        for number in range(20):
            await push_manifest(services, image(config, note=str(number)), f"v{number}")
        async with working(pools[0], finishing(pools[0], do)), working(pools[1], finishing(pools[1], do)):
            await eventually(are_done)
        for pool in pools:
            await pool.close()
    assert len(done) == len(set(done)) == 20
    assert await sql.fetchval("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'pgqueuer'::regclass") == 0
