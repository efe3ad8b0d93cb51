"""Which referrers the registry itself has made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from registry.db.pool import Connection

TENSOR_INDEX: Final = "tensor-index"
"""What a referrer is about that holds tensors."""


class OwnRow(NamedTuple):
    """A referrer of the registry's own, the hash of what it says, and whether it was pushed and is there."""

    digest: bytes
    basis: bytes | None
    is_stored: bool


_OF_FILES: Final = """
FROM artifact_files f JOIN tensor_indexes t ON t.digest = f.blob AND t.manner = f.manner AND t.path = f.inner_path
WHERE f.repository_id = $1 AND f.digest = $2
"""
_HAS_TENSORS: Final = f"SELECT 1 {_OF_FILES} LIMIT 1"
_COUNT: Final = f"SELECT coalesce(sum(t.tensors), 0)::bigint {_OF_FILES}"
_TENSORS: Final = f"SELECT f.path, t.content {_OF_FILES} ORDER BY f.path"
_ADD_PROBLEM: Final = """
UPDATE artifacts SET problem = concat_ws('; ', problem, $3::text)
WHERE repository_id = $1 AND digest = $2 AND strpos(coalesce(problem, ''), $3) = 0
"""
_ADD: Final = """
INSERT INTO publications (repository_id, subject, digest, about, basis)
SELECT repository_id, digest, $3, $4, $5 FROM manifests WHERE repository_id = $1 AND digest = $2 FOR KEY SHARE
ON CONFLICT (repository_id, subject, digest) DO UPDATE SET basis = EXCLUDED.basis
"""
_OF: Final = """
SELECT p.digest, p.basis, m.digest IS NOT NULL AS is_stored FROM publications p
LEFT JOIN manifests m ON m.repository_id = p.repository_id AND m.digest = p.digest
WHERE p.repository_id = $1 AND p.subject = $2 AND p.about = $3 ORDER BY p.digest
"""
_REMOVE: Final = "DELETE FROM publications WHERE repository_id = $1 AND subject = $2 AND digest = $3"


async def has_tensors(conn: Connection, *, repository_id: int, digest: bytes) -> bool:
    """Say whether tensors were found in an artifact's files."""
    return await conn.fetchval(_HAS_TENSORS, repository_id, digest) is not None


async def tensors(
    conn: Connection, *, repository_id: int, digest: bytes, most: int
) -> tuple[int, Sequence[tuple[str, bytes]]]:
    """Return how many tensors an artifact's files have, and by path their indexes; none where they are more than `most`."""
    count: int = await conn.fetchval(_COUNT, repository_id, digest)
    rows = await conn.fetch(_TENSORS, repository_id, digest) if 0 < count <= most else []
    return count, [(row["path"], row["content"]) for row in rows]


async def add_problem(conn: Connection, problem: str, *, repository_id: int, digest: bytes) -> None:
    """Add to what is told of an artifact why its tensors are not published; not twice."""
    await conn.execute(_ADD_PROBLEM, repository_id, digest, problem)


async def add(
    conn: Connection,
    digest: bytes,
    *,
    repository_id: int,
    subject: bytes,
    about: str,
    basis: bytes,
) -> None:
    """Note that a referrer is the registry's own, what it is about, and the hash of what it says; nothing without a subject."""
    await conn.execute(_ADD, repository_id, subject, digest, about, basis)


async def of(conn: Connection, *, repository_id: int, subject: bytes, about: str) -> list[OwnRow]:
    """Return the registry's own referrers of a subject that are about something."""
    return [OwnRow(*row) for row in await conn.fetch(_OF, repository_id, subject, about)]


async def remove(conn: Connection, digest: bytes, *, repository_id: int, subject: bytes) -> None:
    """Forget a referrer that is no more."""
    await conn.execute(_REMOVE, repository_id, subject, digest)
