"""Jobs: the background work on what the caller may pull, and what became of it."""

from __future__ import annotations

import dataclasses

from registry.core.jobs import Job
from registry.http.api.asked import Asked
from registry.http.api.job_models import JobFound, JobPaging
from registry.http.api.models import Page
from registry.http.api.reader_services import ReaderServices
from registry.http.api.route import Route
from registry.http.parse import name_of


async def found(services: ReaderServices, asked: Asked, query_args: JobPaging) -> Page[JobFound]:
    """List jobs on what one may pull, the newest first. Finished ones are forgotten after a week."""
    page = await services.jobs.page(
        before=query_args.after,
        limit=query_args.limit,
        state=query_args.state,
        repository=name_of(query_args.repository) if query_args.repository is not None else None,
        caller=asked.caller,
    )
    return Page(items=[_told(job) for job in page.items], next=page.next_after)


async def shown(services: ReaderServices, asked: Asked, job_id: int) -> JobFound:
    """Show a job on what one may pull."""
    return _told(await services.jobs.find(job_id, asked.caller))


def _told(job: Job) -> JobFound:
    return JobFound(**dataclasses.asdict(job) | {"digest": str(job.digest)})


ROUTES = (
    Route(
        method="GET",
        path="/jobs",
        handler=found,
        query=JobPaging,
        gives=Page[JobFound],
        is_for_readers=True,
    ),
    Route(
        method="GET",
        path="/jobs/<int:job_id>",
        handler=shown,
        gives=JobFound,
        is_for_readers=True,
    ),
)
