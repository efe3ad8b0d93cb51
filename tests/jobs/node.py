"""A worker in a process of its own, which says that it has begun and then hangs, until it is killed."""

from __future__ import annotations

import asyncio
import os
import sys

from registry.core.jobs import DESCRIBE, Jobs
from registry.db.jobs import BegunJob
from registry.db.pool import Database
from registry.jobs.working import Worker


async def main(url: str) -> None:
    db = Database(url, size=4, timeout=10)
    await db.open()

    async def hang(_begun: BegunJob) -> None:
        os.write(1, b"begun\n")
        await asyncio.Event().wait()

    await Worker(db, Jobs(db), {DESCRIBE: hang}, heartbeat=2).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
