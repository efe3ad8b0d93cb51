"""Jobs: background work on manifests, and what became of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName
from registry.core.access import EVERYONE, Caller, reach_of
from registry.core.pages import Page, page_of
from registry.db import jobs, outbox
from registry.db.jobs import BegunJob, JobRow
from registry.db.pool import Connection, Database
from registry.errors import JobUnknown

DESCRIBE: Final = "describe"
"""The kind of job that finds out what an artifact is (registry.core.extraction)."""

PUBLISH: Final = "publish"
"""The kind of job that publishes what was found out of an artifact (registry.core.publication)."""

DIGEST: Final = "digest"
"""The kind of job that digests the tensors of an artifact (registry.core.digests)."""

SCAN: Final = "scan"
"""The kind of job that has an artifact scanned (registry.core.scanning)."""

REPORT: Final = "report"
"""The kind of job that publishes what scanners say of an artifact (registry.core.reports)."""

KINDS: Final = (DESCRIBE, PUBLISH, DIGEST, SCAN, REPORT)
STATES: Final = ("queued", "running", "done", "failed")
MOST_ATTEMPTS: Final = 5
"""Attempts at a job; one that ends its worker counts, too."""

KEPT: Final = 7 * 86400.0
"""Seconds for which a finished job is told of."""

_BATCH: Final = 1000
_LONGEST_ERROR: Final = 1000  # characters


@dataclass(frozen=True, slots=True)
class Job:
    """A job as people see it; `total` are the bytes that are to be read for it, `progress` those that were."""

    id: int
    kind: str
    repository: RepositoryName
    digest: Digest
    state: str
    attempts: int
    total: int | None
    progress: int | None
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobTaken(Exception):
    """A job is not this attempt's any more: another worker has begun it, or it is gone with its repository."""


class Jobs:
    """What is told of jobs, and the steps that their workers take."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def find(self, job_id: int, caller: Caller = EVERYONE) -> Job:
        """Return a job on what the caller may pull. Raise JobUnknown."""
        row = await self._db.read("find_job", lambda conn: jobs.find(conn, job_id, reach=reach_of(caller)))
        if row is None:
            raise JobUnknown(job_id)
        return _job(row)

    async def page(
        self,
        *,
        before: int | None,
        limit: int,
        state: str | None = None,
        repository: RepositoryName | None = None,
        caller: Caller = EVERYONE,
    ) -> Page[Job]:
        """Return up to `limit` jobs on what the caller may pull, the newest first, those before the id `before`."""
        found = await self._db.read(
            "list_jobs",
            lambda conn: jobs.page(
                conn, before=before, state=state, repository=repository, limit=limit + 1, reach=reach_of(caller)
            ),
        )
        return page_of([_job(row) for row in found], limit, key=lambda job: str(job.id))

    async def begin(self, job_id: int) -> BegunJob | None:
        """Count an attempt and return the job; None where there is nothing to do for it any more."""
        return await self._db.transaction("begin_job", lambda conn: jobs.begin(conn, job_id))

    async def tell(self, begun: BegunJob, *, total: int, progress: int) -> None:
        """Tell how far a job is, in bytes."""
        await self._db.statement("tell_job", lambda conn: jobs.tell(conn, begun, total=total, progress=progress))

    async def finish(self, conn: Connection, begun: BegunJob) -> None:
        """Finish a job in the transaction that keeps its result: what is asked for after it makes a new one.

        What was asked for since the job began is asked for again, beginning with the description, which leads to all else.
        Raise JobTaken: another keeps a result that may be newer.
        """
        await _ask_again(conn, begun, await jobs.done(conn, begun))

    async def fail(self, begun: BegunJob, error: str) -> None:
        """Finish a job that is not tried again, and say why; what was asked for since is asked for again. Raise JobTaken."""
        error = error[:_LONGEST_ERROR]

        async def note(conn: Connection) -> None:
            await _ask_again(conn, begun, await jobs.failed(conn, begun, error))

        await self._db.transaction("fail_job", note)

    async def again(self, begun: BegunJob, error: str) -> None:
        """Let a job wait for its next attempt, and say why this one failed. Raise JobTaken."""
        error = error[:_LONGEST_ERROR]
        await self._noted("repeat_job", lambda conn: jobs.again(conn, begun, error))

    async def back(self, begun: BegunJob) -> None:
        """Let a job wait for another worker, since this one ends. Raise JobTaken."""
        await self._noted("give_job_back", lambda conn: jobs.back(conn, begun))

    async def forget(self) -> int:
        """Forget jobs that were finished long ago, up to a batch of them; return how many."""
        return await self._db.transaction("forget_jobs", lambda conn: jobs.forget(conn, after=KEPT, limit=_BATCH))

    async def unfinished(self) -> dict[tuple[str, str], int]:
        """Return how many jobs are queued and running, by kind and state."""
        counted = await self._db.read("count_jobs", jobs.unfinished)
        return {(kind, state): counted.get((kind, state), 0) for kind in KINDS for state in ("queued", "running")}

    async def _noted(self, name: str, note: Callable[[Connection], Awaitable[bool]]) -> None:
        if not await self._db.statement(name, note):
            raise JobTaken


async def _ask_again(conn: Connection, begun: BegunJob, is_asked_again: bool | None) -> None:
    if is_asked_again is None:
        raise JobTaken
    if is_asked_again:
        await outbox.add(conn, outbox.DESCRIPTION_ASKED, repository_id=begun.repository_id, digest=begun.digest)


def _job(row: JobRow) -> Job:
    return Job(row.id, row.kind, RepositoryName(row.repository), Digest.from_bytes(row.digest), *row[4:])
