"""What was read of blobs' bytes, once for all artifacts that have them, and the tensors of their files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from registry.db.pool import Connection


class ReadingRow(NamedTuple):
    """What was read of a blob in a manner; `digest` as Digest.to_bytes."""

    digest: bytes
    manner: str
    reading: dict[str, Any]


class FoundReading(NamedTuple):
    """What is kept of a blob, and its `size` in bytes as JSON; `reading` is None where more was kept than was asked for."""

    size: int
    reading: dict[str, Any] | None


class TensorIndexRow(NamedTuple):
    """The tensors of a file of a blob: their number, and zstd-compressed MessagePack (mediatypes.files.tensor_index)."""

    tensors: int
    content: bytes


_FIND: Final = """
SELECT digest, manner, size, CASE WHEN total <= $4 THEN reading END FROM (
    SELECT q.digest, q.manner, s.size, r.reading, sum(s.size) OVER (ORDER BY q.place) AS total
    FROM unnest($1::bytea[], $2::text[]) WITH ORDINALITY AS q(digest, manner, place)
    JOIN readings r ON r.digest = q.digest AND r.manner = q.manner AND r.version = $3,
    LATERAL (SELECT octet_length(r.reading::text)) AS s(size)
) AS found
"""
# A blob that was collected meanwhile is not there to be read, and nobody needs to know what was in it; nor what an older
# version, which runs beside a newer one, says of what that has read.
_PUT: Final = """
INSERT INTO readings (digest, manner, version, reading)
SELECT digest, $2, $3, $4::jsonb FROM blobs WHERE digest = $1 FOR KEY SHARE
ON CONFLICT (digest, manner) DO UPDATE SET version = EXCLUDED.version, reading = EXCLUDED.reading, read_at = now()
    WHERE readings.version <= EXCLUDED.version
RETURNING octet_length(reading::text)
"""
# What is the same as before keeps its digests, which took a full read; of an archive's file that doesn't say where it lies.
_CLEAR: Final = """
DELETE FROM tensor_indexes WHERE digest = $1 AND manner = $2 AND NOT (path = '' AND content = ANY($3::bytea[]))
"""
_PUT_TENSORS: Final = """
INSERT INTO tensor_indexes (digest, manner, path, tensors, content)
SELECT $1, $2, path, tensors, content FROM unnest($3::text[], $4::integer[], $5::bytea[]) AS t(path, tensors, content)
ON CONFLICT DO NOTHING
"""


async def find(
    conn: Connection, wanted: Sequence[tuple[bytes, str]], *, version: int, most: int
) -> dict[tuple[bytes, str], FoundReading]:
    """Return those of (digest, manner) that readers of `version` have read: in this order, the first `most` bytes of them."""
    digests, manners = [digest for digest, _ in wanted], [manner for _, manner in wanted]
    rows = await conn.fetch(_FIND, digests, manners, version, most)
    return {(row[0], row[1]): FoundReading(row[2], row[3] and json.loads(row[3])) for row in rows}


async def put(
    conn: Connection, row: ReadingRow, *, version: int, tensor_indexes: Mapping[str, TensorIndexRow]
) -> FoundReading:
    """Keep what was read of a blob, and the tensors of its files by path, instead of what was kept before; return it.

    What a newer version has read stays.
    """
    content = json.dumps(row.reading, ensure_ascii=False)
    size = await conn.fetchval(_PUT, row.digest, row.manner, version, content)
    if size is None:
        return FoundReading(len(content.encode()), row.reading)
    await conn.execute(_CLEAR, row.digest, row.manner, [index.content for index in tensor_indexes.values()])
    if tensor_indexes:
        numbers, contents = zip(*tensor_indexes.values(), strict=True)
        await conn.execute(_PUT_TENSORS, row.digest, row.manner, list(tensor_indexes), list(numbers), list(contents))
    return FoundReading(size, row.reading)
