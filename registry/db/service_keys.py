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


class ServiceKeyListed(NamedTuple):
    """A key, valid or not."""

    id: str
    algorithm: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


_ADD: Final = """
INSERT INTO service_keys (id, principal_id, algorithm, public_key, expires_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO NOTHING RETURNING 1
"""
_FIND: Final = """
SELECT p.id, p.name, k.algorithm, k.public_key FROM service_keys k JOIN principals p ON p.id = k.principal_id
WHERE k.id = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
    AND p.kind = 'service' AND p.disabled_at IS NULL
"""
_REVOKE: Final = """
UPDATE service_keys k SET revoked_at = now() FROM principals p
WHERE k.id = $1 AND k.revoked_at IS NULL AND p.id = k.principal_id AND ($2::text IS NULL OR p.name = $2)
RETURNING 1
"""
_LIST: Final = """
SELECT id, algorithm, created_at, expires_at, revoked_at FROM service_keys
WHERE principal_id = $1 ORDER BY created_at DESC, id LIMIT 1000
"""
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


async def revoke(conn: Connection, key_id: str, *, service: str | None = None) -> bool:
    """Let a key, of a `service` where that is given, be valid no longer; return False where it isn't."""
    return await conn.fetchval(_REVOKE, key_id, service) is not None


async def listed(conn: Connection, *, principal_id: int) -> list[ServiceKeyListed]:
    """Return the thousand last keys of a service, valid or not, the last one first."""
    return [ServiceKeyListed(*row) for row in await conn.fetch(_LIST, principal_id)]


async def use_nonce(conn: Connection, key_id: str, nonce: str, *, created: int, window: float) -> bool:
    """Use up the nonce of a signature made at `created` (Unix time).

    Return False where it was used before, or `created` is more than `window` seconds away.
    """
    return await conn.fetchval(_USE, key_id, nonce, created, window) is not None


async def forget_nonces(conn: Connection, *, limit: int) -> int:
    """Delete up to `limit` nonces that nothing can be signed with any more; return how many."""
    return len(await conn.fetch(_FORGET, limit))
