"""Tags: movable names of manifests, and the history of their moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mediatypes.digest import Digest
from mediatypes.names import Tag
from registry.db.pool import Connection


def noted(moves: str, by: str) -> str:
    """Return the statement that keeps `moves`, a query of name, before and after, in the repository $1's history; both are SQL.

    It is part of those that move tags, since a statement of its own would cost them a round trip.
    """
    return f"""
    INSERT INTO tag_moves (repository_id, tag, before, after, moved_by)
    SELECT $1, name, before, after, {by} FROM ({moves}) AS move
    """


# A tag that names another manifest is locked, stays as it is, and is not among the answers; `xmax` is 0 of a new row.
_POINT: Final = f"""
WITH pointed AS (
    INSERT INTO tags (repository_id, name, digest) SELECT $1, name, $3 FROM unnest($2::text[]) AS name
    ON CONFLICT (repository_id, name) DO UPDATE SET updated_at = now() WHERE tags.digest = EXCLUDED.digest
    RETURNING name, xmax = 0 AS is_new
), noted AS ({noted("SELECT name, NULL::bytea AS before, $3 AS after FROM pointed WHERE is_new", "$4")})
SELECT name FROM pointed
"""
# Of locked rows: what they were is what they have been until now.
_MOVE: Final = f"""
WITH moved AS (
    UPDATE tags t SET digest = $3, updated_at = now() FROM tags was
    WHERE t.repository_id = $1 AND t.name = ANY($2::text[]) AND was.repository_id = t.repository_id AND was.name = t.name
    RETURNING t.name, was.digest
), noted AS ({noted("SELECT name, digest AS before, $3 AS after FROM moved", "$4")})
SELECT name, digest FROM moved
"""
_DELETE: Final = f"""
WITH deleted AS (DELETE FROM tags WHERE repository_id = $1 AND name = $2 RETURNING name, digest),
noted AS ({noted("SELECT name, digest AS before, NULL::bytea AS after FROM deleted", "$3")})
SELECT digest FROM deleted
"""
_PAGE: Final = "SELECT name FROM tags WHERE repository_id = $1 AND name > $2 ORDER BY name LIMIT $3"


async def point(
    conn: Connection, names: Sequence[Tag], *, repository_id: int, digest: Digest, by: str | None = None
) -> list[Tag]:
    """Let those of `names` that name nothing yet name the manifest `digest`, which must be there; `by` whom is kept.

    Return those that name another one; they stay, and are locked until the transaction ends.
    """
    rows = await conn.fetch(_POINT, repository_id, sorted(set(names)), digest.to_bytes(), by)
    return sorted(set(names) - {row["name"] for row in rows})


async def move(
    conn: Connection, names: Sequence[Tag], *, repository_id: int, digest: Digest, by: str | None = None
) -> list[tuple[Tag, Digest]]:
    """Let `names`, which `point` has locked, name the manifest `digest`; return which one each named before, by name.

    The history keeps `by` whom.
    """
    rows = await conn.fetch(_MOVE, repository_id, names, digest.to_bytes(), by)
    return sorted((row["name"], Digest.from_bytes(row["digest"])) for row in rows)


async def delete(conn: Connection, name: Tag, *, repository_id: int, by: str | None = None) -> Digest | None:
    """Delete a tag and return what it named, None where there is none; the history keeps `by` whom."""
    packed: bytes | None = await conn.fetchval(_DELETE, repository_id, name, by)
    return None if packed is None else Digest.from_bytes(packed)


async def page(conn: Connection, *, repository_id: int, after: str, limit: int) -> list[str]:
    """Return up to `limit` tags in byte order, those after `after`."""
    return [row["name"] for row in await conn.fetch(_PAGE, repository_id, after, limit)]
