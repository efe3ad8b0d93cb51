"""Keys that sign access tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from registry.db.pool import Connection


class KeyRow(NamedTuple):
    """A key: its private half sealed; it signs from `signs_from` on, until a later one does."""

    kid: str
    algorithm: str
    sealed_key: bytes
    signs_from: datetime


class NewKey(NamedTuple):
    """What is recorded of a new key."""

    kid: str
    algorithm: str
    sealed_key: bytes


_ALL: Final = """
SELECT kid, algorithm, sealed_key, signs_from FROM signing_keys
WHERE retired_at IS NULL OR retired_at > now() ORDER BY signs_from, kid
"""
# One key is the first, whoever starts at the same moment.
_LOCK: Final = "LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE"
_ADD: Final = """
INSERT INTO signing_keys (kid, algorithm, sealed_key, signs_from)
VALUES ($1, $2, $3, now() + $4 * interval '1 second')
"""
_RETIRE: Final = """
UPDATE signing_keys SET retired_at = now() + $2 * interval '1 second'
WHERE kid <> $1 AND (retired_at IS NULL OR retired_at > now() + $2 * interval '1 second')
"""
_FORGET: Final = "DELETE FROM signing_keys WHERE retired_at <= now()"


async def usable(conn: Connection) -> list[KeyRow]:
    """Return the keys that sign or verify, in the order in which they begin to sign."""
    return [KeyRow(*row) for row in await conn.fetch(_ALL)]


async def lock(conn: Connection) -> None:
    """Let nobody else add keys until the transaction ends."""
    await conn.execute(_LOCK)


async def add(conn: Connection, new: NewKey, *, delay: float) -> None:
    """Record a key that signs in `delay` seconds."""
    await conn.execute(_ADD, *new, delay)


async def retire_others(conn: Connection, kid: str, *, delay: float) -> None:
    """Let the other keys verify for `delay` more seconds, and forget those whose time is over."""
    await conn.execute(_RETIRE, kid, delay)
    await conn.execute(_FORGET)
