"""Grants. Whoever changes them has locked the organisation (registry.db.organisations)."""

from __future__ import annotations

from typing import Final

from registry.db.pool import Connection

_ADD: Final = """
INSERT INTO grants (organisation_id, principal_id, team_id, role_id, target, is_prefix) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING RETURNING id
"""
_DELETE: Final = """
DELETE FROM grants
WHERE organisation_id = $1 AND principal_id IS NOT DISTINCT FROM $2 AND team_id IS NOT DISTINCT FROM $3
    AND role_id = $4 AND target = $5 AND is_prefix = $6
RETURNING id
"""


async def add(
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
    return await conn.fetchval(_ADD, organisation_id, principal_id, team_id, role_id, target, is_prefix) is not None


async def delete(
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
    return await conn.fetchval(_DELETE, organisation_id, principal_id, team_id, role_id, target, is_prefix) is not None
