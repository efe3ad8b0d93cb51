"""What a reference names, for those who may see it."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from mediatypes.digest import Digest
from registry.db.pool import Connection
from registry.db.reaching import Reach, seen


class ReferencedRow(NamedTuple):
    """A manifest; `digest` and `subject` as Digest.to_bytes, `size` its own bytes."""

    repository_id: int
    digest: bytes
    media_type: str
    artifact_type: str | None
    subject: bytes | None
    size: int
    pushed_at: datetime


_REPOSITORY: Final = f"SELECT r.id FROM repositories r WHERE r.name = $4 AND {seen('r.name')}"
_FIND: Final = f"""
SELECT r.id, m.digest, m.media_type, m.artifact_type, m.subject, m.size, m.pushed_at
FROM repositories r JOIN manifests m ON m.repository_id = r.id AND m.digest = coalesce($6::bytea, (
    SELECT t.digest FROM tags t WHERE t.repository_id = r.id AND t.name = $5))
WHERE r.name = $4 AND {seen("r.name")}
"""


async def repository(conn: Connection, name: str, *, reach: Reach) -> int | None:
    """Return a repository's id; None where there is none, or not for this asker."""
    found: int | None = await conn.fetchval(_REPOSITORY, *reach, name)
    return found


async def find(conn: Connection, name: str, reference: str | Digest, *, reach: Reach) -> ReferencedRow | None:
    """Return what a tag or a digest names; None where that is nothing, or nothing for this asker."""
    tag, digest = (None, reference.to_bytes()) if isinstance(reference, Digest) else (reference, None)
    row = await conn.fetchrow(_FIND, *reach, name, tag, digest)
    return ReferencedRow(*row) if row is not None else None
