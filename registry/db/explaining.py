"""Why a right is there or isn't: the grants behind a decision, read where the decision reads them (registry.db.rights)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from registry.db.pool import Connection
from registry.db.rights import on


class GrantRow(NamedTuple):
    """A grant: its role and its target, to which team or, `is_public`, to everybody; and whether it is on what was asked."""

    role: str
    permissions: frozenset[str]
    target: str
    is_prefix: bool
    team: str | None
    is_public: bool
    is_on: bool


class HolderRow(NamedTuple):
    """A principal that may do something, and a grant by which it may; `role` is None of who may do everything."""

    name: str
    role: str | None
    target: str | None
    is_prefix: bool | None
    team: str | None


_SNAPSHOT: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"


def _explaining(source: str, condition: str) -> str:
    """Return the query for the grants in `source` `e` that meet a condition: first what decides, then what comes near."""
    return f"""
    SELECT r.name, e.permissions, e.target, e.is_prefix, t.name, e.principal_id IS NOT DISTINCT FROM 0, {on("$2::text")}
    FROM organisations o
    JOIN {source} e ON e.organisation_id = o.id AND {condition}
    JOIN roles r ON r.id = e.role_id
    LEFT JOIN teams t ON t.id = e.team_id
    WHERE o.name = $1
    ORDER BY {on("$2::text")} AND $3 = ANY(e.permissions) DESC, {on("$2::text")} DESC, $3 = ANY(e.permissions) DESC,
        e.principal_id IS NOT DISTINCT FROM 0, e.target, e.grant_id
    LIMIT $4
    """


_OF_PRINCIPAL: Final = _explaining("effective_grants", "e.principal_id IN ($5::bigint, 0)")
_OF_TEAM: Final = _explaining("granted", "(e.team_id = $5::bigint OR e.principal_id = 0)")
_HOLDERS: Final = f"""
SELECT DISTINCT ON (p.name) p.name, e.role, e.target, e.is_prefix, e.team
FROM principals p
LEFT JOIN (
    SELECT e.principal_id, e.grant_id, r.name AS role, e.target, e.is_prefix, t.name AS team
    FROM organisations o
    JOIN effective_grants e ON e.organisation_id = o.id
    JOIN roles r ON r.id = e.role_id
    LEFT JOIN teams t ON t.id = e.team_id
    WHERE o.name = $1 AND {on("$2::text")} AND $3 = ANY(e.permissions)
) e ON e.principal_id = p.id AND NOT p.is_admin
WHERE p.disabled_at IS NULL AND (p.is_admin OR e.grant_id IS NOT NULL) AND ($4::text IS NULL OR p.name > $4)
ORDER BY p.name, e.grant_id LIMIT $5
"""


async def hold(conn: Connection) -> None:
    """Let all that this transaction reads be of one moment; it must not have read anything yet."""
    await conn.execute(_SNAPSHOT)


async def of_principal(
    conn: Connection, principal_id: int, *, organisation: str, path: str, permission: str, limit: int
) -> list[GrantRow]:
    """Return what a principal or everybody holds in an organisation, first what permits it on the path, then what is near."""
    return _rows(await conn.fetch(_OF_PRINCIPAL, organisation, path, permission, limit, principal_id))


async def of_team(
    conn: Connection, team_id: int, *, organisation: str, path: str, permission: str, limit: int
) -> list[GrantRow]:
    """Return what `of_principal` does, for who is of a team and nothing else."""
    return _rows(await conn.fetch(_OF_TEAM, organisation, path, permission, limit, team_id))


async def holders(
    conn: Connection, *, organisation: str, path: str, permission: str, after: str | None, limit: int
) -> list[HolderRow]:
    """Return who may do something with a path, by names after `after`; everybody is the one of the name "" ."""
    return [HolderRow(*row) for row in await conn.fetch(_HOLDERS, organisation, path, permission, after, limit)]


def _rows(found: Iterable[Any]) -> list[GrantRow]:
    return [GrantRow(row[0], frozenset(row[1]), *row[2:]) for row in found]
