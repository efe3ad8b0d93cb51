"""The keys that sign what scanners say."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from registry.db.pool import Connection


class ScanKeyRow(NamedTuple):
    """A key: its public half in DER, its private half sealed; it signs from `signs_from` on, until a later one does."""

    kid: str
    public_key: bytes
    sealed_key: bytes
    signs_from: datetime
    revoked_at: datetime | None


class NewScanKey(NamedTuple):
    """What is recorded of a new key."""

    kid: str
    public_key: bytes
    sealed_key: bytes


_ALL: Final = "SELECT kid, public_key, sealed_key, signs_from, revoked_at FROM scan_keys ORDER BY signs_from, kid"
_SIGNER: Final = """
SELECT kid, public_key, sealed_key, signs_from, revoked_at FROM scan_keys WHERE revoked_at IS NULL
ORDER BY signs_from DESC, kid LIMIT 1
"""
# One key is the first, whoever makes it at the same moment.
_LOCK: Final = "LOCK TABLE scan_keys IN SHARE ROW EXCLUSIVE MODE"
_ADD: Final = "INSERT INTO scan_keys (kid, public_key, sealed_key) VALUES ($1, $2, $3)"
_REVOKE_OTHERS: Final = "UPDATE scan_keys SET revoked_at = now() WHERE kid <> $1 AND revoked_at IS NULL"


async def all_of_them(conn: Connection) -> list[ScanKeyRow]:
    """Return all keys that ever signed, in the order in which they began."""
    return [ScanKeyRow(*row) for row in await conn.fetch(_ALL)]


async def signer(conn: Connection) -> ScanKeyRow | None:
    """Return the key that signs; None before the first is made."""
    row = await conn.fetchrow(_SIGNER)
    return ScanKeyRow(*row) if row is not None else None


async def lock(conn: Connection) -> None:
    """Let nobody else add keys until the transaction ends."""
    await conn.execute(_LOCK)


async def add(conn: Connection, new: NewScanKey) -> None:
    """Record a key, which signs from now on."""
    await conn.execute(_ADD, *new)


async def revoke_others(conn: Connection, kid: str) -> None:
    """Say of all other keys that nobody is to believe what they have signed."""
    await conn.execute(_REVOKE_OTHERS, kid)
