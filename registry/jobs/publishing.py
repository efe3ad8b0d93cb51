"""The job that publishes what was found out of an artifact (registry.core.publication)."""

from __future__ import annotations

from registry.core.jobs import Jobs
from registry.core.publication import Publication
from registry.db.jobs import BegunJob
from registry.jobs.working import Verb


def publishing(publication: Publication, jobs: Jobs) -> Verb:
    """Return what does such jobs."""

    async def publish(begun: BegunJob) -> None:
        await publication.publish(begun.repository_id, begun.digest, also=lambda conn: jobs.finish(conn, begun))

    return publish
