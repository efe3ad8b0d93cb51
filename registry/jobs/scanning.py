"""The job that has an artifact scanned (registry.core.scanning)."""

from __future__ import annotations

from registry.core.jobs import Jobs
from registry.core.scanning import Scanning
from registry.db.jobs import BegunJob
from registry.jobs.working import Verb


def scanning(scans: Scanning, jobs: Jobs) -> Verb:
    """Return what does such jobs."""

    async def scan(begun: BegunJob) -> None:
        await scans.scan(begun, also=lambda conn: jobs.finish(conn, begun))

    return scan
