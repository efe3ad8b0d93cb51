"""What goes with a manifest into another repository: its children, and what refers to any of them."""

from __future__ import annotations

from typing import Final, NamedTuple

from mediatypes.digest import Digest
from mediatypes.names import Tag
from registry.db.pool import Connection


class CopiedRow(NamedTuple):
    """A manifest to be copied: the manifests it names that are in its repository, and the signature tags that name it."""

    digest: Digest
    media_type: str
    children: list[Digest]
    tags: list[Tag]


_SIGNATURE_TAGS: Final = "'sha256-' || encode(substr({digest}, 2), 'hex') || suffix"
_SUFFIXES: Final = "unnest(ARRAY['', '.sig', '.att', '.sbom']) AS suffix"


def _signatures(digest: str) -> str:
    """Return a query of the tags, with what they name, under which signatures of a manifest are found; `digest` is SQL."""
    return f"""
    SELECT t.name, t.digest FROM {_SUFFIXES}, LATERAL (
        SELECT name, digest FROM tags
        WHERE repository_id = $1 AND name = {_SIGNATURE_TAGS.format(digest=digest)} OFFSET 0
    ) t WHERE length({digest}) = 33
    """


# UNION, since it ends whatever names whatever.
_CLOSURE: Final = f"""
WITH RECURSIVE closure AS (
    SELECT $2::bytea AS digest
    UNION
    SELECT n.digest FROM closure c, LATERAL (
        SELECT m.digest FROM manifest_references u, LATERAL (
            SELECT digest FROM manifests WHERE repository_id = $1 AND digest = u.digest OFFSET 0) m
        WHERE u.repository_id = $1 AND u.manifest = c.digest
        UNION ALL
        SELECT digest FROM manifests WHERE repository_id = $1 AND subject = c.digest
        UNION ALL
        SELECT s.digest FROM ({_signatures("c.digest")}) s
    ) n
), found AS MATERIALIZED (SELECT digest FROM closure LIMIT $3)
SELECT m.digest, m.media_type, ARRAY(
        SELECT f.digest FROM manifest_references u JOIN found f ON f.digest = u.digest
        WHERE u.repository_id = $1 AND u.manifest = m.digest AND u.digest <> m.digest ORDER BY 1
    ), ARRAY(
        SELECT s.name FROM found f, LATERAL ({_signatures("f.digest")}) s WHERE s.digest = m.digest ORDER BY 1)
FROM found JOIN manifests m ON m.repository_id = $1 AND m.digest = found.digest
"""
_LINK_BLOBS: Final = """
INSERT INTO repository_blobs (repository_id, digest)
SELECT $2, l.digest FROM manifest_references u
JOIN repository_blobs l ON l.repository_id = $1 AND l.digest = u.digest
WHERE u.repository_id = $1 AND u.manifest = $3 ORDER BY l.digest
ON CONFLICT (repository_id, digest) DO UPDATE SET linked_at = now()
"""
_NAMED: Final = "SELECT name, digest FROM tags WHERE repository_id = $1 AND name = ANY($2::text[])"


async def closure(conn: Connection, digest: Digest, *, repository_id: int, limit: int) -> list[CopiedRow]:
    """Return up to `limit` manifests of a repository: one, all below it, and whatever refers to these; in no order."""
    rows = await conn.fetch(_CLOSURE, repository_id, digest.to_bytes(), limit)
    return [
        CopiedRow(Digest.from_bytes(row[0]), row[1], [Digest.from_bytes(one) for one in row[2]], list(row[3]))
        for row in rows
    ]


async def link_blobs(conn: Connection, digest: Digest, *, source_id: int, target_id: int) -> None:
    """Let a repository serve the blobs of another one that a manifest there names."""
    await conn.execute(_LINK_BLOBS, source_id, target_id, digest.to_bytes())


async def named(conn: Connection, names: list[Tag], *, repository_id: int) -> dict[Tag, Digest]:
    """Return what those of a repository's tags name that are there."""
    rows = await conn.fetch(_NAMED, repository_id, names)
    return {row["name"]: Digest.from_bytes(row["digest"]) for row in rows}
