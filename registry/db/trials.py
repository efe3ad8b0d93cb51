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
_SINCE: Final = "($3::timestamptz IS NULL OR v.moved_at >= $3)"
# Each step goes by an index in the order of the page, and ends when that is full: a history is as long as it is.
_PAGE: Final = f"""
SELECT r.id, r.name, f.digest, ARRAY(
    SELECT t.name FROM tags t WHERE t.repository_id = r.id AND t.digest = f.digest AND t.name !~ {_SIGNATURE_TAG}
    UNION
    SELECT v.tag FROM tag_moves v
    WHERE v.repository_id = r.id AND v.after = f.digest AND {_SINCE} AND v.tag !~ {_SIGNATURE_TAG}
    ORDER BY 1 LIMIT 10)
FROM (
    SELECT r.id, r.name, CASE WHEN r.name = $4 THEN $5::bytea ELSE ''::bytea END AS after
    FROM repositories r, (SELECT $1::text AS target, $2::boolean AS is_prefix) e
    WHERE {on(path_of("r.name"))} AND r.name >= $4 ORDER BY r.name OFFSET 0
) r CROSS JOIN LATERAL (
    SELECT digest FROM (
        (SELECT DISTINCT t.digest FROM tags t
            WHERE t.repository_id = r.id AND t.digest > r.after AND t.name !~ {_SIGNATURE_TAG}
            ORDER BY t.digest LIMIT $6)
        UNION
        (SELECT DISTINCT v.after FROM tag_moves v
            WHERE v.repository_id = r.id AND v.after > r.after AND {_SINCE} AND v.tag !~ {_SIGNATURE_TAG}
                AND EXISTS (SELECT FROM manifests m WHERE m.repository_id = r.id AND m.digest = v.after)
            ORDER BY v.after LIMIT $6)
    ) named ORDER BY digest LIMIT $6
) f
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
