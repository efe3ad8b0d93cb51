"""What is kept of artifacts, as it is told: records, files, what was read of them, and their tensors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from registry.db.pool import Connection


class ListedRow(NamedTuple):
    """A manifest of a repository, and what it is; `kind`, `format` and `is_complete` are None until that is found out."""

    digest: bytes
    media_type: str
    artifact_type: str | None
    pushed_at: datetime
    size: int
    kind: str | None
    format: str | None
    is_complete: bool | None
    tags: list[str]


class DescribedRow(NamedTuple):
    """What an artifact is; `record` is {"values", "sources"} of mediatypes.record, `size` with its layers'."""

    kind: str
    format: str
    size: int
    finding: str | None
    record: dict[str, Any]
    is_complete: bool
    problem: str | None
    described_at: datetime


class FoundFileRow(NamedTuple):
    """A file of an artifact (registry.db.artifacts.FileRow), and how many tensors it has; None: it is read for none."""

    path: str
    blob: bytes
    packing: str
    start: int | None
    size: int
    role: str
    format: str | None
    tensors: int | None


class StoredFileRow(NamedTuple):
    """A file of an artifact and where its blob lies, None where the repository doesn't hold that; sizes in bytes."""

    path: str
    blob: bytes
    packing: str
    start: int | None
    size: int
    storage_key: str | None
    blob_size: int | None


class TensorCounts(NamedTuple):
    """How many files of an artifact have tensors, how many these are, and the bytes of their indexes as they are kept."""

    files: int
    tensors: int
    size: int


class TensorsRow(NamedTuple):
    """The tensors of a file: their number, index (mediatypes.files.tensor_index), and the digests of their bytes, if known."""

    path: str
    tensors: int
    content: bytes
    digests: bytes | None


class FindingRow(NamedTuple):
    """What whoever loads a file should know."""

    path: str
    level: str
    rule: str
    message: str


_TAGS: Final = 100  # of one manifest
_PAGE: Final = f"""
SELECT m.digest, m.media_type, m.artifact_type, m.pushed_at, coalesce(a.size, m.size), a.kind, a.format, a.is_complete, ARRAY(
    SELECT t.name FROM tags t WHERE t.repository_id = m.repository_id AND t.digest = m.digest ORDER BY t.name LIMIT {_TAGS})
FROM manifests m LEFT JOIN artifacts a ON a.repository_id = m.repository_id AND a.digest = m.digest
WHERE m.repository_id = $1 AND m.digest > $2 ORDER BY m.digest LIMIT $3
"""
_FIND: Final = """
SELECT kind, format, size, finding, record, is_complete, problem, described_at FROM artifacts
WHERE repository_id = $1 AND digest = $2
"""
_TENSORS_OF: Final = "tensor_indexes x ON x.digest = f.blob AND x.manner = f.manner AND x.path = f.inner_path"
_FILES: Final = f"""
SELECT f.path, f.blob, f.packing, f.start, f.size, f.role, f.format, x.tensors
FROM artifact_files f LEFT JOIN {_TENSORS_OF}
WHERE f.repository_id = $1 AND f.digest = $2 AND f.path > $3 ORDER BY f.path LIMIT $4
"""
_FILE: Final = """
SELECT f.path, f.blob, f.packing, f.start, f.size, b.storage_key, b.size
FROM artifact_files f
LEFT JOIN repository_blobs l ON l.repository_id = f.repository_id AND l.digest = f.blob
LEFT JOIN blobs b ON b.digest = l.digest
WHERE f.repository_id = $1 AND f.digest = $2 AND f.path = $3
"""
_TENSORS: Final = f"""
SELECT f.path, x.tensors, x.content, CASE WHEN $6 THEN x.digests END FROM artifact_files f JOIN {_TENSORS_OF}
WHERE f.repository_id = $1 AND f.digest = $2 AND f.path >= $3 AND ($4::text IS NULL OR f.path = $4) ORDER BY f.path LIMIT $5
"""
_TENSOR_COUNTS: Final = f"""
SELECT count(*), coalesce(sum(x.tensors), 0)::bigint, coalesce(sum(octet_length(x.content)), 0)::bigint
FROM artifact_files f JOIN {_TENSORS_OF} WHERE f.repository_id = $1 AND f.digest = $2
"""
# A blob's files are looked through once, not once for each of them.
_FINDINGS: Final = """
WITH listed AS MATERIALIZED (
    SELECT path, blob, packing, manner, inner_path FROM artifact_files WHERE repository_id = $1 AND digest = $2
), read AS MATERIALIZED (
    SELECT r.digest AS blob, r.manner, e ->> 'path' AS path, e -> 'findings' AS findings
    FROM (SELECT DISTINCT blob, manner FROM listed) l JOIN readings r ON r.digest = l.blob AND r.manner = l.manner,
        jsonb_array_elements(r.reading -> 'files') e
    WHERE jsonb_array_length(e -> 'findings') > 0
)
SELECT l.path, x ->> 'level', x ->> 'rule', x ->> 'message'
FROM read r JOIN listed l ON l.blob = r.blob AND l.manner = r.manner AND (l.packing = 'raw' OR l.inner_path = r.path),
    jsonb_array_elements(r.findings) x
ORDER BY x ->> 'level', 1 LIMIT $3
"""
_RAW: Final = """
WITH page AS (
    SELECT f.path, f.blob, f.packing, f.manner, f.inner_path FROM artifact_files f
    WHERE f.repository_id = $1 AND f.digest = $2 AND f.path > $3 ORDER BY f.path LIMIT $4
), blobs AS (SELECT DISTINCT blob, manner FROM page), read AS (
    SELECT b.blob, b.manner, e ->> 'path' AS path, e AS file
    FROM blobs b JOIN readings r ON r.digest = b.blob AND r.manner = b.manner, jsonb_array_elements(r.reading -> 'files') e
)
SELECT p.path, r.file FROM page p
LEFT JOIN read r ON r.blob = p.blob AND r.manner = p.manner AND (p.packing = 'raw' OR r.path = p.inner_path)
ORDER BY p.path
"""


async def page(conn: Connection, *, repository_id: int, after: bytes, limit: int) -> list[ListedRow]:
    """Return up to `limit` manifests of a repository in the order of their digests, those after `after`."""
    return [ListedRow(*row) for row in await conn.fetch(_PAGE, repository_id, after, limit)]


async def find(conn: Connection, *, repository_id: int, digest: bytes) -> DescribedRow | None:
    """Return what an artifact is; None where nobody has found out."""
    row = await conn.fetchrow(_FIND, repository_id, digest)
    if row is None:
        return None
    found = DescribedRow(*row)
    return found._replace(record=json.loads(row["record"]))


async def files(conn: Connection, *, repository_id: int, digest: bytes, after: str, limit: int) -> list[FoundFileRow]:
    """Return up to `limit` files of an artifact in the byte order of their paths, those after `after`."""
    return [FoundFileRow(*row) for row in await conn.fetch(_FILES, repository_id, digest, after, limit)]


async def file(conn: Connection, path: str, *, repository_id: int, digest: bytes) -> StoredFileRow | None:
    """Return a file of an artifact; None where it has none such."""
    row = await conn.fetchrow(_FILE, repository_id, digest, path)
    return StoredFileRow(*row) if row is not None else None


async def tensors(
    conn: Connection, *, repository_id: int, digest: bytes, since: str, path: str | None, limit: int, with_digests: bool
) -> list[TensorsRow]:
    """Return the tensors of up to `limit` files of an artifact, in byte order from `since` on, or of the one `path`.

    Digests are a blob's, whoever has asked for them: they are for repositories that ask for them themselves.
    """
    rows = await conn.fetch(_TENSORS, repository_id, digest, since, path, limit, with_digests)
    return [TensorsRow(*row) for row in rows]


async def tensor_counts(conn: Connection, *, repository_id: int, digest: bytes) -> TensorCounts:
    """Return what `tensors` would return of all files of an artifact, in numbers."""
    row = await conn.fetchrow(_TENSOR_COUNTS, repository_id, digest)
    assert row is not None
    return TensorCounts(*row)


async def findings(conn: Connection, *, repository_id: int, digest: bytes, limit: int) -> list[FindingRow]:
    """Return up to `limit` findings in an artifact's files, the dangerous first."""
    return [FindingRow(*row) for row in await conn.fetch(_FINDINGS, repository_id, digest, limit)]


async def read_of_files(
    conn: Connection, *, repository_id: int, digest: bytes, after: str, limit: int
) -> Sequence[tuple[str, dict[str, Any] | None]]:
    """Return (path, what was read of it) of up to `limit` files of an artifact, those after `after`; None where nothing was."""
    rows = await conn.fetch(_RAW, repository_id, digest, after, limit)
    return [(row[0], json.loads(row[1]) if row[1] is not None else None) for row in rows]
