"""API keys as their principal sees them."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from registry.db.pool import Connection


class KeyRow(NamedTuple):
    """A key, valid or expired. What it is is not known here."""

    id: int
    name: str
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None


_LIST: Final = """
SELECT id, name, created_at, expires_at, used_at FROM api_keys WHERE principal_id = $1 ORDER BY created_at DESC, id LIMIT $2
"""
_DELETE: Final = "DELETE FROM api_keys WHERE principal_id = $1 AND id = $2 RETURNING name"


async def listed(conn: Connection, *, principal_id: int, limit: int) -> list[KeyRow]:
    """Return the keys of a principal, the newest first."""
    return [KeyRow(*row) for row in await conn.fetch(_LIST, principal_id, limit)]


async def delete(conn: Connection, key_id: int, *, principal_id: int) -> str | None:
    """Delete a key of a principal and return its name; None where it has none such."""
    found: str | None = await conn.fetchval(_DELETE, principal_id, key_id)
    return found
