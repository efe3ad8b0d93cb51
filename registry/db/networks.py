"""Networks that users have logged in from, as codes that tell nothing to who reads the database."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from registry.db.pool import Connection

MOST: Final = 16
"""Networks that are known of one user; of more the last used ones are."""

_FIND: Final = "SELECT now() - used_at FROM known_networks WHERE network = $1"
_ADD: Final = """
INSERT INTO known_networks (network, principal_id) SELECT $1, id FROM principals WHERE id = $2 FOR KEY SHARE
ON CONFLICT (network) DO UPDATE SET used_at = now()
"""
_FORGET: Final = """
DELETE FROM known_networks WHERE network IN (
    SELECT network FROM known_networks WHERE principal_id = $1 ORDER BY used_at DESC, network OFFSET $2
)
"""


async def last_used(conn: Connection, network: bytes) -> timedelta | None:
    """Return for how long a network has not been used, as far as is known; None where it is not known at all."""
    found: timedelta | None = await conn.fetchval(_FIND, network)
    return found


async def add(conn: Connection, network: bytes, *, principal_id: int) -> None:
    """Record that a user has logged in from a network now, and forget those beyond the MOST."""
    await conn.execute(_ADD, network, principal_id)
    await conn.execute(_FORGET, principal_id, MOST)
