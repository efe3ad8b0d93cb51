"""Let the audit log forget what is old: whole batches from its beginning, with a signed anchor in their place."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Final, NamedTuple

from registry.core.audit import Action, Actor, Event, record
from registry.core.audit_chain import Mark, MarkKind, Sign, Verify, head_of
from registry.core.audit_sealing import Position, start
from registry.db import audit, audit_batches
from registry.db.audit_batches import AnchorRow, BatchRow
from registry.db.pool import Connection, Database
from registry.errors import AuditDamaged

_BATCHES: Final = 200  # of one transaction, as long as they have
_EVENTS: Final = 20_000


class Pruned(NamedTuple):
    """How much was deleted."""

    batches: int
    events: int


class Retention:
    """Deletes old batches. What remains still verifies, from the anchor on."""

    def __init__(self, db: Database, sign: Sign, verify: Verify) -> None:
        self._db = db
        self._sign = sign
        self._verify = verify

    async def prune(self, older_than: timedelta, actor: Actor) -> Pruned:
        """Delete the batches that were sealed longer ago than that; each step records what `actor` has deleted.

        Raise AuditDamaged where something is missing, or not signed: the anchor would vouch for it. Whether each event is what
        was sealed is not looked at: verify before.
        """
        sealed_before = datetime.now(UTC) - older_than
        batches = events = 0
        while True:
            step = await self._db.transaction("prune_audit", lambda conn: self._step(conn, sealed_before, actor))
            if not step.batches:
                return Pruned(batches, events)
            batches += step.batches
            events += step.events

    async def _step(self, conn: Connection, sealed_before: datetime, actor: Actor) -> Pruned:
        await audit_batches.lock(conn)
        begin = await start(conn)
        found = await audit_batches.page(conn, after=begin.batch, limit=_BATCHES)
        old = [
            batch
            for batch in takewhile(lambda batch: batch.sealed_at < sealed_before, found)
            if batch.last_sequence - begin.last_sequence <= _EVENTS or batch is found[0]
        ]
        if not old:
            return Pruned(0, 0)
        self._require_intact(begin, old)
        last = old[-1]
        anchor = Mark(MarkKind.ANCHOR, last.number, last.last_sequence, last.head, datetime.now(UTC))
        signed = self._sign(anchor.message())
        events = last.last_sequence - begin.last_sequence
        if await audit.forget(conn, after=begin.last_sequence, last=last.last_sequence) != events:
            raise AuditDamaged(last.number)
        await audit_batches.forget(conn, after=begin.batch, last=last.number)
        await audit_batches.set_anchor(
            conn, AnchorRow(anchor.batch, anchor.last_sequence, anchor.head, anchor.at, signed.kid, signed.value)
        )
        detail = {"batches": [begin.batch + 1, last.number], "events": [begin.last_sequence + 1, last.last_sequence]}
        await record(conn, Event(actor, Action.AUDIT_PRUNE, "audit", detail=detail))
        return Pruned(len(old), events)

    def _require_intact(self, before: Position, batches: Sequence[BatchRow]) -> None:
        for batch in batches:
            head, signature = head_of(batch)
            if not before.precedes(batch) or not self._verify(head.message(), signature):
                raise AuditDamaged(before.batch + 1)
            before = Position(batch.number, batch.last_sequence, batch.head)
