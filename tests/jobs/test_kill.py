"""`kill -9` of a worker in the middle of a job: another one does it, and the attempt is counted."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import asyncpg

from registry.core.outbox import Outbox
from registry.core.services import Services
from registry.db.jobs import BegunJob
from registry.db.pool import Database
from registry.db.queue import enqueue
from tests.core.support import image, push_blob, push_manifest
from tests.jobs.support import eventually, finishing, working

ROOT = Path(__file__).parents[2]


def node(url: str) -> subprocess.Popen[bytes]:
    """Start a worker in a process of its own."""
    command = [sys.executable, "-m", "tests.jobs.node", url]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE)


async def test_another_worker_takes_what_a_killed_one_was_doing(
    services: Services, database: Database, database_url: str, sql: asyncpg.Connection
) -> None:
    done: list[int] = []

    async def do(begun: BegunJob) -> None:
        done.append(begun.attempts)

    async def is_done() -> bool:
        return bool(await sql.fetchval("SELECT state = 'done' FROM jobs"))

    await push_manifest(services, image(await push_blob(services, b"{}")))
    await Outbox(database, enqueue).relay()
    with node(database_url) as process:
        try:
            assert process.stdout is not None
            assert await asyncio.to_thread(process.stdout.readline) == b"begun\n"
            async with working(database, finishing(database, do), heartbeat=2):
                await asyncio.sleep(3)
                assert done == []  # its worker lives and says so
                process.kill()
                await eventually(is_done)
        finally:
            process.kill()
    assert done == [2]
