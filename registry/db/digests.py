"""Digests of tensors' bytes: which tensor indexes lack them, and what is filled in.

Only files that lie in their blob as they are have digests: a blob that is one file (a manner of `raw:`), and plain archives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from registry.db.artifacts import HeldRow
from registry.db.outbox import DIGESTS_ASKED
from registry.db.pool import Connection


class UndigestedRow(NamedTuple):
    """The tensors of a file of a blob: how that was read, the file's path in it, where it begins there, and its size.

    `start` is None where its bytes don't lie there in one piece; `content` is the index (mediatypes.files.tensor_index).
    """

    manner: str
    path: str
    start: int | None
    size: int | None
    content: bytes


class DigestedRow(NamedTuple):
    """What is filled into which index: that of this `content`, and no other that has come into its place."""

    manner: str
    path: str
    content_hash: bytes  # SHA-256
    digests: bytes


def _undigested(repository: str, digest: str) -> str:
    """Return what yields the blobs of an artifact that have an index without digests; both are SQL."""
    return f"""
    SELECT f.blob FROM (
        SELECT DISTINCT blob, manner FROM artifact_files
        WHERE repository_id = {repository} AND digest = {digest} AND packing IN ('raw', 'tar')
    ) f WHERE EXISTS (
        SELECT FROM tensor_indexes t
        WHERE t.digest = f.blob AND t.manner = f.manner AND t.digests IS NULL)
    """


_IS_LACKING: Final = f"SELECT 1 FROM ({_undigested('$1', '$2')}) f LIMIT 1"
_BLOBS: Final = f"""
SELECT DISTINCT b.digest, b.storage_key, b.size FROM ({_undigested("$1", "$2")}) f
JOIN repository_blobs l ON l.repository_id = $1 AND l.digest = f.blob JOIN blobs b ON b.digest = l.digest
ORDER BY b.digest
"""
# Artifacts are looked through so many at a time, however few of them have tensors.
_ASK: Final = f"""
WITH page AS (
    SELECT digest FROM artifacts WHERE repository_id = $1 AND digest > $2 ORDER BY digest LIMIT $3
), asked AS (
    SELECT digest FROM page WHERE EXISTS ({_undigested("$1", "page.digest")})
), told AS (
    INSERT INTO outbox (kind, repository_id, digest) SELECT '{DIGESTS_ASKED}', $1, digest FROM asked
)
SELECT p.digest, a.digest IS NOT NULL AS is_asked FROM page p LEFT JOIN asked a ON a.digest = p.digest ORDER BY p.digest
"""
# The same bytes under another name, read by the same reader, have the same tensors at the same places.
_COPY: Final = """
UPDATE tensor_indexes t SET digests = o.digests FROM tensor_indexes o
WHERE t.digest = $1 AND t.path = '' AND t.digests IS NULL
    AND o.digest = $1 AND o.path = '' AND o.digests IS NOT NULL AND o.content = t.content
"""
_NEXT: Final = """
WITH members AS MATERIALIZED (
    SELECT e ->> 'path' AS path, (e ->> 'start')::bigint AS start, (e ->> 'size')::bigint AS size
    FROM readings r, jsonb_array_elements(r.reading -> 'files') e WHERE r.digest = $1 AND r.manner = 'tar'
), undigested AS (
    SELECT t.manner, t.path, t.tensors, CASE t.manner WHEN 'tar' THEN m.start ELSE 0 END AS start,
        CASE t.manner WHEN 'tar' THEN m.size ELSE b.size END AS size
    FROM tensor_indexes t JOIN blobs b ON b.digest = t.digest LEFT JOIN members m ON t.manner = 'tar' AND m.path = t.path
    WHERE t.digest = $1 AND t.digests IS NULL AND split_part(t.manner, ':', 1) IN ('raw', 'tar')
), counted AS (
    SELECT manner, path, start, size, sum(tensors) OVER place - tensors AS before FROM undigested
    WINDOW place AS (ORDER BY start NULLS FIRST, path, manner)
)
SELECT c.manner, c.path, c.start, c.size, t.content
FROM counted c JOIN tensor_indexes t ON t.digest = $1 AND t.manner = c.manner AND t.path = c.path
WHERE c.before < $2 ORDER BY c.start NULLS FIRST, c.path, c.manner
"""
_FILL: Final = """
UPDATE tensor_indexes t SET digests = f.digests
FROM unnest($2::text[], $3::text[], $4::bytea[], $5::bytea[]) AS f(manner, path, content_hash, digests)
WHERE t.digest = $1 AND t.manner = f.manner AND t.path = f.path AND sha256(t.content) = f.content_hash
"""


async def is_lacking(conn: Connection, *, repository_id: int, digest: bytes) -> bool:
    """Say whether an artifact has tensors that could have digests and have none."""
    return await conn.fetchval(_IS_LACKING, repository_id, digest) is not None


async def blobs(conn: Connection, *, repository_id: int, digest: bytes) -> list[HeldRow]:
    """Return the blobs of an artifact, and of its repository, that have tensors without digests."""
    return [HeldRow(*row) for row in await conn.fetch(_BLOBS, repository_id, digest)]


async def ask(conn: Connection, *, repository_id: int, after: bytes, limit: int) -> tuple[int, bytes | None]:
    """Ask for digests of those of the next `limit` artifacts of a repository that lack them, beginning behind `after`.

    Return of how many, and the last artifact that was looked at; None where that was the repository's last one.
    """
    rows = await conn.fetch(_ASK, repository_id, after, limit)
    return sum(row["is_asked"] for row in rows), rows[-1]["digest"] if len(rows) == limit else None


async def undigested(conn: Connection, blob: bytes, *, most: int) -> list[UndigestedRow]:
    """Return tensor indexes of a blob that have no digests, in the order of the files, up to that with the tensor `most`.

    What is known already, since the same bytes were read under another name, is filled in before.
    """
    await conn.execute(_COPY, blob)
    return [UndigestedRow(*row) for row in await conn.fetch(_NEXT, blob, most)]


async def fill(conn: Connection, blob: bytes, rows: Sequence[DigestedRow]) -> None:
    """Fill digests into tensor indexes of a blob; not into one that another has replaced meanwhile."""
    await conn.execute(_FILL, blob, *map(list, zip(*rows, strict=True)))
