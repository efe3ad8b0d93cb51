"""Tags: movable names of manifests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mediatypes.digest import Digest
from mediatypes.names import Tag
from registry.db.pool import Connection

# A tag that names another manifest is locked, stays as it is, and is not among the answers.
_POINT: Final = """
INSERT INTO tags (repository_id, name, digest) SELECT $1, name, $3 FROM unnest($2::text[]) AS name
ON CONFLICT (repository_id, name) DO UPDATE SET updated_at = now() WHERE tags.digest = EXCLUDED.digest
RETURNING name
"""
# Of locked rows: what they were is what they have been until now.
_MOVE: Final = """
UPDATE tags t SET digest = $3, updated_at = now() FROM tags was
WHERE t.repository_id = $1 AND t.name = ANY($2::text[]) AND was.repository_id = t.repository_id AND was.name = t.name
RETURNING t.name, was.digest
"""
_DELETE: Final = "DELETE FROM tags WHERE repository_id = $1 AND name = $2 RETURNING digest"
_PAGE: Final = "SELECT name FROM tags WHERE repository_id = $1 AND name > $2 ORDER BY name LIMIT $3"


async def point(conn: Connection, names: Sequence[Tag], *, repository_id: int, digest: Digest) -> list[Tag]:
    """Let those of `names` that name nothing yet name the manifest `digest`, which must be there.

    Return those that name another one; they stay, and are locked until the transaction ends.
    """
    rows = await conn.fetch(_POINT, repository_id, sorted(set(names)), digest.to_bytes())
    return sorted(set(names) - {row["name"] for row in rows})


async def move(
    conn: Connection, names: Sequence[Tag], *, repository_id: int, digest: Digest
) -> list[tuple[Tag, Digest]]:
    """Let `names`, which `point` has locked, name the manifest `digest`; return which one each named before, by name."""
    rows = await conn.fetch(_MOVE, repository_id, names, digest.to_bytes())
    return sorted((row["name"], Digest.from_bytes(row["digest"])) for row in rows)


async def delete(conn: Connection, name: Tag, *, repository_id: int) -> Digest | None:
    """Delete a tag and return what it named; None where there is none."""
    packed: bytes | None = await conn.fetchval(_DELETE, repository_id, name)
    return None if packed is None else Digest.from_bytes(packed)


async def page(conn: Connection, *, repository_id: int, after: str, limit: int) -> list[str]:
    """Return up to `limit` tags in byte order, those after `after`."""
    return [row["name"] for row in await conn.fetch(_PAGE, repository_id, after, limit)]
