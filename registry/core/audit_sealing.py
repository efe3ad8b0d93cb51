"""Seal the audit log: committed events are numbered, hashed and signed, some together, one batch after the other."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, NamedTuple

from registry.core.audit_chain import (
    GENESIS,
    Sign,
    SignedMark,
    chained,
    digests_of,
    head_of,
)
from registry.db import audit, audit_batches
from registry.db.audit_batches import BatchRow
from registry.db.pool import Connection, Database

BATCH: Final = 1000
"""Events of a batch at most."""


class Sealed(NamedTuple):
    """The head of a new batch, and whether more may wait."""

    head: SignedMark
    is_full: bool


class Sealer:
    """Any number of nodes may seal; one does at a time."""

    def __init__(self, db: Database, sign: Sign, *, batch: int = BATCH) -> None:
        """Sign heads by `sign`; `batch` is how many events are sealed together at most."""
        self._db = db
        self._sign = sign
        self._batch = batch

    async def seal(self) -> Sealed | None:
        """Seal a batch; return None where nothing waits, or another node is just sealing. Raise Unavailable."""
        if not await self._db.read("look_for_audit", audit.is_waiting):
            return None
        return await self._db.transaction("seal_audit", self._seal)

    async def _seal(self, conn: Connection) -> Sealed | None:
        if not await audit_batches.try_lock(conn):
            return None
        # Read when the lock is held, by statements of their own: they see what the last holder has committed.
        before = await position(conn)
        rows = await audit.move(conn, after=before.last_sequence, limit=self._batch)
        if not rows:
            return None
        batch = BatchRow(
            number=before.batch + 1,
            first_sequence=rows[0].sequence,
            last_sequence=rows[-1].sequence,
            sealed_at=datetime.now(UTC),
            previous=before.head,
            row_digests=digests_of(rows),
            head=b"",
            kid="",
            signature=b"",
        )
        batch = batch._replace(head=chained(batch))
        mark = head_of(batch).mark
        signature = self._sign(mark.message())
        await audit_batches.add(conn, batch._replace(kid=signature.kid, signature=signature.value))
        return Sealed(SignedMark(mark, signature), len(rows) == self._batch)


class Position(NamedTuple):
    """Up to where the chain goes: a batch, its last event, its head."""

    batch: int
    last_sequence: int
    head: bytes

    def precedes(self, batch: BatchRow) -> bool:
        """Say whether a batch goes on where this ends."""
        return (self.batch + 1, self.last_sequence + 1, self.head) == (
            batch.number,
            batch.first_sequence,
            batch.previous,
        )


BEGIN: Final = Position(0, 0, GENESIS)
"""Before the first batch."""


async def start(conn: Connection) -> Position:
    """Return where the chain begins: after the anchor, where old batches were deleted."""
    anchor = await audit_batches.anchor(conn)
    return Position(anchor.batch, anchor.last_sequence, anchor.head) if anchor is not None else BEGIN


async def position(conn: Connection) -> Position:
    """Return where the chain ends: at the last batch, or where it begins."""
    batch = await audit_batches.last(conn)
    return Position(batch.number, batch.last_sequence, batch.head) if batch is not None else await start(conn)
