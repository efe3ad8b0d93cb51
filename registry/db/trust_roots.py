"""Trust roots of organisations, by the names that policies call them, in versions of which none ever changes."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from registry.db.policies import raise_epoch
from registry.db.pool import Connection


class RootRow(NamedTuple):
    """A version of a trust root; `content` is None of the one that removed it."""

    version: int
    content: bytes | None
    created_at: datetime
    created_by: str


class ListedRootRow(NamedTuple):
    """The version of a trust root that counts, as lists tell it."""

    name: str
    version: int
    created_at: datetime
    created_by: str


_SET: Final = """
WITH root AS (
    INSERT INTO trust_roots AS t (organisation_id, name, version, is_removed) VALUES ($1, $2, 1, $3::bytea IS NULL)
    ON CONFLICT (organisation_id, name) DO UPDATE SET version = t.version + 1, is_removed = excluded.is_removed
    RETURNING id, version
)
INSERT INTO trust_root_versions (trust_root_id, version, content, created_by)
SELECT id, version, $3, $4 FROM root RETURNING version
"""
_COUNT: Final = "SELECT count(*) FROM trust_roots WHERE organisation_id = $1 AND NOT is_removed"
_FIND: Final = """
SELECT v.version, v.content, v.created_at, v.created_by
FROM trust_roots t JOIN trust_root_versions v ON v.trust_root_id = t.id AND v.version = coalesce($3::integer, t.version)
WHERE t.organisation_id = $1 AND t.name = $2
"""
_LISTED: Final = """
SELECT t.name, v.version, v.created_at, v.created_by
FROM trust_roots t JOIN trust_root_versions v ON v.trust_root_id = t.id AND v.version = t.version
WHERE t.organisation_id = $1 AND NOT t.is_removed ORDER BY t.name
"""
_CONTENTS: Final = """
SELECT t.name, v.content
FROM organisations o JOIN trust_roots t ON t.organisation_id = o.id AND NOT t.is_removed
JOIN trust_root_versions v ON v.trust_root_id = t.id AND v.version = t.version
WHERE o.name = $1
"""


async def put(conn: Connection, name: str, content: bytes | None, *, organisation_id: int, created_by: str) -> int:
    """Add a version of a trust root, which counts from now on, and return its number; without content it is removed."""
    number: int = await conn.fetchval(_SET, organisation_id, name, content, created_by)
    await raise_epoch(conn, organisation_id=organisation_id)
    return number


async def count(conn: Connection, *, organisation_id: int) -> int:
    """Return how many trust roots of an organisation count."""
    found: int = await conn.fetchval(_COUNT, organisation_id)
    return found


async def find(conn: Connection, name: str, version: int | None, *, organisation_id: int) -> RootRow | None:
    """Return a version of a trust root, the one that counts where none is given; None where there is none such."""
    row = await conn.fetchrow(_FIND, organisation_id, name, version)
    return RootRow(*row) if row is not None else None


async def listed(conn: Connection, *, organisation_id: int) -> list[ListedRootRow]:
    """Return the trust roots of an organisation that count, by name."""
    return [ListedRootRow(*row) for row in await conn.fetch(_LISTED, organisation_id)]


async def contents(conn: Connection, organisation: str) -> dict[str, bytes]:
    """Return what an organisation trusts, by name."""
    return {row[0]: row[1] for row in await conn.fetch(_CONTENTS, organisation)}
