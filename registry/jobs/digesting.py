"""The job that digests the tensors of an artifact (registry.core.digests)."""

from __future__ import annotations

from registry.core.digests import Digests
from registry.core.jobs import Jobs
from registry.db.jobs import BegunJob
from registry.jobs.telling import telling
from registry.jobs.working import Verb


def digesting(digests: Digests, jobs: Jobs) -> Verb:
    """Return what does such jobs."""

    async def digest(begun: BegunJob) -> None:
        await digests.fill(
            begun.repository_id,
            begun.digest,
            tell=telling(jobs, begun),
            also=lambda conn: jobs.finish(conn, begun),
        )

    return digest
