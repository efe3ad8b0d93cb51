"""Stages: through which tags the artifacts of a target go, and who promotes into them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from registry.db.naming import NAMES, SUBJECT, is_named
from registry.db.pool import Connection
from registry.db.rights import on


class NewStage(NamedTuple):
    """A stage as it is kept; `promoters` are (principal, team), None where whoever may move the tag promotes."""

    name: str
    tag: str
    repository: str | None
    may_skip: bool
    promoters: list[tuple[int | None, int | None]] | None


class StageRow(NamedTuple):
    """A stage as lists tell it; `promoters` are subjects, as people write them."""

    target: str
    is_prefix: bool
    name: str
    tag: str
    repository: str | None
    may_skip: bool
    is_restricted: bool
    promoters: list[str]
    created_at: datetime
    created_by: str


class CoveringStage(NamedTuple):
    """A stage that a repository has; `is_promoter` where it names who asks."""

    target: str
    is_prefix: bool
    name: str
    tag: str
    repository: str | None
    may_skip: bool
    is_restricted: bool
    promoters: list[str]
    is_promoter: bool


class TargetRow(NamedTuple):
    """A target, as of grants."""

    target: str
    is_prefix: bool


_PROMOTERS: Final = f"ARRAY(SELECT {SUBJECT} FROM stage_promoters n {NAMES} WHERE n.stage_id = e.id ORDER BY 1)"
_COLUMNS: Final = f"e.target, e.is_prefix, e.name, e.tag, e.repository, e.may_skip, e.is_restricted, {_PROMOTERS}"
_REMOVE: Final = """
WITH removed AS (DELETE FROM stages WHERE organisation_id = $1 AND target = $2 AND is_prefix = $3 RETURNING 1)
SELECT count(*) FROM removed
"""
_ADD: Final = """
INSERT INTO stages
    (organisation_id, target, is_prefix, position, name, tag, repository, may_skip, is_restricted, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id
"""
_ADD_PROMOTERS: Final = """
INSERT INTO stage_promoters (stage_id, principal_id, team_id)
SELECT DISTINCT $1::bigint, n.principal_id, n.team_id FROM unnest($2::bigint[], $3::bigint[]) AS n(principal_id, team_id)
"""
_COUNT: Final = "SELECT count(*) FROM stages WHERE organisation_id = $1"
# Those that cover the target, and those of what is in it.
_LISTED: Final = f"""
SELECT {_COLUMNS}, e.created_at, e.created_by FROM stages e
WHERE e.organisation_id = $1 AND ({on("$2::text")} OR ($3::boolean AND starts_with(e.target, $2)))
ORDER BY e.target, e.is_prefix, e.position
"""
_COVERING: Final = f"""
SELECT {_COLUMNS}, {is_named("stage_promoters", "stage_id", "e.id", "$3::bigint")}
FROM stages e JOIN organisations o ON o.id = e.organisation_id
WHERE o.name = $1 AND {on("$2::text")}
ORDER BY e.is_prefix, length(e.target) DESC, e.position
"""
# Where something has been said already of what a target is in: stages of it, or that one of these tags is protected.
_ABOVE: Final = """
SELECT DISTINCT e.target, e.is_prefix FROM (
    SELECT target, is_prefix FROM stages WHERE organisation_id = $1
    UNION ALL
    SELECT r.target, r.is_prefix FROM tag_rules r
    WHERE r.organisation_id = $1 AND r.kind = 'protected' AND EXISTS (
        SELECT FROM unnest($4::text[]) AS tag
        WHERE strpos(tag, '*') > 0 OR tag LIKE replace(replace(r.pattern, '_', '\\_'), '*', '%'))
) e
WHERE (e.is_prefix AND starts_with($2, e.target)) OR (e.target = $2 AND e.is_prefix = $3)
ORDER BY e.target, e.is_prefix
"""


async def put(
    conn: Connection,
    stages: Sequence[NewStage],
    *,
    organisation_id: int,
    target: str,
    is_prefix: bool,
    created_by: str,
) -> None:
    """Let a target have these stages, in their order, and no others."""
    await remove(conn, organisation_id=organisation_id, target=target, is_prefix=is_prefix)
    for position, stage in enumerate(stages):
        is_restricted = stage.promoters is not None
        kept = (stage.name, stage.tag, stage.repository, stage.may_skip, is_restricted)
        stage_id = await conn.fetchval(_ADD, organisation_id, target, is_prefix, position, *kept, created_by)
        if stage.promoters:
            principals, teams = zip(*stage.promoters, strict=True)
            await conn.execute(_ADD_PROMOTERS, stage_id, list(principals), list(teams))


async def remove(conn: Connection, *, organisation_id: int, target: str, is_prefix: bool) -> bool:
    """Let a target have no stages of its own; return False where it has none."""
    return bool(await conn.fetchval(_REMOVE, organisation_id, target, is_prefix))


async def count(conn: Connection, *, organisation_id: int) -> int:
    """Return how many stages an organisation has, of all its targets."""
    found: int = await conn.fetchval(_COUNT, organisation_id)
    return found


async def listed(conn: Connection, *, organisation_id: int, target: str, is_prefix: bool) -> list[StageRow]:
    """Return the stages that cover a target or something in it, by target, in their order."""
    return [StageRow(*row) for row in await conn.fetch(_LISTED, organisation_id, target, is_prefix)]


async def covering(conn: Connection, *, organisation: str, path: str, principal_id: int | None) -> list[CoveringStage]:
    """Return the stages that a repository has: those of the most specific target that it is, or begins with, in their order."""
    rows = [CoveringStage(*row) for row in await conn.fetch(_COVERING, organisation, path, principal_id)]
    return [row for row in rows if row[:2] == rows[0][:2]]


async def above(
    conn: Connection, tags: Sequence[str], *, organisation_id: int, target: str, is_prefix: bool
) -> list[TargetRow]:
    """Return the targets that a target is in, or is, which have stages or protect one of `tags` already."""
    return [TargetRow(*row) for row in await conn.fetch(_ABOVE, organisation_id, target, is_prefix, list(tags))]
