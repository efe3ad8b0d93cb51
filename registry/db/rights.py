"""Rights: the one decision, in SQL.

What a principal may do with a repository is the union of the roles that are granted to it, to its teams and to everybody
(principal 0), on the repository's organisation, on a prefix of its path or on the path itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from registry.db.pool import Connection


class RightsQuestion(NamedTuple):
    """What a principal may do with a repository; `path` as grants name it, below an organisation."""

    principal_id: int
    organisation: str
    path: str


class Epochs(NamedTuple):
    """What changes whenever rights do: None where the principal or the organisation is not there."""

    principal: int | None
    organisation: int | None


class Holdings(NamedTuple):
    """What a principal may grant of: `permissions` are those that it holds on all of a target."""

    is_administrator: bool
    permissions: frozenset[str]


class RightsRow(NamedTuple):
    """What was decided, and while what it is true."""

    epochs: Epochs
    is_admin: bool
    permissions: frozenset[str]


EPOCHS: Final = "p.rights_epoch, o.rights_epoch"
"""What a lookup tells beside what it finds, and"""

JOINED_EPOCHS: Final = """
LEFT JOIN LATERAL (
    SELECT rights_epoch, is_admin FROM principals WHERE id = q.principal_id AND disabled_at IS NULL OFFSET 0
) p ON true
LEFT JOIN LATERAL (
    SELECT id, rights_epoch, policy_epoch FROM organisations WHERE name = q.organisation OFFSET 0
) o ON true
"""
"""from where: its questions `q` have a `principal_id` and an `organisation`. `o.policy_epoch` is what verdicts stand by."""


def path_of(name: str) -> str:
    """Return the path by which targets name a repository, always below an organisation; both are SQL."""
    return f"(CASE WHEN strpos({name}, '/') = 0 THEN 'library/' || {name} ELSE {name} END)"


def on(path: str) -> str:
    """Return the condition that what has a target, `e`, is on a path; both are SQL."""
    return f"(e.target = {path} OR (e.is_prefix AND starts_with({path}, e.target)))"


def held_by(principal_id: str, organisation_id: str | None = None) -> str:
    """Return a query of what is granted to a principal, its teams and everybody, in one organisation or in all; both are SQL.

    It finds what the view `effective_grants` shows. As in the other lookups, LATERAL … OFFSET 0 keeps each step one by index,
    however many grants an organisation has.
    """
    here = "true" if organisation_id is None else f"organisation_id = {organisation_id}"
    return f"""
    SELECT g.target, g.is_prefix, g.permissions FROM unnest(ARRAY[{principal_id}, 0]) AS holder(id), LATERAL (
        SELECT target, is_prefix, permissions FROM granted WHERE principal_id = holder.id AND {here} OFFSET 0
    ) g
    UNION ALL
    SELECT g.target, g.is_prefix, g.permissions
    FROM (SELECT team_id FROM team_members WHERE principal_id = {principal_id} OFFSET 0) m, LATERAL (
        SELECT organisation_id, target, is_prefix, permissions FROM granted WHERE team_id = m.team_id OFFSET 0
    ) g
    WHERE {here}
    """


_DECIDE: Final = f"""
SELECT {EPOCHS}, p.is_admin, g.permissions
FROM unnest($1::bigint[], $2::text[], $3::text[]) WITH ORDINALITY AS q(principal_id, organisation, path, position)
{JOINED_EPOCHS}
LEFT JOIN LATERAL (
    SELECT array_agg(DISTINCT permission) AS permissions
    FROM ({held_by("q.principal_id", "o.id")}) e, unnest(e.permissions) AS permission
    WHERE {on("q.path")}
    OFFSET 0
) g ON true
ORDER BY q.position
"""


# Whoever administers is told by his own grants, not by what is granted to everybody.
_HOLDINGS: Final = f"""
SELECT p.is_admin OR EXISTS (
        SELECT FROM effective_grants e
        WHERE e.organisation_id = o.id AND e.principal_id = p.id AND e.is_prefix AND e.target = o.name || '/'
            AND 'admin' = ANY(e.permissions)),
    (
        SELECT array_agg(DISTINCT permission) FROM effective_grants e, unnest(e.permissions) AS permission
        WHERE e.organisation_id = o.id AND e.principal_id IN (p.id, 0) AND {on("$3::text")} AND (e.is_prefix OR NOT $4)
    )
FROM principals p, organisations o
WHERE p.id = $1 AND p.disabled_at IS NULL AND o.id = $2
FOR SHARE OF p
"""


_IS_ADMINISTRATOR: Final = "SELECT is_admin FROM principals WHERE id = $1 AND disabled_at IS NULL FOR SHARE"


def visible(name: str, principal_id: str) -> str:
    """Return the condition that a principal may pull from the repository of a name; both are SQL."""
    return f"""
    EXISTS (
        SELECT FROM principals p
        WHERE p.id = {principal_id} AND p.disabled_at IS NULL AND (p.is_admin OR EXISTS (
            SELECT FROM ({held_by(principal_id)}) e WHERE 'pull' = ANY(e.permissions) AND {on(path_of(name))})))
    """


def reach(principal_id: str) -> str:
    """Return a query of the targets from which a principal may pull, where it says NULL of all; what it says is SQL."""
    return f"""
    SELECT DISTINCT e.target, e.is_prefix
    FROM principals p, ({held_by(principal_id)}) e
    WHERE p.id = {principal_id} AND p.disabled_at IS NULL AND NOT p.is_admin AND 'pull' = ANY(e.permissions)
    UNION ALL
    SELECT '' COLLATE "C", true
    WHERE {principal_id} IS NULL
        OR EXISTS (SELECT FROM principals WHERE id = {principal_id} AND is_admin AND disabled_at IS NULL)
    """


async def is_administrator(conn: Connection, principal_id: int) -> bool:
    """Say whether a principal may do everything; it stays so until the transaction ends."""
    return bool(await conn.fetchval(_IS_ADMINISTRATOR, principal_id))


async def holdings(
    conn: Connection, principal_id: int, *, organisation_id: int, target: str, is_prefix: bool
) -> Holdings:
    """Return what a principal may grant of on a target; it stays enabled until the transaction ends."""
    row = await conn.fetchrow(_HOLDINGS, principal_id, organisation_id, target, is_prefix)
    found, permissions = row or (False, None)
    return Holdings(found, frozenset(permissions or ()))


async def decide(conn: Connection, questions: Sequence[RightsQuestion]) -> list[RightsRow]:
    """Answer, in order, what each principal may do."""
    rows = await conn.fetch(_DECIDE, *(list(column) for column in zip(*questions, strict=True)))
    return [RightsRow(Epochs(row[0], row[1]), bool(row[2]), frozenset(row[3] or ())) for row in rows]
