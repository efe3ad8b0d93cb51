"""The job that publishes what scanners say of an artifact (registry.core.reports)."""

from __future__ import annotations

from registry.core.jobs import Jobs
from registry.core.reports import Reports
from registry.db.jobs import BegunJob
from registry.jobs.working import Verb


def reporting(reports: Reports, jobs: Jobs) -> Verb:
    """Return what does such jobs."""

    async def report(begun: BegunJob) -> None:
        await reports.publish(begun.repository_id, begun.digest, also=lambda conn: jobs.finish(conn, begun))

    return report
