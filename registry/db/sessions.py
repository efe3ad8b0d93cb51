"""Sessions: families of refresh tokens. A row has a generation; what is shown of it is the caller's to check beforehand."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from registry.db.pool import Connection


class SessionRow(NamedTuple):
    """A session, of a browser or by refresh tokens, as its principal sees it; it ends at `expires_at` unless used before."""

    id: UUID
    client: str
    is_browser: bool
    created_at: datetime
    used_at: datetime
    expires_at: datetime


class Opener(NamedTuple):
    """Who begins a session; where `epoch` is given, only as long as it is the principal's."""

    principal_id: int
    epoch: int | None


class Presented(NamedTuple):
    """What a token of a session stands for. `is_reused`: a newer one was used before, and the session is revoked by that."""

    principal_id: int
    principal: str
    is_reused: bool


# A lock, so that who is just being disabled, or gets another password, has no new session, or one that ends with the others.
_ADD: Final = """
INSERT INTO sessions (id, principal_id, service, client, expires_at, ends_at)
SELECT $1, id, $3, $4, now() + least($5::float8, $6) * interval '1 second', now() + $6 * interval '1 second'
FROM principals WHERE id = $2 AND disabled_at IS NULL AND ($7::bigint IS NULL OR rights_epoch = $7) FOR SHARE
RETURNING 1
"""
# One statement, so that of two that come at once the second sees what the first has made of the row. Whoever gets no answer
# may ask again: the next generation is used by it, not used up.
_PRESENT: Final = """
UPDATE sessions s SET
    generation = greatest(s.generation, $2),
    used_at = CASE WHEN $2 >= s.generation THEN now() ELSE s.used_at END,
    expires_at = CASE
        WHEN $2 >= s.generation THEN least(now() + $4::float8 * interval '1 second', s.ends_at) ELSE s.expires_at
    END,
    revoked_at = CASE WHEN $2 < s.generation THEN now() END
FROM principals p
WHERE s.id = $1 AND s.service = $3 AND s.revoked_at IS NULL AND s.expires_at > now() AND $2 <= s.generation + 1
    AND s.cookie_code IS NULL AND p.id = s.principal_id AND p.disabled_at IS NULL
RETURNING p.id, p.name, s.revoked_at IS NOT NULL
"""
_LIST: Final = """
SELECT id, client, cookie_code IS NOT NULL, created_at, used_at, expires_at FROM sessions
WHERE principal_id = $1 AND revoked_at IS NULL AND expires_at > now()
ORDER BY used_at DESC, id LIMIT $2
"""
_REVOKE_ALL: Final = """
UPDATE sessions SET revoked_at = now() WHERE principal_id = $1 AND revoked_at IS NULL AND expires_at > now() RETURNING 1
"""
_REVOKE: Final = """
UPDATE sessions SET revoked_at = now()
WHERE id = $2 AND principal_id = $1 AND revoked_at IS NULL AND expires_at > now() RETURNING 1
"""
_END: Final = """
UPDATE sessions s SET revoked_at = now()
FROM principals p
WHERE s.id = $1 AND s.service = $2 AND s.revoked_at IS NULL AND s.expires_at > now() AND s.cookie_code IS NULL
    AND p.id = s.principal_id
RETURNING p.id, p.name, false
"""
# Those that somebody else is just ending are ended by him.
_END_OLDEST: Final = """
UPDATE sessions SET revoked_at = now() WHERE id IN (
    SELECT id FROM sessions WHERE principal_id = $1 AND revoked_at IS NULL AND expires_at > now()
    ORDER BY used_at DESC, id OFFSET $2 FOR UPDATE SKIP LOCKED
) RETURNING id
"""
# Also of revoked ones: until then it can be seen when that was.
_FORGET: Final = """
DELETE FROM sessions WHERE id = ANY(ARRAY(
    SELECT id FROM sessions WHERE expires_at <= now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
)) RETURNING 1
"""


async def add(
    conn: Connection, session: UUID, by: Opener, *, service: str, client: str, idle: float, longest: float
) -> bool:
    """Record a session, which ends after `idle` seconds without use and after `longest`; False where the opener is none."""
    return await conn.fetchval(_ADD, session, by.principal_id, service, client, idle, longest, by.epoch) is not None


async def end_oldest(conn: Connection, *, principal_id: int, most: int) -> list[UUID]:
    """End those of a principal's sessions that were used before its `most` last used ones; return which."""
    return [row["id"] for row in await conn.fetch(_END_OLDEST, principal_id, most)]


async def present(conn: Connection, session: UUID, *, generation: int, service: str, idle: float) -> Presented | None:
    """Use a session by the token of a generation; None where it has ended, or never was.

    The session's own generation may be used again and again, the next one moves it on, and an earlier one revokes it.
    """
    row = await conn.fetchrow(_PRESENT, session, generation, service, idle)
    return Presented(*row) if row is not None else None


async def listed(conn: Connection, *, principal_id: int, limit: int) -> list[SessionRow]:
    """Return the sessions of a principal, the last used first."""
    return [SessionRow(*row) for row in await conn.fetch(_LIST, principal_id, limit)]


async def revoke_all(conn: Connection, *, principal_id: int) -> int:
    """End all sessions of a principal; return how many."""
    return len(await conn.fetch(_REVOKE_ALL, principal_id))


async def revoke(conn: Connection, session: UUID, *, principal_id: int) -> bool:
    """End a session of a principal; return False where it has none such."""
    return await conn.fetchval(_REVOKE, principal_id, session) is not None


async def end(conn: Connection, session: UUID, *, service: str) -> Presented | None:
    """End a session of refresh tokens, and return whose it was; None where it has ended already, or never was."""
    row = await conn.fetchrow(_END, session, service)
    return Presented(*row) if row is not None else None


async def forget(conn: Connection, *, limit: int) -> int:
    """Delete up to `limit` sessions that have expired; return how many."""
    return len(await conn.fetch(_FORGET, limit))
