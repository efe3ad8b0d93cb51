"""Which artifacts are in quarantine, from which severity on they get there, and who has released them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from registry.db.pool import Connection
from registry.db.reaching import REACHED, SEEN_BY_REACHED, Reach
from registry.db.rights import on, path_of


class QuarantineRow(NamedTuple):
    """An artifact that is in quarantine, or was: then with who has released it, when and why."""

    worst: str
    since: datetime
    released_at: datetime | None
    released_by: str | None
    reason: str | None
    known: list[bytes]


class ListedRow(NamedTuple):
    """An artifact in quarantine, or released from it; `digest` as Digest.to_bytes."""

    id: int
    repository: str
    digest: bytes
    worst: str
    since: datetime
    released_at: datetime | None
    released_by: str | None
    reason: str | None


class LevelRow(NamedTuple):
    """From which severity on artifacts of a target are put into quarantine, None: never; and when that was decided."""

    target: str
    is_prefix: bool
    level: str | None
    decided_at: datetime


_DECIDE: Final = """
INSERT INTO quarantine_levels (target, is_prefix, level) VALUES ($1, $2, $3)
ON CONFLICT (target, is_prefix) DO UPDATE SET level = EXCLUDED.level, decided_at = now()
"""
_LEVEL: Final = f"""
SELECT e.level FROM repositories r, quarantine_levels e WHERE r.id = $1 AND {on(path_of("r.name"))}
ORDER BY e.is_prefix, length(e.target) DESC LIMIT 1
"""
_LEVELS: Final = "SELECT target, is_prefix, level, decided_at FROM quarantine_levels ORDER BY target, is_prefix"
_FIND: Final = """
SELECT worst, since, released_at, released_by, reason, known FROM quarantines WHERE repository_id = $1 AND digest = $2
"""
_PUT: Final = """
INSERT INTO quarantines (repository_id, digest, worst) VALUES ($1, $2, $3)
ON CONFLICT (repository_id, digest) DO UPDATE SET worst = EXCLUDED.worst, released_at = NULL, released_by = NULL, reason = NULL,
    known = '{}', since = CASE WHEN quarantines.released_at IS NULL THEN quarantines.since ELSE now() END
"""
_REMOVE: Final = "DELETE FROM quarantines WHERE repository_id = $1 AND digest = $2"
_RELEASE: Final = """
UPDATE quarantines SET released_at = now(), released_by = $3, reason = $4, known = $5
WHERE repository_id = $1 AND digest = $2
"""
_SCANNED: Final = """
SELECT DISTINCT digest FROM scan_results WHERE repository_id = $1 AND digest > $2 ORDER BY digest LIMIT $3
"""


def _page(condition: str = "") -> str:
    return f"""
    WITH {REACHED}
    SELECT q.id, r.name, q.digest, q.worst, q.since, q.released_at, q.released_by, q.reason FROM quarantines q
    JOIN LATERAL (SELECT name FROM repositories WHERE id = q.repository_id OFFSET 0) r ON {SEEN_BY_REACHED}
    WHERE q.id < coalesce($4::bigint, 9223372036854775807){condition}
    ORDER BY q.id DESC LIMIT $5
    """


_PAGE: Final = _page()
# A statement of its own: a plan that serves both can't go by the index of a repository's.
_PAGE_OF_REPOSITORY: Final = _page(" AND q.repository_id = (SELECT id FROM repositories WHERE name = $6)")


async def decide(conn: Connection, target: str, *, is_prefix: bool, level: str | None) -> None:
    """Decide for a target, instead of what was decided for it before."""
    await conn.execute(_DECIDE, target, is_prefix, level)


async def level(conn: Connection, *, repository_id: int) -> str | None:
    """Return from which severity on: what is decided for a repository's path, else for the longest prefix, else never."""
    found: str | None = await conn.fetchval(_LEVEL, repository_id)
    return found


async def levels(conn: Connection) -> list[LevelRow]:
    """Return all that was decided, by target."""
    return [LevelRow(*row) for row in await conn.fetch(_LEVELS)]


async def find(conn: Connection, *, repository_id: int, digest: bytes) -> QuarantineRow | None:
    """Return an artifact's quarantine; None where it was never in one, or is no more."""
    row = await conn.fetchrow(_FIND, repository_id, digest)
    return QuarantineRow(*row) if row is not None else None


async def put(conn: Connection, worst: str, *, repository_id: int, digest: bytes) -> None:
    """Put an artifact into quarantine, also one that was released."""
    await conn.execute(_PUT, repository_id, digest, worst)


async def remove(conn: Connection, *, repository_id: int, digest: bytes) -> None:
    """Let go of an artifact in which there is nothing any more that was a reason."""
    await conn.execute(_REMOVE, repository_id, digest)


async def release(
    conn: Connection, by: str, reason: str, known: Sequence[bytes], *, repository_id: int, digest: bytes
) -> None:
    """Note who has released an artifact though there are these findings, and why."""
    await conn.execute(_RELEASE, repository_id, digest, by, reason, list(known))


async def scanned(conn: Connection, *, repository_id: int, after: bytes, limit: int) -> list[bytes]:
    """Return up to `limit` artifacts of a repository that were scanned, those after `after`."""
    return [row["digest"] for row in await conn.fetch(_SCANNED, repository_id, after, limit)]


async def page(
    conn: Connection, *, before: int | None, repository: str | None, limit: int, reach: Reach
) -> list[ListedRow]:
    """Return up to `limit` artifacts, the newest first, those before the id `before`, of a repository if given."""
    if repository is None:
        rows = await conn.fetch(_PAGE, *reach, before, limit)
    else:
        rows = await conn.fetch(_PAGE_OF_REPOSITORY, *reach, before, limit, repository)
    return [ListedRow(*row) for row in rows]
