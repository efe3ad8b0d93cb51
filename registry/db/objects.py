"""Stored objects that nothing names any more: listed before they are deleted, so that none is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
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
ON CONFLICT (storage_key) DO UPDATE SET due_at = now() RETURNING 1
"""
_CLAIM: Final = """
UPDATE dead_objects SET due_at = now() + interval '1 minute'
WHERE storage_key IN (
    SELECT storage_key FROM dead_objects WHERE due_at <= now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING storage_key, due_at
"""
_FORGET: Final = "DELETE FROM dead_objects WHERE storage_key = $1"
_FORGET_CLAIMED: Final = "DELETE FROM dead_objects WHERE storage_key = ANY($1::text[]) AND due_at = $2"


async def add(conn: Connection, storage_key: str, *, delay: float = 0) -> None:
    """List an object for deletion in `delay` seconds."""
    await conn.execute(_ADD, storage_key, delay)


async def add_unnamed(conn: Connection, storage_key: str) -> bool:
    """List an object for deletion unless an upload or a blob names it; return whether that was done.

    It may be listed already, and just be deleted: it was made after that, and is listed anew.
    """
    return await conn.fetchval(_ADD_UNNAMED, storage_key) is not None


async def claim(conn: Connection, *, limit: int) -> tuple[list[str], datetime | None]:
    """Take up to `limit` objects that are due; return them, and when they come up again unless they are forgotten."""
    rows = await conn.fetch(_CLAIM, limit)
    return [row["storage_key"] for row in rows], rows[0]["due_at"] if rows else None


async def forget(conn: Connection, storage_key: str) -> None:
    """Strike off an object whose bytes are gone."""
    await conn.execute(_FORGET, storage_key)


async def forget_claimed(conn: Connection, storage_keys: Sequence[str], due_at: datetime | None) -> None:
    """Strike off objects that were claimed until `due_at` and are gone; what was listed anew meanwhile stays."""
    await conn.execute(_FORGET_CLAIMED, list(storage_keys), due_at)
