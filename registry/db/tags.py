"""Tags: movable names of manifests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mediatypes.digest import Digest
from mediatypes.names import Tag
from registry.db.pool import Connection

_SET: Final = """
INSERT INTO tags (repository_id, name, digest) SELECT $1, name, $3 FROM unnest($2::text[]) AS name
ON CONFLICT (repository_id, name) DO UPDATE SET digest = EXCLUDED.digest, updated_at = now()
"""
# A tag that names the manifest already stays as it is, one that names another one is not among the answers.
_SET_NEW: Final = f"{_SET.rstrip()} WHERE tags.digest = EXCLUDED.digest RETURNING name"
_DELETE: Final = "DELETE FROM tags WHERE repository_id = $1 AND name = $2 RETURNING 1"
_PAGE: Final = "SELECT name FROM tags WHERE repository_id = $1 AND name > $2 ORDER BY name LIMIT $3"


async def point(conn: Connection, names: Sequence[Tag], *, repository_id: int, digest: Digest) -> None:
    """Let `names` name the manifest `digest`, which must be there."""
    await conn.execute(_SET, repository_id, sorted(set(names)), digest.to_bytes())


async def point_new(conn: Connection, names: Sequence[Tag], *, repository_id: int, digest: Digest) -> list[Tag]:
    """Do what `point` does for those of `names` that name nothing yet, or this manifest; return the others, which stay."""
    set_ = {row["name"] for row in await conn.fetch(_SET_NEW, repository_id, sorted(set(names)), digest.to_bytes())}
    return sorted(set(names) - set_)


async def delete(conn: Connection, name: Tag, *, repository_id: int) -> bool:
    """Delete a tag; return False where there is none."""
    return await conn.fetchval(_DELETE, repository_id, name) is not None


async def page(conn: Connection, *, repository_id: int, after: str, limit: int) -> list[str]:
    """Return up to `limit` tags in byte order, those after `after`."""
    return [row["name"] for row in await conn.fetch(_PAGE, repository_id, after, limit)]
