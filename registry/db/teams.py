"""Teams and their members. Whoever changes them has locked the organisation (registry.db.organisations)."""

from __future__ import annotations

from typing import Final

from registry.db.pool import Connection

_FIND: Final = "SELECT id FROM teams WHERE organisation_id = $1 AND name = $2"
_ADD: Final = """
INSERT INTO teams (organisation_id, name) VALUES ($1, $2) ON CONFLICT (organisation_id, name) DO NOTHING RETURNING id
"""
_DELETE: Final = "DELETE FROM teams WHERE organisation_id = $1 AND name = $2 RETURNING id"
_ADD_MEMBER: Final = """
INSERT INTO team_members (team_id, principal_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1
"""
_REMOVE_MEMBER: Final = "DELETE FROM team_members WHERE team_id = $1 AND principal_id = $2 RETURNING 1"


async def find(conn: Connection, name: str, *, organisation_id: int) -> int | None:
    """Return a team's id; None where the organisation has none such."""
    found: int | None = await conn.fetchval(_FIND, organisation_id, name)
    return found


async def add(conn: Connection, name: str, *, organisation_id: int) -> bool:
    """Record a team; return False where the organisation has one of this name."""
    return await conn.fetchval(_ADD, organisation_id, name) is not None


async def delete(conn: Connection, name: str, *, organisation_id: int) -> bool:
    """Delete a team and what was granted to it; return False where the organisation has none such."""
    return await conn.fetchval(_DELETE, organisation_id, name) is not None


async def add_member(conn: Connection, *, team_id: int, principal_id: int) -> bool:
    """Let a principal be of a team; return False where it is already."""
    return await conn.fetchval(_ADD_MEMBER, team_id, principal_id) is not None


async def remove_member(conn: Connection, *, team_id: int, principal_id: int) -> bool:
    """Let a principal be of a team no longer; return False where it is not."""
    return await conn.fetchval(_REMOVE_MEMBER, team_id, principal_id) is not None
