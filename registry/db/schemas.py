"""Organisations' own schemas: versions that never change, from when they are added until they are removed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from registry.db.pool import Connection


class NewSchema(NamedTuple):
    """What is recorded of a schema; `urn` is its `$id`, `uses` are those of the organisation's own that it refers to."""

    name: str
    version: tuple[int, int, int]
    urn: str
    uses: Sequence[str]
    applies_to: str
    content: bytes
    created_by: str


class SchemaRow(NamedTuple):
    """A version of a schema, who added it and when."""

    name: str
    major: int
    minor: int
    patch: int
    applies_to: str
    created_at: datetime
    created_by: str


class ContentRow(NamedTuple):
    """A schema's bytes."""

    urn: str
    content: bytes


# What was removed comes back with the very same bytes only: nobody finds another schema under a version that he knows.
_ADD: Final = """
INSERT INTO schemas AS s (organisation_id, name, major, minor, patch, urn, uses, applies_to, content, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (organisation_id, name, major, minor, patch) DO UPDATE SET removed_at = NULL
WHERE s.removed_at IS NOT NULL AND s.content = excluded.content
RETURNING s.id
"""
_CONTENT: Final = "SELECT content FROM schemas WHERE urn = $1 AND removed_at IS NULL"
_REMOVE: Final = "UPDATE schemas SET removed_at = now() WHERE urn = $1 AND removed_at IS NULL RETURNING id"
_USERS: Final = """
SELECT urn FROM schemas WHERE organisation_id = $1 AND $2 = ANY(uses) AND removed_at IS NULL ORDER BY urn LIMIT $3
"""
_COUNT: Final = "SELECT count(*) FROM schemas WHERE organisation_id = $1"
_LISTED: Final = """
SELECT name, major, minor, patch, applies_to, created_at, created_by FROM schemas
WHERE organisation_id = $1 AND removed_at IS NULL ORDER BY name, major, minor, patch
"""
_IS_THERE: Final = """
SELECT EXISTS (
    SELECT FROM schemas
    WHERE organisation_id = $1 AND name = $2 AND major = $3 AND removed_at IS NULL
        AND ($4::integer IS NULL OR (minor = $4 AND patch = $5::integer)))
"""
# As in the lookups of requests, LATERAL … OFFSET 0 keeps each step one by index.
_NEEDED: Final = """
WITH RECURSIVE needed AS (
    SELECT s.urn, s.uses FROM unnest($1::text[]) AS wanted(urn), LATERAL (
        SELECT urn, uses FROM schemas WHERE urn = wanted.urn AND removed_at IS NULL OFFSET 0
    ) s
    UNION
    SELECT s.urn, s.uses FROM needed n, unnest(n.uses) AS used(urn), LATERAL (
        SELECT urn, uses FROM schemas WHERE urn = used.urn AND removed_at IS NULL OFFSET 0
    ) s
)
SELECT n.urn, s.content FROM needed n, LATERAL (SELECT content FROM schemas WHERE urn = n.urn OFFSET 0) s ORDER BY n.urn
"""


async def add(conn: Connection, new: NewSchema, *, organisation_id: int) -> bool:
    """Record a schema; return False where there is one of this name and version, or was one with other bytes."""
    found = await conn.fetchval(
        _ADD,
        organisation_id,
        new.name,
        *new.version,
        new.urn,
        list(new.uses),
        new.applies_to,
        new.content,
        new.created_by,
    )
    return found is not None


async def content(conn: Connection, urn: str) -> bytes | None:
    """Return a schema's bytes; None where there is none such."""
    found: bytes | None = await conn.fetchval(_CONTENT, urn)
    return found


async def remove(conn: Connection, urn: str) -> bool:
    """Remove a schema; return False where there is none such."""
    return await conn.fetchval(_REMOVE, urn) is not None


async def users(conn: Connection, urn: str, *, organisation_id: int, limit: int) -> list[str]:
    """Return the `$id`s of some schemas that refer to a schema."""
    return [row[0] for row in await conn.fetch(_USERS, organisation_id, urn, limit)]


async def count(conn: Connection, *, organisation_id: int) -> int:
    """Return how many versions an organisation has ever added."""
    found: int = await conn.fetchval(_COUNT, organisation_id)
    return found


async def listed(conn: Connection, *, organisation_id: int) -> list[SchemaRow]:
    """Return an organisation's schemas, by name and version."""
    return [SchemaRow(*row) for row in await conn.fetch(_LISTED, organisation_id)]


async def is_there(
    conn: Connection, name: str, version: tuple[int, int | None, int | None], *, organisation_id: int
) -> bool:
    """Say whether an organisation has a version of a schema, or any of a major one."""
    return bool(await conn.fetchval(_IS_THERE, organisation_id, name, *version))


async def needed(conn: Connection, urns: Sequence[str]) -> list[ContentRow]:
    """Return schemas and all of the same organisation that these refer to."""
    return [ContentRow(*row) for row in await conn.fetch(_NEEDED, list(urns))]
