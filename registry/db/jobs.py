"""Jobs as people see them: what is to be done with which manifest, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from registry.db.pool import Connection
from registry.db.reaching import REACHED, SEEN_BY_REACHED, Reach


class NewJob(NamedTuple):
    """Work of a kind on a manifest; `digest` as Digest.to_bytes."""

    kind: str
    repository_id: int
    digest: bytes


class BegunJob(NamedTuple):
    """A job at its attempt of the number `attempts`, the first being 1.

    Whoever has begun it may go on with it until another begins it: the number is then greater.
    """

    id: int
    kind: str
    repository_id: int
    digest: bytes
    attempts: int


class JobRow(NamedTuple):
    """A job and the name of its repository; `total` and `progress` in bytes."""

    id: int
    kind: str
    repository: str
    digest: bytes
    state: str
    attempts: int
    total: int | None
    progress: int | None
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


# In the order of kinds, since rows that are there are locked: so does whoever adds one by one.
_ADD: Final = """
WITH asked AS (
    INSERT INTO jobs (kind, repository_id, digest)
    SELECT DISTINCT kind, r.id, digest
    FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS new(kind, repository_id, digest)
    JOIN repositories r ON r.id = new.repository_id
    ORDER BY kind, r.id, digest
    ON CONFLICT (kind, repository_id, digest) WHERE state IN ('queued', 'running')
        DO UPDATE SET is_asked_again = true WHERE jobs.state = 'running'
    RETURNING id, kind, is_asked_again
)
SELECT id, kind FROM asked WHERE NOT is_asked_again ORDER BY id
"""
_BEGIN: Final = """
UPDATE jobs SET state = 'running', attempts = attempts + 1, total = NULL, progress = NULL, started_at = now(),
    is_asked_again = false
WHERE id = $1 AND state IN ('queued', 'running')
RETURNING id, kind, repository_id, digest, attempts
"""
_HELD: Final = "WHERE id = $1 AND attempts = $2 AND state = 'running'"
_TELL: Final = f"UPDATE jobs SET total = $3, progress = $4 {_HELD}"
_DONE: Final = f"""
UPDATE jobs SET state = 'done', error = NULL, progress = total, finished_at = now() {_HELD} RETURNING is_asked_again
"""
_FAILED: Final = f"UPDATE jobs SET state = 'failed', error = $3, finished_at = now() {_HELD} RETURNING is_asked_again"
_AGAIN: Final = f"UPDATE jobs SET state = 'queued', error = $3 {_HELD}"
_BACK: Final = f"UPDATE jobs SET state = 'queued', attempts = attempts - 1 {_HELD}"
_FORGET: Final = """
DELETE FROM jobs WHERE id = ANY(ARRAY(
    SELECT id FROM jobs WHERE finished_at < now() - make_interval(secs => $1) ORDER BY finished_at LIMIT $2
    FOR UPDATE SKIP LOCKED))
"""
# PgQueuer strikes a job off whose next attempt it can't note down, because the database has just gone away.
_LOST: Final = """
SELECT j.id, j.kind FROM jobs j
WHERE j.state IN ('queued', 'running') AND j.created_at < now() - interval '1 minute'
    AND NOT EXISTS (
        SELECT FROM pgqueuer q
        WHERE q.dedupe_key = j.id::text AND q.status = ANY (ARRAY['queued'::pgqueuer_status, 'picked'::pgqueuer_status]))
LIMIT $1 FOR UPDATE OF j SKIP LOCKED
"""
_UNFINISHED: Final = """
SELECT kind, state, count(*) FROM jobs WHERE state IN ('queued', 'running') GROUP BY kind, state
"""
_COLUMNS: Final = """
j.id, j.kind, r.name, j.digest, j.state, j.attempts, j.total, j.progress, j.error, j.created_at, j.started_at, j.finished_at
"""
_FIND: Final = f"""
WITH {REACHED}
SELECT {_COLUMNS} FROM (SELECT * FROM jobs WHERE id = $4 OFFSET 0) j
JOIN LATERAL (SELECT name FROM repositories WHERE id = j.repository_id OFFSET 0) r ON {SEEN_BY_REACHED}
"""


def _page_of_jobs(condition: str = "") -> str:
    return f"""
    WITH {REACHED}
    SELECT {_COLUMNS} FROM jobs j
    JOIN LATERAL (SELECT name FROM repositories WHERE id = j.repository_id OFFSET 0) r ON {SEEN_BY_REACHED}
    WHERE j.id < coalesce($4::bigint, 9223372036854775807) AND j.state = coalesce($5::text, j.state){condition}
    ORDER BY j.id DESC LIMIT $6
    """


_PAGE: Final = _page_of_jobs()
# A statement of its own: a plan that serves both can't go by the index of a repository's jobs.
_PAGE_OF_REPOSITORY: Final = _page_of_jobs(" AND j.repository_id = (SELECT id FROM repositories WHERE name = $7)")


async def add(conn: Connection, new: Sequence[NewJob]) -> list[tuple[int, str]]:
    """Add jobs, but for those that are there and unfinished; return (id, kind) of the added ones.

    One that is running is noted as asked for again: it may have read what has changed since.
    """
    columns = [list(column) for column in zip(*new, strict=True)] or [[], [], []]
    return [(row["id"], row["kind"]) for row in await conn.fetch(_ADD, *columns)]


async def begin(conn: Connection, job_id: int) -> BegunJob | None:
    """Count an attempt and return the job; None where it is finished, or gone with its repository."""
    row = await conn.fetchrow(_BEGIN, job_id)
    return BegunJob(*row) if row is not None else None


async def tell(conn: Connection, begun: BegunJob, *, total: int, progress: int) -> None:
    """Tell how many bytes are to be read for a job, and how many were."""
    await conn.execute(_TELL, begun.id, begun.attempts, total, progress)


async def done(conn: Connection, begun: BegunJob) -> bool | None:
    """Finish a job that has succeeded; return whether it was asked for again while it ran, None where it is another's."""
    found: bool | None = await conn.fetchval(_DONE, begun.id, begun.attempts)
    return found


async def failed(conn: Connection, begun: BegunJob, error: str) -> bool | None:
    """Finish a job that is not tried again; return what `done` does."""
    found: bool | None = await conn.fetchval(_FAILED, begun.id, begun.attempts, error)
    return found


async def again(conn: Connection, begun: BegunJob, error: str) -> bool:
    """Let a job wait for its next attempt; `error` says what became of this one. Return False where it is another's."""
    return await conn.execute(_AGAIN, begun.id, begun.attempts, error) == "UPDATE 1"


async def back(conn: Connection, begun: BegunJob) -> bool:
    """Let a job wait whose worker ends; what it had begun was no attempt. Return False where it is another's."""
    return await conn.execute(_BACK, begun.id, begun.attempts) == "UPDATE 1"


async def forget(conn: Connection, *, after: float, limit: int) -> int:
    """Forget jobs that were finished `after` seconds ago or earlier, up to `limit` of them; return how many."""
    return int((await conn.execute(_FORGET, after, limit)).rpartition(" ")[2])


async def lost(conn: Connection, *, limit: int) -> list[tuple[int, str]]:
    """Return (id, kind) of up to `limit` jobs that are to be done and not in the queue, locked until the transaction ends."""
    return [(row["id"], row["kind"]) for row in await conn.fetch(_LOST, limit)]


async def unfinished(conn: Connection) -> dict[tuple[str, str], int]:
    """Return how many jobs are not finished, by kind and state."""
    return {(row["kind"], row["state"]): row["count"] for row in await conn.fetch(_UNFINISHED)}


async def find(conn: Connection, job_id: int, *, reach: Reach) -> JobRow | None:
    """Return a job; None where there is none, or not for this asker."""
    row = await conn.fetchrow(_FIND, *reach, job_id)
    return JobRow(*row) if row is not None else None


async def page(
    conn: Connection, *, before: int | None, state: str | None, repository: str | None, limit: int, reach: Reach
) -> list[JobRow]:
    """Return up to `limit` jobs, the newest first, those before the id `before`, of a state and of a repository if given."""
    if repository is None:
        rows = await conn.fetch(_PAGE, *reach, before, state, limit)
    else:
        rows = await conn.fetch(_PAGE_OF_REPOSITORY, *reach, before, state, limit, repository)
    return [JobRow(*row) for row in rows]
