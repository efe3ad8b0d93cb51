"""Which artifacts a policy would have decided on: those that tags name, or have named."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from registry.db.pool import Connection
from registry.db.rights import on, path_of


class TriedRow(NamedTuple):
    """A manifest, and some of the tags that name it or have named it; `digest` as Digest.to_bytes."""

    repository_id: int
    repository: str
    digest: bytes
    tags: list[str]


_SIGNATURE_TAG: Final = r"'^sha256-[0-9a-f]{64}(\.(sig|att|sbom))?$'"
_PAGE: Final = f"""
SELECT r.id, r.name, f.digest, f.tags
FROM repositories r, (SELECT $1::text AS target, $2::boolean AS is_prefix) e, LATERAL (
    SELECT digest, (array_agg(DISTINCT tag ORDER BY tag))[:10] AS tags FROM (
        SELECT t.digest, t.name AS tag FROM tags t WHERE t.repository_id = r.id
        UNION ALL
        SELECT v.after, v.tag FROM tag_moves v
        WHERE v.repository_id = r.id AND v.after IS NOT NULL AND ($3::timestamptz IS NULL OR v.moved_at >= $3)
    ) named
    WHERE tag !~ {_SIGNATURE_TAG}
        AND EXISTS (SELECT FROM manifests m WHERE m.repository_id = r.id AND m.digest = named.digest)
    GROUP BY digest
) f
WHERE {on(path_of("r.name"))} AND r.name >= $4 AND (r.name, f.digest) > ($4, $5::bytea)
ORDER BY r.name, f.digest LIMIT $6
"""


async def page(
    conn: Connection,
    target: tuple[str, bool],
    *,
    since: datetime | None,
    after: tuple[str, bytes],
    limit: int,
) -> list[TriedRow]:
    """Return up to `limit` stored manifests of a target, as of grants, behind (repository, digest), by these.

    They are those that tags name, and those that tags have named since then; None: ever.
    """
    return [TriedRow(*row) for row in await conn.fetch(_PAGE, *target, since, *after, limit)]
