"""The job that has an artifact scanned (registry.core.scanning)."""

from __future__ import annotations

from registry.core.jobs import Jobs
from registry.core.reports import Reports
from registry.core.scanning import Scanning
from registry.db.jobs import BegunJob
from registry.db.pool import Connection
from registry.jobs.working import Verb


def scanning(scans: Scanning, reports: Reports | None, jobs: Jobs) -> Verb:
    """Return what does such jobs, and asks for reports, where there is somebody who signs them."""

    async def scan(begun: BegunJob) -> None:
        async def report(conn: Connection) -> None:
            if reports is not None:
                await reports.ask(conn, begun.repository_id, begun.digest)

        async def also(conn: Connection) -> None:
            await jobs.finish(conn, begun)
            await report(conn)

        await scans.scan(begun, also=also, report=report)

    return scan
