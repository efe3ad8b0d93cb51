"""Artifacts: manifests as what they are to their users, with their files and metrics."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from registry.db.pool import Connection
from registry.db.search import words


class SubjectRow(NamedTuple):
    """A manifest that is to be described, its repository's name, and the tags that name it."""

    repository: str
    media_type: str
    content: bytes
    tags: list[str]


class HeldRow(NamedTuple):
    """A blob of a repository; `digest` as Digest.to_bytes."""

    digest: bytes
    storage_key: str
    size: int


class ArtifactRow(NamedTuple):
    """What an artifact is, in the order of the statement; `record` is JSON."""

    kind: str
    format: str
    artifact_type: str | None
    size: int
    framework: str | None
    weights_format: str | None
    architecture: str | None
    family: str | None
    parameters: int | None
    precision: str | None
    quantization: str | None
    context_length: int | None
    rows: int | None
    licenses: list[str]
    languages: list[str]
    tasks: list[str]
    base_models: list[str]
    datasets: list[str]
    labels: list[str]
    finding: str | None
    record: str
    record_version: int
    readers_version: int
    is_complete: bool
    problem: str | None


class MetricRow(NamedTuple):
    """A number that an artifact has reached."""

    name: str
    value: float
    dataset: str | None
    split: str | None


class FileRow(NamedTuple):
    """A file of an artifact; `start` is where its bytes begin in its blob, or in what that becomes where it is compressed.

    It is None where they don't lie there in one piece. What was read of it stands in the blob's reading of this `manner`, its
    tensors there by the `inner_path`: that in an archive, "" where the blob is the file.
    """

    path: str
    blob: bytes
    packing: str
    manner: str
    inner_path: str
    start: int | None
    size: int
    role: str
    format: str | None


_SUBJECT: Final = """
SELECT r.name, m.media_type, m.content,
    ARRAY(SELECT t.name FROM tags t WHERE t.repository_id = m.repository_id AND t.digest = m.digest)
FROM manifests m JOIN repositories r ON r.id = m.repository_id
WHERE m.repository_id = $1 AND m.digest = $2
"""
_HELD: Final = """
SELECT b.digest, b.storage_key, b.size FROM repository_blobs l JOIN blobs b ON b.digest = l.digest
WHERE l.repository_id = $1 AND l.digest = ANY($2::bytea[])
"""
_LOCK: Final = "SELECT 1 FROM manifests WHERE repository_id = $1 AND digest = $2 FOR KEY SHARE"
_IS_KEPT: Final = """
SELECT 1 FROM artifacts WHERE repository_id = $1 AND digest = $2 AND kind = $3 AND record = $4::jsonb
"""
_COLUMNS: Final = ", ".join(ArtifactRow._fields)
_PLACES: Final = ", ".join(
    f"${number}{'::jsonb' if name == 'record' else ''}" for number, name in enumerate(ArtifactRow._fields, 3)
)
_RECORD: Final = f"${ArtifactRow._fields.index('record') + 3}::jsonb"
_PUT: Final = f"""
INSERT INTO artifacts (repository_id, digest, {_COLUMNS}, words, pushed_at)
SELECT m.repository_id, m.digest, {_PLACES}, {words("r.name", _RECORD)}, m.pushed_at
FROM manifests m JOIN repositories r ON r.id = m.repository_id
WHERE m.repository_id = $1 AND m.digest = $2
ON CONFLICT (repository_id, digest) DO UPDATE
    SET ({_COLUMNS}, words, pushed_at, described_at)
        = ({", ".join(f"EXCLUDED.{name}" for name in ArtifactRow._fields)}, EXCLUDED.words, EXCLUDED.pushed_at, now())
"""
_CLEAR_METRICS: Final = "DELETE FROM artifact_metrics WHERE repository_id = $1 AND digest = $2"
_CLEAR_FILES: Final = "DELETE FROM artifact_files WHERE repository_id = $1 AND digest = $2"
_PUT_METRICS: Final = """
INSERT INTO artifact_metrics (repository_id, digest, name, value, dataset, split)
SELECT $1, $2, name, value, dataset, split
FROM unnest($3::text[], $4::float8[], $5::text[], $6::text[]) AS m(name, value, dataset, split)
"""
_PUT_FILES: Final = """
INSERT INTO artifact_files (repository_id, digest, path, blob, packing, manner, inner_path, start, size, role, format)
SELECT $1, $2, path, blob, packing, manner, inner_path, start, size, role, format
FROM unnest($3::text[], $4::bytea[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::text[], $11::text[])
    AS f(path, blob, packing, manner, inner_path, start, size, role, format)
"""
_RECORDS: Final = """
SELECT digest, kind, record FROM artifacts WHERE repository_id = $1 AND digest = ANY($2::bytea[])
"""


async def subject(conn: Connection, *, repository_id: int, digest: bytes) -> SubjectRow | None:
    """Return a manifest that is to be described; None where it is gone."""
    row = await conn.fetchrow(_SUBJECT, repository_id, digest)
    return SubjectRow(*row) if row is not None else None


async def held(conn: Connection, digests: Sequence[bytes], *, repository_id: int) -> dict[bytes, HeldRow]:
    """Return those of `digests` that are blobs of the repository."""
    return {row[0]: HeldRow(*row) for row in await conn.fetch(_HELD, repository_id, list(digests))}


async def records(
    conn: Connection, digests: Sequence[bytes], *, repository_id: int
) -> dict[bytes, tuple[str, dict[str, Any]]]:
    """Return (kind, record) of those of `digests` that are described artifacts of the repository."""
    rows = await conn.fetch(_RECORDS, repository_id, list(digests))
    return {row["digest"]: (row["kind"], json.loads(row["record"])) for row in rows}


async def lock(conn: Connection, *, repository_id: int, digest: bytes) -> bool:
    """Keep a manifest from being deleted until the transaction ends; return False where it is gone."""
    return await conn.fetchval(_LOCK, repository_id, digest) is not None


async def is_kept(conn: Connection, kind: str, record: str, *, repository_id: int, digest: bytes) -> bool:
    """Say whether an artifact is kept as of this kind, with this record."""
    return await conn.fetchval(_IS_KEPT, repository_id, digest, kind, record) is not None


async def put(
    conn: Connection,
    row: ArtifactRow,
    *,
    repository_id: int,
    digest: bytes,
    metrics: Sequence[MetricRow],
    files: Sequence[FileRow],
) -> None:
    """Keep what an artifact is, instead of what was kept before; its manifest must be there."""
    await conn.execute(_PUT, repository_id, digest, *row)
    await conn.execute(_CLEAR_METRICS, repository_id, digest)
    await conn.execute(_CLEAR_FILES, repository_id, digest)
    if metrics:
        await conn.execute(_PUT_METRICS, repository_id, digest, *map(list, zip(*metrics, strict=True)))
    if files:
        await conn.execute(_PUT_FILES, repository_id, digest, *map(list, zip(*files, strict=True)))
