"""Public keys of services, and the nonces of requests that they have signed."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from registry.db.pool import Connection


class ServiceKeyRow(NamedTuple):
    """A key that is valid now, and whose it is; `public_key` is a SubjectPublicKeyInfo in DER."""

    principal_id: int
    principal: str
    algorithm: str
    public_key: bytes


_ADD: Final = """
INSERT INTO service_keys (id, principal_id, algorithm, public_key, expires_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO NOTHING RETURNING 1
"""
_FIND: Final = """
SELECT p.id, p.name, k.algorithm, k.public_key FROM service_keys k JOIN principals p ON p.id = k.principal_id
WHERE k.id = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
    AND p.kind = 'service' AND p.disabled_at IS NULL
"""
_REVOKE: Final = "UPDATE service_keys SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL RETURNING 1"
# By one clock, whichever node asks: a nonce is kept for twice the time in which its signature is taken, so that it is not
# forgotten before the last statement that may still take it has ended.
_USE: Final = """
INSERT INTO used_nonces (key_id, nonce, expires_at)
SELECT $1, $2, to_timestamp($3::bigint) + 2 * make_interval(secs => $4::float8)
WHERE to_timestamp($3::bigint) BETWEEN now() - make_interval(secs => $4) AND now() + make_interval(secs => $4)
ON CONFLICT (key_id, nonce) DO NOTHING RETURNING 1
"""
# By the rows' places, which nothing moves: no two nodes ever change one. By their names the whole table may be read.
_FORGET: Final = """
DELETE FROM used_nonces WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM used_nonces WHERE expires_at <= now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
)) RETURNING 1
"""


async def add(
    conn: Connection,
    key_id: str,
    *,
    principal_id: int,
    algorithm: str,
    public_key: bytes,
    expires_at: datetime | None,
) -> bool:
    """Record a key of a service; return False where it is known already, revoked or not."""
    return await conn.fetchval(_ADD, key_id, principal_id, algorithm, public_key, expires_at) is not None


async def find(conn: Connection, key_id: str) -> ServiceKeyRow | None:
    """Return a key that is valid now; None where there is none such, or its service is disabled."""
    row = await conn.fetchrow(_FIND, key_id)
    return ServiceKeyRow(*row) if row is not None else None


async def revoke(conn: Connection, key_id: str) -> bool:
    """Let a key be valid no longer; return False where it isn't."""
    return await conn.fetchval(_REVOKE, key_id) is not None


async def use_nonce(conn: Connection, key_id: str, nonce: str, *, created: int, window: float) -> bool:
    """Use up the nonce of a signature made at `created` (Unix time).

    Return False where it was used before, or `created` is more than `window` seconds away.
    """
    return await conn.fetchval(_USE, key_id, nonce, created, window) is not None


async def forget_nonces(conn: Connection, *, limit: int) -> int:
    """Delete up to `limit` nonces that nothing can be signed with any more; return how many."""
    return len(await conn.fetch(_FORGET, limit))
