"""Roles: those that are built in, and each organisation's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from registry.db.pool import Connection


class RoleRow(NamedTuple):
    """A role and what it permits."""

    id: int
    permissions: frozenset[str]


_FIND: Final = "SELECT id, permissions FROM roles WHERE name = $2 AND (organisation_id = $1 OR organisation_id IS NULL)"
# No organisation's role has the name of one that is built in, or it would not be clear which of both is granted.
_ADD: Final = """
INSERT INTO roles (organisation_id, name, permissions)
SELECT $1, $2, $3 WHERE NOT EXISTS (SELECT FROM roles WHERE name = $2 AND organisation_id IS NULL)
ON CONFLICT (organisation_id, name) DO NOTHING RETURNING id
"""
_DELETE: Final = """
WITH role AS (DELETE FROM roles WHERE organisation_id = $1 AND name = $2 RETURNING id)
SELECT (SELECT count(*) FROM grants g WHERE g.role_id = role.id) FROM role
"""


async def find(conn: Connection, name: str, *, organisation_id: int) -> RoleRow | None:
    """Return a role, the organisation's own or a built-in one; None where there is none such."""
    row = await conn.fetchrow(_FIND, organisation_id, name)
    return RoleRow(row[0], frozenset(row[1])) if row is not None else None


async def add(conn: Connection, name: str, permissions: Iterable[str], *, organisation_id: int) -> bool:
    """Record an organisation's own role; return False where there is one of this name."""
    return await conn.fetchval(_ADD, organisation_id, name, sorted(permissions)) is not None


async def delete(conn: Connection, name: str, *, organisation_id: int) -> int | None:
    """Delete an organisation's own role; return how many grants of it that has taken back, None where there is none such."""
    found: int | None = await conn.fetchval(_DELETE, organisation_id, name)
    return found
