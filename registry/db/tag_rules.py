"""Rules of tags: which never move, and which only some may make, move and delete."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from registry.db.naming import NAMES, SUBJECT, is_named
from registry.db.pool import Connection
from registry.db.rights import on


class Asker(NamedTuple):
    """Who changes tags, None where that is nobody known, and of which repository; `path` is as of grants."""

    organisation: str
    path: str
    principal_id: int | None


class RuleKey(NamedTuple):
    """Which rule: of which tags of which repositories, `immutable` or `protected`."""

    target: str
    is_prefix: bool
    pattern: str
    kind: str


class RuleRow(NamedTuple):
    """A rule as lists tell it; `movers` are subjects, as people write them."""

    target: str
    is_prefix: bool
    pattern: str
    kind: str
    movers: list[str]
    created_at: datetime
    created_by: str


class Ruled(NamedTuple):
    """That a tag is changed, and falls under a rule: `is_new` if it named nothing; `is_mover` if the rule names who asks."""

    tag: str
    is_new: bool
    rule: RuleKey
    is_mover: bool


RULED: Final = "r.target, r.is_prefix, r.pattern, r.kind, r.is_mover"
"""What a statement that changes tags tells of the rules that a tag falls under; all None where there are none."""

_RULE: Final = ("target", "is_prefix", "pattern", "kind")


def rules_of(tag: str, organisation: str, path: str, principal_id: str) -> str:
    """Return a query of the rules that a tag falls under, `r`; all is SQL.

    It is part of the statements that change tags, since one of its own would cost them a round trip. Where an organisation has
    no rules it is one look by index at the organisation, and one at its rules.
    """
    return f"""
    (
        SELECT e.target, e.is_prefix, e.pattern, e.kind,
            {is_named("tag_rule_movers", "rule_id", "e.id", principal_id)} AS is_mover
        FROM (SELECT id FROM organisations WHERE name = {organisation} OFFSET 0) o, LATERAL (
            SELECT id, target, is_prefix, pattern, kind FROM tag_rules e
            WHERE e.organisation_id = o.id AND {on(path)} OFFSET 0
        ) e
        WHERE {tag} LIKE replace(replace(e.pattern, '_', '\\_'), '*', '%')
        ORDER BY e.kind, e.target, e.is_prefix, e.pattern
    ) r
    """


_SET: Final = """
INSERT INTO tag_rules (organisation_id, target, is_prefix, pattern, kind, created_by) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (organisation_id, target, is_prefix, pattern, kind) DO UPDATE
SET created_at = now(), created_by = excluded.created_by
RETURNING id
"""
_FORGET_MOVERS: Final = "DELETE FROM tag_rule_movers WHERE rule_id = $1"
_ADD_MOVERS: Final = """
INSERT INTO tag_rule_movers (rule_id, principal_id, team_id)
SELECT DISTINCT $1::bigint, n.principal_id, n.team_id FROM unnest($2::bigint[], $3::bigint[]) AS n(principal_id, team_id)
"""
_REMOVE: Final = """
DELETE FROM tag_rules
WHERE organisation_id = $1 AND target = $2 AND is_prefix = $3 AND pattern = $4 AND kind = $5 RETURNING id
"""
_COUNT: Final = "SELECT count(*) FROM tag_rules WHERE organisation_id = $1"
# Those that cover the target, and those of what is in it.
_LISTED: Final = f"""
SELECT e.target, e.is_prefix, e.pattern, e.kind, ARRAY(
        SELECT {SUBJECT} FROM tag_rule_movers n {NAMES} WHERE n.rule_id = e.id ORDER BY 1),
    e.created_at, e.created_by
FROM tag_rules e
WHERE e.organisation_id = $1 AND ({on("$2::text")} OR ($3::boolean AND starts_with(e.target, $2)))
ORDER BY e.target, e.is_prefix, e.pattern, e.kind
"""


async def put(
    conn: Connection,
    key: RuleKey,
    movers: Sequence[tuple[int | None, int | None]],
    *,
    organisation_id: int,
    created_by: str,
) -> None:
    """Let there be a rule, with these movers (principal, team) and no others."""
    rule_id = await conn.fetchval(_SET, organisation_id, *key, created_by)
    await conn.execute(_FORGET_MOVERS, rule_id)
    if movers:
        await conn.execute(_ADD_MOVERS, rule_id, [one[0] for one in movers], [one[1] for one in movers])


async def remove(conn: Connection, key: RuleKey, *, organisation_id: int) -> bool:
    """Take a rule back; return False where there is none such."""
    return await conn.fetchval(_REMOVE, organisation_id, *key) is not None


async def count(conn: Connection, *, organisation_id: int) -> int:
    """Return how many rules an organisation has."""
    found: int = await conn.fetchval(_COUNT, organisation_id)
    return found


async def listed(conn: Connection, *, organisation_id: int, target: str, is_prefix: bool) -> list[RuleRow]:
    """Return the rules that cover a target or something in it, by target and pattern."""
    return [RuleRow(*row) for row in await conn.fetch(_LISTED, organisation_id, target, is_prefix)]


def ruled(rows: Sequence[Any], *, is_new: bool | None = None) -> list[Ruled]:
    """Return what the rows of a statement that changes tags say of rules; they say `is_new` where it isn't given."""
    return [
        Ruled(
            row["name"],
            row["is_new"] if is_new is None else is_new,
            RuleKey(*(row[column] for column in _RULE)),
            row["is_mover"],
        )
        for row in rows
        if row["kind"] is not None
    ]
