"""Tags: movable names of manifests, and the history of their moves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from mediatypes.digest import Digest
from mediatypes.names import Tag
from registry.db.pool import Connection
from registry.db.tag_rules import RULED, Asker, Ruled, ruled, rules_of


class TagRow(NamedTuple):
    """A tag, since when it names which manifest, and what that is, None where nobody has found out; `digest` as to_bytes."""

    name: str
    digest: bytes
    updated_at: datetime
    kind: str | None


class MoveRow(NamedTuple):
    """A tag's move; `before` is None where it was new, `after` where it was deleted, `moved_by` where that is nobody known."""

    id: int
    tag: str
    before: bytes | None
    after: bytes | None
    moved_by: str | None
    moved_at: datetime


def noted(moves: str, by: str) -> str:
    """Return the statement that keeps `moves`, a query of name, before and after, in the repository $1's history; both are SQL.

    It is part of those that move tags, since a statement of its own would cost them a round trip.
    """
    return f"""
    INSERT INTO tag_moves (repository_id, tag, before, after, moved_by)
    SELECT $1, name, before, after, {by} FROM ({moves}) AS move
    """


# A tag that names another manifest is locked and stays as it is; `xmax` is 0 of a new row. Rules are of what changes.
_POINT: Final = f"""
WITH pointed AS (
    INSERT INTO tags (repository_id, name, digest) SELECT $1, name, $3 FROM unnest($2::text[]) AS name
    ON CONFLICT (repository_id, name) DO UPDATE SET updated_at = now() WHERE tags.digest = EXCLUDED.digest
    RETURNING name, xmax = 0 AS is_new
), noted AS ({noted("SELECT name, NULL::bytea AS before, $3 AS after FROM pointed WHERE is_new", "$4")})
SELECT w.name, p.name IS NULL AS is_other, coalesce(p.is_new, false) AS is_new, {RULED}
FROM unnest($2::text[]) AS w(name) LEFT JOIN pointed p ON p.name = w.name
LEFT JOIN LATERAL {rules_of("w.name", "$5", "$6::text", "$7::bigint")} ON p.name IS NULL OR p.is_new
ORDER BY w.name
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
SELECT name, digest, {RULED}
FROM deleted LEFT JOIN LATERAL {rules_of("name", "$4", "$5::text", "$6::bigint")} ON true
"""
_PAGE: Final = "SELECT name FROM tags WHERE repository_id = $1 AND name > $2 ORDER BY name LIMIT $3"

_LISTED: Final = """
SELECT t.name, t.digest, t.updated_at, a.kind
FROM tags t LEFT JOIN artifacts a ON a.repository_id = t.repository_id AND a.digest = t.digest
WHERE t.repository_id = $1 AND t.name > $2 ORDER BY t.name LIMIT $3
"""
_NAMES: Final = "SELECT name FROM tags WHERE repository_id = $1 AND digest = $2 ORDER BY name LIMIT $3"
# By tag, since that is how the history lies; of one tag the newest comes first.
_MOVES: Final = """
SELECT id, tag, before, after, moved_by, moved_at FROM tag_moves
WHERE repository_id = $1 AND (tag > $2 OR (tag = $2 AND id < $3)) ORDER BY tag, id DESC LIMIT $4
"""
_MOVES_OF_TAG: Final = """
SELECT id, tag, before, after, moved_by, moved_at FROM tag_moves
WHERE repository_id = $1 AND tag = $2 AND id < $3 ORDER BY id DESC LIMIT $4
"""


async def point(
    conn: Connection,
    names: Sequence[Tag],
    *,
    repository_id: int,
    digest: Digest,
    asker: Asker,
    by: str | None = None,
) -> tuple[list[Tag], list[Ruled]]:
    """Let those of `names` that name nothing yet name the manifest `digest`, which must be there; `by` whom is kept.

    Return those that name another one; they stay, and are locked until the transaction ends. Return, too, which rules those of
    them and those that are new fall under.
    """
    rows = await conn.fetch(_POINT, repository_id, sorted(set(names)), digest.to_bytes(), by, *asker)
    return sorted({row["name"] for row in rows if row["is_other"]}), ruled(rows)


async def move(
    conn: Connection, names: Sequence[Tag], *, repository_id: int, digest: Digest, by: str | None = None
) -> list[tuple[Tag, Digest]]:
    """Let `names`, which `point` has locked, name the manifest `digest`; return which one each named before, by name.

    The history keeps `by` whom.
    """
    rows = await conn.fetch(_MOVE, repository_id, names, digest.to_bytes(), by)
    return sorted((row["name"], Digest.from_bytes(row["digest"])) for row in rows)


async def delete(
    conn: Connection, name: Tag, *, repository_id: int, asker: Asker, by: str | None = None
) -> tuple[Digest | None, list[Ruled]]:
    """Delete a tag; return what it named, None where there is none, and which rules it fell under.

    The history keeps `by` whom.
    """
    rows = await conn.fetch(_DELETE, repository_id, name, by, *asker)
    return (Digest.from_bytes(rows[0]["digest"]) if rows else None), ruled(rows, is_new=False)


async def page(conn: Connection, *, repository_id: int, after: str, limit: int) -> list[str]:
    """Return up to `limit` tags in byte order, those after `after`."""
    return [row["name"] for row in await conn.fetch(_PAGE, repository_id, after, limit)]


async def listed(conn: Connection, *, repository_id: int, after: str, limit: int) -> list[TagRow]:
    """Return up to `limit` tags in byte order, those after `after`, with what they name."""
    return [TagRow(*row) for row in await conn.fetch(_LISTED, repository_id, after, limit)]


async def names_of(conn: Connection, *, repository_id: int, digest: bytes, limit: int) -> list[str]:
    """Return up to `limit` tags that name a manifest, in byte order."""
    return [row["name"] for row in await conn.fetch(_NAMES, repository_id, digest, limit)]


async def moves(
    conn: Connection, *, repository_id: int, tag: str | None, after: tuple[str, int], limit: int
) -> list[MoveRow]:
    """Return up to `limit` moves of a tag, or of all by tag, of each the newest first; those after (tag, id)."""
    if tag is None:
        rows = await conn.fetch(_MOVES, repository_id, *after, limit)
    else:
        rows = await conn.fetch(_MOVES_OF_TAG, repository_id, tag, after[1], limit)
    return [MoveRow(*row) for row in rows]
