"""Lists of who and what there is, page by page, and never more than the asker may see.

In each statement `$1` is who asks, NULL for the operator, who sees everything, `$2` is after what the page begins and `$3` how
many it has. Whoever may do everything in the registry sees everything too; whoever may `grant` or is `admin` somewhere in an
organisation sees what is in it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from registry.db.pool import Connection


class PrincipalRow(NamedTuple):
    """A user, a robot or a service; `organisation` is a robot's."""

    id: int
    kind: str
    name: str
    is_admin: bool
    is_disabled: bool
    has_password: bool
    organisation: str | None
    created_at: datetime


class OrganisationRow(NamedTuple):
    """An organisation."""

    name: str
    created_at: datetime


class MemberRow(NamedTuple):
    """Somebody who is of a team."""

    name: str
    kind: str


class RoleRow(NamedTuple):
    """A role that may be granted in an organisation."""

    name: str
    permissions: list[str]
    is_built_in: bool


class GrantRow(NamedTuple):
    """A grant, its subject as people write it, its target as it is kept."""

    id: int
    subject: str
    role: str
    organisation: str
    target: str
    is_prefix: bool
    created_at: datetime


_IS_ADMINISTRATOR: Final = """
($1::bigint IS NULL OR EXISTS (SELECT FROM principals a WHERE a.id = $1 AND a.is_admin AND a.disabled_at IS NULL))
"""


def _sees(organisation_id: str) -> str:
    """Return the condition that the asker sees what is in an organisation; it is SQL."""
    return f"""
    ({_IS_ADMINISTRATOR} OR EXISTS (
        SELECT FROM effective_grants s JOIN principals a ON a.id = s.principal_id AND a.disabled_at IS NULL
        WHERE s.principal_id = $1 AND s.organisation_id = {organisation_id} AND s.permissions && '{{grant,admin}}'))
    """


_PRINCIPAL: Final = """
SELECT p.id, p.kind, p.name, p.is_admin, p.disabled_at IS NOT NULL, p.password_hash IS NOT NULL, o.name, p.created_at
FROM principals p LEFT JOIN organisations o ON o.id = p.organisation_id
"""
_PRINCIPALS: Final = f"""
{_PRINCIPAL} WHERE p.kind = $4 AND p.name > $2 AND CASE WHEN p.kind = 'robot' THEN {_sees("o.id")} ELSE {_IS_ADMINISTRATOR} END
ORDER BY p.name LIMIT $3
"""
_ONE: Final = f"""
{_PRINCIPAL} WHERE p.kind = $2 AND p.name = $3 AND CASE WHEN p.kind = 'robot' THEN {_sees("o.id")} ELSE {_IS_ADMINISTRATOR} END
"""
_ORGANISATIONS: Final = f"""
SELECT o.name, o.created_at FROM organisations o WHERE o.name > $2 AND {_sees("o.id")} ORDER BY o.name LIMIT $3
"""
_ORGANISATION: Final = f"SELECT o.name, o.created_at FROM organisations o WHERE o.name = $2 AND {_sees('o.id')}"
_TEAMS: Final = f"""
SELECT t.name FROM teams t JOIN organisations o ON o.id = t.organisation_id
WHERE o.name = $4 AND t.name > $2 AND {_sees("o.id")} ORDER BY t.name LIMIT $3
"""
_TEAM: Final = f"""
SELECT t.id FROM teams t JOIN organisations o ON o.id = t.organisation_id
WHERE o.name = $2 AND t.name = $3 AND {_sees("o.id")}
"""
_MEMBERS: Final = f"""
SELECT p.name, p.kind FROM team_members m
JOIN teams t ON t.id = m.team_id
JOIN organisations o ON o.id = t.organisation_id
JOIN principals p ON p.id = m.principal_id
WHERE o.name = $4 AND t.name = $5 AND p.name > $2 AND {_sees("o.id")} ORDER BY p.name LIMIT $3
"""
_ROLES: Final = f"""
SELECT r.name, r.permissions, r.organisation_id IS NULL
FROM organisations o JOIN roles r ON r.organisation_id = o.id OR r.organisation_id IS NULL
WHERE o.name = $4 AND r.name > $2 AND {_sees("o.id")} ORDER BY r.name COLLATE "C" LIMIT $3
"""
# One's own are seen, and those on what one may grant on; a grant on a prefix is on all that begins with it.
_GRANTS: Final = f"""
SELECT * FROM (
    SELECT g.id, CASE
            WHEN g.team_id IS NOT NULL THEN 'team:' || o.name || '/' || t.name
            WHEN g.principal_id = 0 THEN 'anonymous'
            ELSE 'user:' || p.name
        END AS subject,
        r.name AS role, o.name AS organisation, g.target, g.is_prefix, g.created_at
    FROM grants g
    JOIN organisations o ON o.id = g.organisation_id
    JOIN roles r ON r.id = g.role_id
    LEFT JOIN principals p ON p.id = g.principal_id
    LEFT JOIN teams t ON t.id = g.team_id
    WHERE {_IS_ADMINISTRATOR} OR EXISTS (
        SELECT FROM effective_grants s JOIN principals a ON a.id = s.principal_id AND a.disabled_at IS NULL
        WHERE s.principal_id = $1 AND s.organisation_id = g.organisation_id AND (s.grant_id = g.id OR (
            s.permissions && '{{grant,admin}}'
            AND CASE WHEN s.is_prefix THEN starts_with(g.target, s.target) ELSE s.target = g.target AND NOT g.is_prefix END)))
) found
WHERE id > $2::bigint AND ($4::text IS NULL OR subject = $4)
    AND ($5::text IS NULL OR (target = $5 AND is_prefix = $6::boolean))
ORDER BY id LIMIT $3
"""


async def page_of_principals(
    conn: Connection, *, by: int | None, kind: str, after: str, limit: int
) -> list[PrincipalRow]:
    """Return principals of a kind, by names after `after`."""
    return [PrincipalRow(*row) for row in await conn.fetch(_PRINCIPALS, by, after, limit, kind)]


async def principal(conn: Connection, *, by: int | None, kind: str, name: str) -> PrincipalRow | None:
    """Return a principal of a kind; None where the asker sees none such."""
    row = await conn.fetchrow(_ONE, by, kind, name)
    return PrincipalRow(*row) if row is not None else None


async def page_of_organisations(conn: Connection, *, by: int | None, after: str, limit: int) -> list[OrganisationRow]:
    """Return organisations, by names after `after`."""
    return [OrganisationRow(*row) for row in await conn.fetch(_ORGANISATIONS, by, after, limit)]


async def organisation(conn: Connection, *, by: int | None, name: str) -> OrganisationRow | None:
    """Return an organisation; None where the asker sees none such."""
    row = await conn.fetchrow(_ORGANISATION, by, name)
    return OrganisationRow(*row) if row is not None else None


async def page_of_teams(conn: Connection, *, by: int | None, organisation: str, after: str, limit: int) -> list[str]:
    """Return the names of an organisation's teams, those after `after`."""
    return [row[0] for row in await conn.fetch(_TEAMS, by, after, limit, organisation)]


async def has_team(conn: Connection, *, by: int | None, organisation: str, team: str) -> bool:
    """Say whether the asker sees a team."""
    return await conn.fetchval(_TEAM, by, organisation, team) is not None


async def page_of_members(
    conn: Connection, *, by: int | None, organisation: str, team: str, after: str, limit: int
) -> list[MemberRow]:
    """Return who is of a team, by names after `after`."""
    return [MemberRow(*row) for row in await conn.fetch(_MEMBERS, by, after, limit, organisation, team)]


async def page_of_roles(
    conn: Connection, *, by: int | None, organisation: str, after: str, limit: int
) -> list[RoleRow]:
    """Return the roles that may be granted in an organisation, by names after `after`."""
    return [RoleRow(*row) for row in await conn.fetch(_ROLES, by, after, limit, organisation)]


async def page_of_grants(
    conn: Connection,
    *,
    by: int | None,
    subject: str | None,
    target: str | None,
    is_prefix: bool,
    after: int,
    limit: int,
) -> list[GrantRow]:
    """Return grants in the order in which they were made; of a subject, or on the very target, where that is given."""
    return [GrantRow(*row) for row in await conn.fetch(_GRANTS, by, after, limit, subject, target, is_prefix)]
