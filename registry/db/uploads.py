"""Upload sessions and their leases (DESIGN, decision 7). Every id is looked up together with its repository."""

from __future__ import annotations

from typing import Final, NamedTuple
from uuid import UUID

from mediatypes.names import RepositoryName
from registry.db.pool import Connection

LEASE_SECONDS: Final = 10


class UploadRow(NamedTuple):
    """An upload as a holder of its lease finds it. `received` is in bytes."""

    repository_id: int
    id: UUID
    storage_key: str
    algorithm: str
    received: int
    hash_state: bytes | None
    writer_state: bytes
    lease_epoch: int


_CREATE: Final = f"""
INSERT INTO uploads (repository_id, id, storage_key, algorithm, lease_epoch, lease_until)
SELECT id, $2, $3, $4, $5::bigint, CASE WHEN $5::bigint > 0 THEN now() + interval '{LEASE_SECONDS} s' END
FROM repositories WHERE name = $1
RETURNING repository_id
"""
_MOST: Final = (1 << 63) - 1  # bytes, of a bigint
_TAKE: Final = f"""
UPDATE uploads u SET lease_epoch = lease_epoch + 1, lease_until = now() + interval '{LEASE_SECONDS} s'
FROM repositories r
WHERE r.name = $1 AND u.repository_id = r.id AND u.id = $2 AND (u.lease_until IS NULL OR u.lease_until <= now())
    AND ($3::bigint IS NULL OR u.received = $3)
RETURNING u.repository_id, u.id, u.storage_key, u.algorithm, u.received, u.hash_state, u.writer_state, u.lease_epoch
"""
_RENEW: Final = f"""
UPDATE uploads SET lease_until = now() + interval '{LEASE_SECONDS} s', touched_at = now()
WHERE repository_id = $1 AND id = $2 AND lease_epoch = $3 AND lease_until IS NOT NULL RETURNING 1
"""
_IS_OURS: Final = """
SELECT 1 FROM uploads WHERE repository_id = $1 AND id = $2 AND lease_epoch = $3 AND lease_until IS NOT NULL
"""
_SAVE: Final = f"""
UPDATE uploads SET received = $4, hash_state = $5, writer_state = $6, touched_at = now(),
    algorithm = $8,
    lease_until = CASE WHEN $7 THEN NULL ELSE now() + interval '{LEASE_SECONDS} s' END
WHERE repository_id = $1 AND id = $2 AND lease_epoch = $3 RETURNING 1
"""
_RELEASE: Final = "UPDATE uploads SET lease_until = NULL WHERE repository_id = $1 AND id = $2 AND lease_epoch = $3"
_RECEIVED: Final = """
SELECT u.received FROM uploads u JOIN repositories r ON r.id = u.repository_id WHERE r.name = $1 AND u.id = $2
"""
_DROP: Final = "DELETE FROM uploads WHERE repository_id = $1 AND id = $2 AND lease_epoch = $3 RETURNING 1"
_CANCEL: Final = """
DELETE FROM uploads u USING repositories r
WHERE r.name = $1 AND u.repository_id = r.id AND u.id = $2
RETURNING u.storage_key, u.lease_until IS NOT NULL AND u.lease_until > now() AS is_leased
"""
_EXPIRE: Final = """
DELETE FROM uploads WHERE (repository_id, id) IN (
    SELECT repository_id, id FROM uploads
    WHERE touched_at <= now() - make_interval(secs => $1) AND (lease_until IS NULL OR lease_until <= now())
    ORDER BY touched_at LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING storage_key
"""
_COUNT: Final = "SELECT count(*) FROM uploads"


async def create(
    conn: Connection, name: RepositoryName, *, upload_id: UUID, storage_key: str, algorithm: str, lease_epoch: int
) -> UploadRow | None:
    """Make a session and return it; None where there is no such repository.

    A `lease_epoch` above 0 means that its maker holds the lease.
    """
    repository_id = await conn.fetchval(_CREATE, name, upload_id, storage_key, algorithm, lease_epoch)
    if repository_id is None:
        return None
    return UploadRow(repository_id, upload_id, storage_key, algorithm, 0, None, b"", lease_epoch)


async def take_lease(
    conn: Connection, name: RepositoryName, *, upload_id: UUID, at: int | None = None
) -> UploadRow | None:
    """Take the lease of a session and return it.

    None where it is not there, another's lease lives, or it doesn't stand `at` so many bytes, if that is said.
    """
    row = await conn.fetchrow(_TAKE, name, upload_id, None if at is None else min(at, _MOST))
    return None if row is None else UploadRow(*row)


async def keep_lease(conn: Connection, upload: UploadRow, *, extend: bool) -> bool:
    """Hold the lease for another LEASE_SECONDS, or only look (`extend` false); return False where it is not ours any more."""
    statement = _RENEW if extend else _IS_OURS
    return await conn.fetchval(statement, upload.repository_id, upload.id, upload.lease_epoch) is not None


async def save(conn: Connection, upload: UploadRow, *, release: bool) -> bool:
    """Save `received` and both states, if the lease is still ours; return False where it is lost."""
    key = (upload.repository_id, upload.id, upload.lease_epoch)
    states = (upload.received, upload.hash_state, upload.writer_state)
    saved = await conn.fetchval(_SAVE, *key, *states, release, upload.algorithm)
    return saved is not None


async def release(conn: Connection, upload: UploadRow) -> None:
    """Give the lease back without saving anything."""
    await conn.execute(_RELEASE, upload.repository_id, upload.id, upload.lease_epoch)


async def received(conn: Connection, name: RepositoryName, *, upload_id: UUID) -> int | None:
    """Return how many bytes a session holds; None where there is no such session."""
    found: int | None = await conn.fetchval(_RECEIVED, name, upload_id)
    return found


async def drop(conn: Connection, upload: UploadRow) -> bool:
    """Remove a session whose lease is ours; return False where it is lost."""
    return await conn.fetchval(_DROP, upload.repository_id, upload.id, upload.lease_epoch) is not None


async def cancel(conn: Connection, name: RepositoryName, *, upload_id: UUID) -> tuple[str, bool] | None:
    """Remove a session and return its storage key and whether a lease lives; None where there is no such session."""
    row = await conn.fetchrow(_CANCEL, name, upload_id)
    return None if row is None else (row["storage_key"], row["is_leased"])


async def expire(conn: Connection, *, ttl: float, limit: int) -> list[str]:
    """Remove up to `limit` sessions untouched for `ttl` seconds and return their storage keys."""
    return [row["storage_key"] for row in await conn.fetch(_EXPIRE, ttl, limit)]


async def count(conn: Connection) -> int:
    """Return how many sessions are open."""
    found: int = await conn.fetchval(_COUNT)
    return found
