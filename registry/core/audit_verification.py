"""Verify the audit log: each event against its batch, each batch against the one before it and its signature.

Only a head that was kept elsewhere shows that the newest batches were deleted together with their events.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from itertools import islice
from typing import Final, NamedTuple, TypeAlias

from registry.core.audit_chain import DIGEST, SignedMark, Verify, chained, digest_of, head_of, mark_of
from registry.core.audit_sealing import BEGIN, Position, start
from registry.db import audit, audit_batches
from registry.db.audit import SealedRow, Tail
from registry.db.audit_batches import AnchorRow, BatchRow
from registry.db.pool import Connection, Database

_BATCHES: Final = 200  # of one transaction
_ROWS: Final = 1000  # events of one query
_HEADS: Final = 500  # exported ones that are compared at a time


class Damage(StrEnum):
    """What somebody has done to the log."""

    ALTERED = "altered"
    DROPPED = "dropped"
    INSERTED = "inserted"
    FORGED = "forged"
    TRUNCATED = "truncated"


class Finding(NamedTuple):
    """Something that is wrong, in a sentence."""

    damage: Damage
    text: str


Say: TypeAlias = Callable[[Finding], None]


class Verified(NamedTuple):
    """What was looked at: from which batch to which, how many events, and what is not sealed yet, hence can't be verified."""

    first_batch: int
    last: Position
    events: int
    tail: Tail


class Compared(NamedTuple):
    """How many exported heads were found again, and how many are of batches that retention has deleted."""

    found: int
    pruned: int


@dataclass
class _Page:
    """What came of some batches; `end` is the tail where these were the last ones."""

    first: Position
    at: Position
    events: int = 0
    findings: list[Finding] = field(default_factory=list)
    end: Tail | None = None

    def find(self, damage: Damage, text: str) -> None:
        self.findings.append(Finding(damage, text))


class Verification:
    """Reads and changes nothing. Nodes may seal and prune meanwhile: what is read together is of one moment."""

    def __init__(self, db: Database, verify: Verify) -> None:
        self._db = db
        self._verify = verify

    async def verify(self, say: Say) -> Verified:
        """Verify all that is sealed; `say` gets what is wrong. Raise Unavailable."""
        at, first, events = BEGIN, None, 0
        while True:
            page = await self._db.transaction("verify_audit", partial(self._page, at=at))
            for finding in page.findings:
                say(finding)
            first = first or page.first
            at, events = page.at, events + page.events
            if page.end is not None:
                return Verified(first.batch + 1, at, events, page.end)

    async def compare(self, heads: Iterable[SignedMark], say: Say) -> Compared:
        """Compare heads that were exported with the log; `say` gets what is wrong. Raise Unavailable."""
        total = Compared(0, 0)
        remaining = iter(heads)
        while some := list(islice(remaining, _HEADS)):
            findings, compared = await self._db.transaction("compare_audit", partial(self._compare, heads=some))
            for finding in findings:
                say(finding)
            total = Compared(total.found + compared.found, total.pruned + compared.pruned)
        return total

    async def _page(self, conn: Connection, at: Position) -> _Page:
        await audit_batches.stand_still(conn)
        page = _Page(at, at)
        anchor = await audit_batches.anchor(conn)
        if anchor is not None and anchor.batch > at.batch:
            self._begin(page, anchor)
        batches = await audit_batches.page(conn, after=page.at.batch, limit=_BATCHES)
        last = max((batch.last_sequence for batch in batches), default=0)
        rows = _Rows(conn, after=page.at.last_sequence, last=last)
        for batch in batches:
            await self._batch(page, batch, rows)
        if len(batches) < _BATCHES:
            await _find_stray(conn, page)
            page.end = await audit.tail(conn)
        return page

    def _begin(self, page: _Page, anchor: AnchorRow) -> None:
        mark, signature = mark_of(anchor)
        if not self._verify(mark.message(), signature):
            page.find(
                Damage.FORGED,
                f"the anchor after batch {anchor.batch}, up to which all is deleted, is not signed by this installation",
            )
        page.first = page.at = Position(anchor.batch, anchor.last_sequence, anchor.head)

    async def _batch(self, page: _Page, batch: BatchRow, rows: _Rows) -> None:
        before, page.at = page.at, Position(batch.number, batch.last_sequence, batch.head)
        if batch.number != before.batch + 1:
            page.find(
                Damage.DROPPED,
                f"{_are('batch', before.batch + 1, batch.number - 1)} missing, with"
                f" {_span('event', before.last_sequence + 1, batch.first_sequence - 1)}",
            )
        elif not before.precedes(batch):
            page.find(Damage.ALTERED, f"batch {batch.number} does not follow the one before it")
        if self._is_whole(page, batch):
            await _compare_rows(page, batch, rows)
        page.events += batch.last_sequence - batch.first_sequence + 1

    def _is_whole(self, page: _Page, batch: BatchRow) -> bool:
        """Say whether a batch's own record, by which its events are verified, is what was sealed."""
        unverified = f"{_are('event', batch.first_sequence, batch.last_sequence)} not to be verified"
        if chained(batch) != batch.head:
            page.find(Damage.ALTERED, f"the record of batch {batch.number} was altered; {unverified}")
            return False
        mark, signature = head_of(batch)
        if not self._verify(mark.message(), signature):
            page.find(Damage.FORGED, f"batch {batch.number} is not signed by this installation; {unverified}")
            return False
        return True

    async def _compare(self, conn: Connection, heads: list[SignedMark]) -> tuple[list[Finding], Compared]:
        await audit_batches.stand_still(conn)
        anchor = await audit_batches.anchor(conn)
        last = await audit_batches.last(conn)
        known = {number: batch.head for number, batch in (await _named(conn, heads)).items()}
        if anchor is not None:
            known[anchor.batch] = anchor.head
        begin = anchor.batch if anchor is not None else 0
        end = last.number if last is not None else begin
        findings, found, pruned = [], 0, 0
        for mark, signature in heads:
            name = f"the exported head of batch {mark.batch}"
            if not self._verify(mark.message(), signature):
                findings.append(Finding(Damage.FORGED, f"{name} is not signed by this installation"))
            elif mark.batch in known and known[mark.batch] == mark.head:
                found += 1
            elif mark.batch in known:
                findings.append(
                    Finding(
                        Damage.ALTERED, f"{name} is another than the log's; what was sealed up to there was replaced"
                    )
                )
            elif mark.batch < begin:
                pruned += 1
            elif mark.batch > end:
                findings.append(
                    Finding(
                        Damage.TRUNCATED,
                        f"the log ends with batch {end}, and {name}, with events up to {mark.last_sequence}, was kept",
                    )
                )
            else:
                findings.append(Finding(Damage.DROPPED, f"{name} is not in the log"))
        return findings, Compared(found, pruned)


class _Rows:
    """The sealed events of a span in their order, some at a time."""

    def __init__(self, conn: Connection, *, after: int, last: int) -> None:
        self._conn = conn
        self._after = after
        self._last = last
        self._read: deque[SealedRow] = deque()

    async def next_up_to(self, sequence: int) -> SealedRow | None:
        """Return the next event; None where its number is above `sequence`, or there is none."""
        if not self._read and self._after < self._last:
            self._read.extend(await audit.span(self._conn, after=self._after, last=self._last, limit=_ROWS))
            self._after = self._read[-1].sequence if self._read else self._last
        return self._read.popleft() if self._read and self._read[0].sequence <= sequence else None


async def _compare_rows(page: _Page, batch: BatchRow, rows: _Rows) -> None:
    expected = batch.first_sequence
    while row := await rows.next_up_to(batch.last_sequence):
        if row.sequence < expected:  # of a batch before, which is missing or was altered
            continue
        if row.sequence > expected:
            page.find(Damage.DROPPED, _missing(expected, row.sequence - 1, batch))
        start = (row.sequence - batch.first_sequence) * DIGEST
        if digest_of(row) != batch.row_digests[start : start + DIGEST]:
            page.find(Damage.ALTERED, f"event {row.sequence} of batch {batch.number} was altered")
        expected = row.sequence + 1
    if expected <= batch.last_sequence:
        page.find(Damage.DROPPED, _missing(expected, batch.last_sequence, batch))


async def _find_stray(conn: Connection, page: _Page) -> None:
    begin = await start(conn)
    stray = await audit_batches.stray(conn, anchor_sequence=begin.last_sequence, anchor_batch=begin.batch)
    if stray.before:
        page.find(
            Damage.INSERTED,
            f"events were inserted before the chain's begin: {stray.before}, from {stray.first_before} on",
        )
    if stray.batches:
        page.find(Damage.INSERTED, f"batches were inserted before the chain's begin: {stray.batches}")
    if stray.after:
        page.find(
            Damage.INSERTED,
            f"events are in no batch: {stray.after}, from {stray.first_after} on; they were inserted, or their batches deleted",
        )


async def _named(conn: Connection, heads: Iterable[SignedMark]) -> dict[int, BatchRow]:
    return await audit_batches.named(conn, [head.mark.batch for head in heads])


def _missing(first: int, last: int, batch: BatchRow) -> str:
    return f"{_are('event', first, last)} missing of batch {batch.number}"


def _are(what: str, first: int, last: int) -> str:
    return f"{_span(what, first, last)} {'is' if first == last else 'are'}"


def _span(what: str, first: int, last: int) -> str:
    plural = "batches" if what == "batch" else f"{what}s"
    return f"{what} {first}" if first == last else f"{plural} {first} to {last}"
