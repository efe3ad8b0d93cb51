"""Stored objects that nothing names any more: listed before they are deleted, so that none is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from registry.db.pool import Connection

_ADD: Final = """
INSERT INTO dead_objects (storage_key, due_at) VALUES ($1, now() + make_interval(secs => $2)) ON CONFLICT DO NOTHING
"""
# A key is never used twice: once nothing names it, nothing ever will.
_ADD_UNNAMED: Final = """
INSERT INTO dead_objects (storage_key)
SELECT $1 WHERE NOT EXISTS (SELECT FROM uploads WHERE storage_key = $1)
    AND NOT EXISTS (SELECT FROM blobs WHERE storage_key = $1)
ON CONFLICT DO NOTHING RETURNING 1
"""
_CLAIM: Final = """
UPDATE dead_objects SET due_at = now() + interval '1 minute'
WHERE storage_key IN (
    SELECT storage_key FROM dead_objects WHERE due_at <= now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING storage_key
"""
_FORGET: Final = "DELETE FROM dead_objects WHERE storage_key = ANY($1::text[])"


async def add(conn: Connection, storage_key: str, *, delay: float = 0) -> None:
    """List an object for deletion in `delay` seconds."""
    await conn.execute(_ADD, storage_key, delay)


async def add_unnamed(conn: Connection, storage_key: str) -> bool:
    """List an object for deletion unless an upload or a blob names it; return whether that was done."""
    return await conn.fetchval(_ADD_UNNAMED, storage_key) is not None


async def claim(conn: Connection, *, limit: int) -> list[str]:
    """Take up to `limit` objects that are due; they come up again after a minute unless they are forgotten."""
    return [row["storage_key"] for row in await conn.fetch(_CLAIM, limit)]


async def forget(conn: Connection, storage_keys: Sequence[str]) -> None:
    """Strike objects off whose bytes are gone."""
    await conn.execute(_FORGET, list(storage_keys))
