"""Sessions of browsers: rows of `sessions` that are found by the code of a cookie."""

from __future__ import annotations

from typing import Final, NamedTuple
from uuid import UUID

from registry.db.pool import Connection
from registry.db.sessions import Opener


class BrowserRow(NamedTuple):
    """Whose session a cookie is. `has_password`: he may log in by one."""

    id: UUID
    principal_id: int
    principal: str
    has_password: bool


# A lock, as for other sessions (registry.db.sessions).
_ADD: Final = """
INSERT INTO sessions (id, principal_id, service, client, cookie_code, expires_at, ends_at)
SELECT $1, id, $3, $4, $5, now() + least($6::float8, $7) * interval '1 second', now() + $7 * interval '1 second'
FROM principals WHERE id = $2 AND kind = 'user' AND disabled_at IS NULL AND ($8::bigint IS NULL OR rights_epoch = $8)
FOR SHARE
RETURNING 1
"""
# The time of the last use is true to a minute: a page costs no write each time.
_USE: Final = """
WITH found AS (
    SELECT s.id, p.id AS principal_id, p.name, p.password_hash IS NOT NULL AS has_password, s.used_at
    FROM sessions s JOIN principals p ON p.id = s.principal_id
    WHERE s.cookie_code = $1 AND s.revoked_at IS NULL AND s.expires_at > now() AND p.disabled_at IS NULL
), used AS (
    UPDATE sessions SET used_at = now(), expires_at = least(now() + $2::float8 * interval '1 second', ends_at)
    WHERE id IN (SELECT id FROM found WHERE used_at < now() - interval '1 minute')
)
SELECT id, principal_id, name, has_password FROM found
"""


async def add(
    conn: Connection,
    session: UUID,
    code: bytes,
    *,
    by: Opener,
    service: str,
    client: str,
    idle: float,
    longest: float,
) -> bool:
    """Record a session, which ends after `idle` seconds without use and after `longest`; False where the opener is no user."""
    return (
        await conn.fetchval(_ADD, session, by.principal_id, service, client, code, idle, longest, by.epoch) is not None
    )


async def use(conn: Connection, code: bytes, *, idle: float) -> BrowserRow | None:
    """Return whose session has a code, and note the use; None where it has ended, or never was."""
    row = await conn.fetchrow(_USE, code, idle)
    return BrowserRow(*row) if row is not None else None
