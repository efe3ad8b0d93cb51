"""Where schemas are bound, and which stored manifests do not conform."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from mediatypes.digest import Digest
from registry.db.pool import Connection
from registry.db.rights import on


class BoundSchema(NamedTuple):
    """The schema that is meant: without `minor` and `patch` the newest of a major version."""

    is_built_in: bool
    name: str
    major: int
    minor: int | None
    patch: int | None


class BindingKey(NamedTuple):
    """What is bound to what; artifact_type "" is any."""

    target: str
    is_prefix: bool
    artifact_type: str
    schema: BoundSchema


class BindingRow(NamedTuple):
    """A binding as lists tell it."""

    target: str
    is_prefix: bool
    artifact_type: str
    is_built_in: bool
    name: str
    major: int
    minor: int | None
    patch: int | None
    mode: str
    created_at: datetime
    created_by: str


class CoveringRow(NamedTuple):
    """A binding that a repository is covered by. `urn` is the `$id` of the schema that is meant now, None of a built-in one."""

    target: str
    is_prefix: bool
    artifact_type: str
    is_built_in: bool
    name: str
    major: int
    minor: int | None
    patch: int | None
    mode: str
    urn: str | None


class Verdict(NamedTuple):
    """Where a manifest doesn't conform to a schema: objects with pointer, rule and message."""

    schema: str
    mode: str
    violations: Sequence[Mapping[str, str]]


_COLUMNS: Final = "target, is_prefix, artifact_type, is_built_in, name, major, minor, patch"
_BIND: Final = f"""
INSERT INTO schema_bindings (organisation_id, {_COLUMNS}, mode, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (organisation_id, {_COLUMNS}) DO UPDATE
SET mode = excluded.mode, created_at = now(), created_by = excluded.created_by
"""
_UNBIND: Final = """
DELETE FROM schema_bindings
WHERE organisation_id = $1 AND target = $2 AND is_prefix = $3 AND artifact_type = $4 AND is_built_in = $5 AND name = $6
    AND major = $7 AND minor IS NOT DISTINCT FROM $8 AND patch IS NOT DISTINCT FROM $9
RETURNING id
"""
_LISTED: Final = f"""
SELECT {_COLUMNS}, mode, created_at, created_by FROM schema_bindings WHERE organisation_id = $1
ORDER BY target, is_prefix, artifact_type, is_built_in, name, major, minor, patch
"""
_COUNT: Final = "SELECT count(*) FROM schema_bindings WHERE organisation_id = $1"
# Those of the version itself, and those of the major one where there is no other version of it.
_USES: Final = f"""
SELECT {_COLUMNS}, mode, created_at, created_by FROM schema_bindings b
WHERE organisation_id = $1 AND NOT is_built_in AND name = $2 AND major = $3 AND ((minor = $4 AND patch = $5) OR (
    minor IS NULL AND NOT EXISTS (
        SELECT FROM schemas s
        WHERE s.organisation_id = b.organisation_id AND s.name = b.name AND s.major = b.major AND s.removed_at IS NULL
            AND (s.minor, s.patch) <> ($4, $5))))
ORDER BY target LIMIT $6
"""
# Of most repositories there is no binding: then this is one look by index at the organisation, and one at its bindings.
_COVERING: Final = f"""
SELECT {", ".join(f"b.{column}" for column in _COLUMNS.split(", "))}, b.mode, s.urn
FROM (SELECT id FROM organisations WHERE name = $1 OFFSET 0) o, LATERAL (
    SELECT {_COLUMNS}, mode FROM schema_bindings e WHERE e.organisation_id = o.id AND {on("$2::text")} OFFSET 0
) b LEFT JOIN LATERAL (
    SELECT urn FROM schemas
    WHERE NOT b.is_built_in AND organisation_id = o.id AND name = b.name AND major = b.major AND removed_at IS NULL
        AND (b.minor IS NULL OR (minor = b.minor AND patch = b.patch))
    ORDER BY minor DESC, patch DESC LIMIT 1
) s ON true
ORDER BY b.target, b.is_prefix, b.artifact_type, b.is_built_in, b.name, b.major, b.minor, b.patch
"""
_FORGET: Final = (
    "DELETE FROM schema_violations WHERE repository_id = $1 AND digest = $2 AND applies_to = ANY($3::text[])"
)
_RECORD: Final = """
INSERT INTO schema_violations (repository_id, digest, applies_to, schema, mode, violations)
SELECT $1, $2, $3, v.schema, v.mode, v.violations::jsonb
FROM unnest($4::text[], $5::text[], $6::text[]) AS v(schema, mode, violations)
ON CONFLICT (repository_id, digest, applies_to, schema) DO UPDATE
SET mode = excluded.mode, violations = excluded.violations, judged_at = now()
"""
_HOLD: Final = "SELECT digest FROM manifests WHERE repository_id = $1 AND digest = $2 FOR KEY SHARE"


async def bind(conn: Connection, key: BindingKey, mode: str, *, organisation_id: int, created_by: str) -> None:
    """Bind a schema, or let a binding that is there have another mode."""
    await conn.execute(_BIND, organisation_id, *key[:3], *key.schema, mode, created_by)


async def unbind(conn: Connection, key: BindingKey, *, organisation_id: int) -> bool:
    """Take a binding back; return False where there is none such."""
    return await conn.fetchval(_UNBIND, organisation_id, *key[:3], *key.schema) is not None


async def listed(conn: Connection, *, organisation_id: int) -> list[BindingRow]:
    """Return an organisation's bindings, by target."""
    return [BindingRow(*row) for row in await conn.fetch(_LISTED, organisation_id)]


async def count(conn: Connection, *, organisation_id: int) -> int:
    """Return how many bindings an organisation has."""
    found: int = await conn.fetchval(_COUNT, organisation_id)
    return found


async def uses(
    conn: Connection, name: str, version: tuple[int, int, int], *, organisation_id: int, limit: int
) -> list[BindingRow]:
    """Return some bindings that would mean nothing without a version of a schema."""
    return [BindingRow(*row) for row in await conn.fetch(_USES, organisation_id, name, *version, limit)]


async def covering(conn: Connection, *, organisation: str, path: str) -> tuple[CoveringRow, ...]:
    """Return the bindings whose target a repository is, or begins with; `path` is as of grants."""
    return tuple(CoveringRow(*row) for row in await conn.fetch(_COVERING, organisation, path))


async def hold(conn: Connection, digest: Digest, *, repository_id: int) -> bool:
    """Say whether a manifest is stored, and keep it so until the transaction ends."""
    return await conn.fetchval(_HOLD, repository_id, digest.to_bytes()) is not None


async def record(
    conn: Connection,
    digest: Digest,
    verdicts: Mapping[str, Sequence[Verdict]],
    *,
    repository_id: int,
) -> None:
    """Record where a manifest doesn't conform, by what was judged, instead of what was recorded of that before."""
    await conn.execute(_FORGET, repository_id, digest.to_bytes(), list(verdicts))
    for applies_to, found in verdicts.items():
        if found:
            told = [json.dumps([dict(one) for one in verdict.violations]) for verdict in found]
            schemas, modes = [verdict.schema for verdict in found], [verdict.mode for verdict in found]
            await conn.execute(_RECORD, repository_id, digest.to_bytes(), applies_to, schemas, modes, told)
