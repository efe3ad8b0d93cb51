"""Organisations, their teams, and what is granted below them. Each change raises the organisation's epoch."""

from __future__ import annotations

from typing import Final

from registry.db.pool import Connection

_ADD: Final = "INSERT INTO organisations (name) VALUES ($1) ON CONFLICT (name) DO NOTHING RETURNING id"
_FIND: Final = "SELECT id FROM organisations WHERE name = $1"
_FIND_TEAM: Final = "SELECT id FROM teams WHERE organisation_id = $1 AND name = $2"
_FIND_ROLE: Final = """
SELECT id FROM roles WHERE name = $2 AND (organisation_id = $1 OR organisation_id IS NULL)
ORDER BY organisation_id NULLS LAST LIMIT 1
"""
_RAISE: Final = "UPDATE organisations SET rights_epoch = nextval('rights_epochs') WHERE id = $1"
_GRANT: Final = """
INSERT INTO grants (organisation_id, principal_id, team_id, role_id, target, is_prefix) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING RETURNING id
"""
_REVOKE: Final = """
DELETE FROM grants
WHERE organisation_id = $1 AND principal_id IS NOT DISTINCT FROM $2 AND team_id IS NOT DISTINCT FROM $3
    AND role_id = $4 AND target = $5 AND is_prefix = $6
RETURNING id
"""


async def add(conn: Connection, name: str) -> int | None:
    """Record an organisation and return its id; None where there is one of this name."""
    found: int | None = await conn.fetchval(_ADD, name)
    return found


async def find(conn: Connection, name: str) -> int | None:
    """Return an organisation's id; None where there is none such."""
    found: int | None = await conn.fetchval(_FIND, name)
    return found


async def find_team(conn: Connection, name: str, *, organisation_id: int) -> int | None:
    """Return a team's id; None where the organisation has none such."""
    found: int | None = await conn.fetchval(_FIND_TEAM, organisation_id, name)
    return found


async def find_role(conn: Connection, name: str, *, organisation_id: int) -> int | None:
    """Return the id of a role, the organisation's own or a built-in one; None where there is none such."""
    found: int | None = await conn.fetchval(_FIND_ROLE, organisation_id, name)
    return found


async def grant(
    conn: Connection,
    *,
    organisation_id: int,
    principal_id: int | None,
    team_id: int | None,
    role_id: int,
    target: str,
    is_prefix: bool,
) -> bool:
    """Grant a role to a principal or a team; return False where that is granted already."""
    await conn.execute(_RAISE, organisation_id)
    return await conn.fetchval(_GRANT, organisation_id, principal_id, team_id, role_id, target, is_prefix) is not None


async def revoke(
    conn: Connection,
    *,
    organisation_id: int,
    principal_id: int | None,
    team_id: int | None,
    role_id: int,
    target: str,
    is_prefix: bool,
) -> bool:
    """Take a grant back; return False where there is none such."""
    await conn.execute(_RAISE, organisation_id)
    return await conn.fetchval(_REVOKE, organisation_id, principal_id, team_id, role_id, target, is_prefix) is not None
