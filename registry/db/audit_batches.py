"""Batches of the audit log, and the anchor where its chain begins."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from registry.db.pool import Connection


class BatchRow(NamedTuple):
    """Events that were sealed together, from `first_sequence` to `last_sequence`; `row_digests` has 32 bytes for each."""

    number: int
    first_sequence: int
    last_sequence: int
    sealed_at: datetime
    previous: bytes
    row_digests: bytes
    head: bytes
    kid: str
    signature: bytes


class AnchorRow(NamedTuple):
    """The last batch that was deleted."""

    batch: int
    last_sequence: int
    head: bytes
    made_at: datetime
    kid: str
    signature: bytes


class Stray(NamedTuple):
    """What no batch of the chain accounts for: events before and after it, with the first number of either; batches before."""

    before: int
    first_before: int | None
    after: int
    first_after: int | None
    batches: int


_LOCK: Final = (
    0x626C6175646974  # "blaudit": an advisory lock of the transaction, hence one that a pooler can't lend to others
)
_TRY_LOCK: Final = "SELECT pg_try_advisory_xact_lock($1)"
_WAIT_LOCK: Final = "SELECT pg_advisory_xact_lock($1)"
_REPEATABLE: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
_COLUMNS: Final = """
number, first_sequence, last_sequence, sealed_at, previous, row_digests, head, kid, signature
"""
_LAST: Final = f"SELECT {_COLUMNS} FROM audit_batches ORDER BY number DESC LIMIT 1"
_PAGE: Final = f"SELECT {_COLUMNS} FROM audit_batches WHERE number > $1 ORDER BY number LIMIT $2"
_NAMED: Final = f"SELECT {_COLUMNS} FROM audit_batches WHERE number = ANY($1::bigint[])"
_ADD: Final = f"INSERT INTO audit_batches ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
_FORGET: Final = "DELETE FROM audit_batches WHERE number > $1 AND number <= $2"
_ANCHOR: Final = """
SELECT batch, last_sequence, head, made_at, kid, signature FROM audit_anchors ORDER BY batch DESC LIMIT 1
"""
_SET_ANCHOR: Final = """
INSERT INTO audit_anchors (batch, last_sequence, head, made_at, kid, signature) VALUES ($1, $2, $3, $4, $5, $6)
"""
_FORGET_ANCHORS: Final = "DELETE FROM audit_anchors WHERE batch < $1"
_STRAY: Final = """
SELECT b.*, a.*, (SELECT count(*) FROM audit_batches WHERE number <= $2)
FROM (SELECT count(*), min(sequence) FROM audit_events WHERE sequence <= $1) AS b,
    (
        SELECT count(*), min(sequence) FROM audit_events
        WHERE sequence > greatest($1, coalesce((SELECT last_sequence FROM audit_batches ORDER BY number DESC LIMIT 1), 0))
    ) AS a
"""


async def try_lock(conn: Connection) -> bool:
    """Let nobody else change the chain until the transaction ends; return False where somebody else is doing so."""
    is_ours: bool = await conn.fetchval(_TRY_LOCK, _LOCK)
    return is_ours


async def lock(conn: Connection) -> None:
    """Let nobody else change the chain until the transaction ends; wait for who is doing so."""
    await conn.execute(_WAIT_LOCK, _LOCK)


async def stand_still(conn: Connection) -> None:
    """Let all that this transaction reads be of one moment; the first statement of it."""
    await conn.execute(_REPEATABLE)


async def last(conn: Connection) -> BatchRow | None:
    """Return the last batch; None where there is none."""
    row = await conn.fetchrow(_LAST)
    return BatchRow(*row) if row is not None else None


async def page(conn: Connection, *, after: int, limit: int) -> list[BatchRow]:
    """Return batches with numbers above `after`."""
    return [BatchRow(*row) for row in await conn.fetch(_PAGE, after, limit)]


async def named(conn: Connection, numbers: Sequence[int]) -> dict[int, BatchRow]:
    """Return batches by their numbers; those that are not there are missing."""
    return {row["number"]: BatchRow(*row) for row in await conn.fetch(_NAMED, numbers)}


async def add(conn: Connection, batch: BatchRow) -> None:
    """Record a batch."""
    await conn.execute(_ADD, *batch)


async def forget(conn: Connection, *, after: int, last: int) -> None:
    """Delete the batches with numbers above `after` and up to `last`."""
    await conn.execute(_FORGET, after, last)


async def anchor(conn: Connection) -> AnchorRow | None:
    """Return where the chain begins; None where nothing was ever deleted."""
    row = await conn.fetchrow(_ANCHOR)
    return AnchorRow(*row) if row is not None else None


async def set_anchor(conn: Connection, new: AnchorRow) -> None:
    """Let the chain begin elsewhere."""
    await conn.execute(_SET_ANCHOR, *new)
    await conn.execute(_FORGET_ANCHORS, new.batch)


async def stray(conn: Connection, *, anchor_sequence: int, anchor_batch: int) -> Stray:
    """Return what lies before the anchor, and what behind the last batch."""
    row = await conn.fetchrow(_STRAY, anchor_sequence, anchor_batch)
    assert row is not None
    return Stray(*row)
