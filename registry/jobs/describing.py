"""The job that describes an artifact (registry.core.extraction)."""

from __future__ import annotations

import time
from typing import Final

from registry.core.extraction import Extraction
from registry.core.jobs import Jobs
from registry.db.jobs import BegunJob
from registry.jobs.working import Verb

_INTERVAL: Final = 1.0  # seconds between words of progress


def describing(extraction: Extraction, jobs: Jobs) -> Verb:
    """Return what does such jobs."""

    async def describe(job_id: int, begun: BegunJob) -> None:
        told = time.monotonic()

        async def tell(total: int, progress: int) -> None:
            nonlocal told
            if time.monotonic() - told >= _INTERVAL:
                told = time.monotonic()
                await jobs.tell(job_id, total=total, progress=progress)

        await extraction.describe(
            begun.repository_id, begun.digest, tell=tell, also=lambda conn: jobs.finish(conn, job_id)
        )

    return describe
