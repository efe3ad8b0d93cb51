"""API keys: secrets that stand for a principal. Each is looked up with its principal, never by its number alone."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from registry.db.pool import Connection


class KeyListed(NamedTuple):
    """What may be told of a key. Without scopes it is not limited; `used_at` is true to a minute."""

    id: int
    name: str
    scopes: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None


class MakerRow(NamedTuple):
    """A key that makes another."""

    id: int
    scopes: list[str] | None
    expires_at: datetime | None


_PAGE: Final = """
SELECT id, name, scopes, created_at, expires_at, used_at FROM api_keys WHERE principal_id = $1 AND id > $2 ORDER BY id LIMIT $3
"""
_HOLD: Final = """
SELECT id, scopes, expires_at FROM api_keys
WHERE principal_id = $1 AND id = $2 AND (expires_at IS NULL OR expires_at > now()) FOR KEY SHARE
"""
_COUNT: Final = "SELECT count(*) FROM api_keys WHERE principal_id = $1"
_DELETE: Final = "DELETE FROM api_keys WHERE principal_id = $1 AND id = $2 RETURNING name"


async def page(conn: Connection, *, principal_id: int, after: int, limit: int) -> list[KeyListed]:
    """Return keys of a principal, expired ones too, those with numbers above `after`."""
    return [KeyListed(*row) for row in await conn.fetch(_PAGE, principal_id, after, limit)]


async def hold(conn: Connection, key_id: int, *, principal_id: int | None) -> MakerRow | None:
    """Return a key of a principal, and keep it until the transaction ends; None where it is none any more."""
    row = await conn.fetchrow(_HOLD, principal_id, key_id)
    return MakerRow(*row) if row is not None else None


async def count(conn: Connection, *, principal_id: int) -> int:
    """Return how many keys a principal has, expired ones too."""
    found: int = await conn.fetchval(_COUNT, principal_id)
    return found


async def delete(conn: Connection, key_id: int, *, principal_id: int) -> str | None:
    """Delete a key of a principal and return its name; None where it has none such."""
    found: str | None = await conn.fetchval(_DELETE, principal_id, key_id)
    return found
