"""What speaks of a manifest: referrers, signature tags, its record; and the number that is another whenever that is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from registry.db.pool import Connection


class ArtifactRow(NamedTuple):
    """A manifest as it is judged; `kind` and `record` are None until it is described, `now` is the database's time."""

    media_type: str
    content: bytes
    evidence: int
    pushed_at: datetime
    now: datetime
    kind: str | None
    record: dict[str, Any] | None


class AttachedRow(NamedTuple):
    """A manifest that speaks of another one; `origin` is `referrer`, or the tag; `content` None where there was no room."""

    origin: str
    digest: bytes
    media_type: str
    content: bytes | None


class PlaceRow(NamedTuple):
    """Where a blob of a repository lies, and its bytes."""

    digest: bytes
    storage_key: str
    size: int


_RAISE: Final = """
UPDATE manifests SET evidence = nextval('evidence_epochs') WHERE repository_id = $1 AND digest = ANY($2::bytea[])
"""
_ARTIFACT: Final = """
SELECT m.media_type, m.content, m.evidence, m.pushed_at, now(), a.kind, a.record -> 'values'
FROM manifests m LEFT JOIN artifacts a ON a.repository_id = m.repository_id AND a.digest = m.digest
WHERE m.repository_id = $1 AND m.digest = $2
"""
# Those of known types first, so that nobody hides a signature behind others; each by its index, however many there are.
_ATTACHED: Final = """
WITH found AS (
    SELECT name AS origin, digest, 0 AS rank FROM tags WHERE repository_id = $1 AND name = ANY($3::text[])
    UNION ALL
    SELECT 'referrer', m.digest, 1 FROM unnest($4::text[]) AS known(type), LATERAL (
        SELECT digest FROM manifests WHERE repository_id = $1 AND subject = $2 AND artifact_type = known.type
        ORDER BY digest LIMIT $5) m
    UNION ALL
    SELECT 'referrer', m.digest, 2 FROM (
        SELECT digest, artifact_type FROM manifests WHERE repository_id = $1 AND subject = $2 ORDER BY digest LIMIT $5) m
    WHERE m.artifact_type IS NULL OR m.artifact_type <> ALL($4::text[])
), chosen AS (
    SELECT f.origin, f.digest, f.rank, m.size FROM found f
    JOIN manifests m ON m.repository_id = $1 AND m.digest = f.digest ORDER BY f.rank, f.digest LIMIT $5
), counted AS (
    SELECT *, sum(size) OVER (ORDER BY rank, digest, origin) AS total FROM chosen
)
SELECT c.origin, c.digest, m.media_type, CASE WHEN c.total <= $6 THEN m.content END
FROM counted c JOIN manifests m ON m.repository_id = $1 AND m.digest = c.digest
ORDER BY c.rank, c.digest, c.origin
"""
_PLACES: Final = """
SELECT b.digest, b.storage_key, b.size FROM repository_blobs l JOIN blobs b ON b.digest = l.digest
WHERE l.repository_id = $1 AND l.digest = ANY($2::bytea[])
"""
_VIOLATIONS: Final = """
SELECT v.schema, v.mode, one ->> 'pointer', one ->> 'rule', one ->> 'message'
FROM schema_violations v, jsonb_array_elements(v.violations) AS one
WHERE v.repository_id = $1 AND v.digest = $2 ORDER BY v.schema LIMIT $3
"""


async def raise_for(conn: Connection, digests: Sequence[bytes], *, repository_id: int) -> None:
    """Say, in the transaction that changes it, that something else is known of manifests; those that aren't there are none."""
    await conn.execute(_RAISE, repository_id, sorted(digests))


async def artifact(conn: Connection, *, repository_id: int, digest: bytes) -> ArtifactRow | None:
    """Return a manifest that is to be judged; None where it is not there."""
    row = await conn.fetchrow(_ARTIFACT, repository_id, digest)
    if row is None:
        return None
    return ArtifactRow(*row)._replace(record=json.loads(row[6]) if row[6] is not None else None)


async def attached(
    conn: Connection,
    *,
    repository_id: int,
    digest: bytes,
    tags: Sequence[str],
    types: Sequence[str],
    limit: int,
    max_bytes: int,
) -> list[AttachedRow]:
    """Return up to `limit` manifests that speak of one: under `tags`, then referrers, of `types` first.

    The contents of the first `max_bytes` of them are told.
    """
    rows = await conn.fetch(_ATTACHED, repository_id, digest, list(tags), list(types), limit, max_bytes)
    return [AttachedRow(*row) for row in rows]


async def places(conn: Connection, digests: Sequence[bytes], *, repository_id: int) -> dict[bytes, PlaceRow]:
    """Return where those of `digests` lie that are blobs of the repository."""
    return {row[0]: PlaceRow(*row) for row in await conn.fetch(_PLACES, repository_id, list(digests))}


async def violations(conn: Connection, *, repository_id: int, digest: bytes, limit: int) -> list[dict[str, str]]:
    """Return where a manifest does not conform to the schemas bound to it."""
    rows = await conn.fetch(_VIOLATIONS, repository_id, digest, limit)
    return [dict(zip(("schema", "mode", "pointer", "rule", "message"), row, strict=True)) for row in rows]
