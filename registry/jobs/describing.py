"""The job that describes an artifact (registry.core.extraction), and asks for what follows."""

from __future__ import annotations

from registry.core.digests import Digests
from registry.core.extraction import Extraction
from registry.core.jobs import Jobs
from registry.core.publication import Publication
from registry.core.scanning import Scanning
from registry.db.jobs import BegunJob
from registry.db.pool import Connection
from registry.jobs.telling import telling
from registry.jobs.working import Verb


def describing(
    extraction: Extraction, publication: Publication, digests: Digests, scanning: Scanning, jobs: Jobs
) -> Verb:
    """Return what does such jobs."""

    async def describe(begun: BegunJob) -> None:
        async def also(conn: Connection) -> None:
            # In the order of kinds, in which the relay locks jobs, too.
            await jobs.finish(conn, begun)
            await digests.ask(conn, begun.repository_id, begun.digest)
            await publication.ask(conn, begun.repository_id, begun.digest)
            await scanning.ask(conn, begun.repository_id, begun.digest)

        await extraction.describe(begun.repository_id, begun.digest, tell=telling(jobs, begun), also=also)

    return describe
