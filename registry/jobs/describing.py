"""The job that describes an artifact (registry.core.extraction)."""

from __future__ import annotations

import time
from typing import Final

from registry.core.extraction import Extraction
from registry.core.jobs import Jobs
from registry.core.publication import Publication
from registry.db.jobs import BegunJob
from registry.db.pool import Connection
from registry.jobs.working import Verb

_INTERVAL: Final = 1.0  # seconds between words of progress


def describing(extraction: Extraction, publication: Publication, jobs: Jobs) -> Verb:
    """Return what does such jobs."""

    async def describe(job_id: int, begun: BegunJob) -> None:
        told = time.monotonic()

        async def tell(total: int, progress: int) -> None:
            nonlocal told
            if time.monotonic() - told >= _INTERVAL:
                told = time.monotonic()
                await jobs.tell(job_id, total=total, progress=progress)

        async def also(conn: Connection) -> None:
            await publication.ask(conn, begun.repository_id, begun.digest)
            await jobs.finish(conn, job_id)

        await extraction.describe(begun.repository_id, begun.digest, tell=tell, also=also)

    return describe
