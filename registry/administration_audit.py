"""The audit log, looked after in process (registry.administration)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Coroutine, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from registry.compose.doors import create_audit_key
from registry.config import Settings
from registry.core.audit_chain import SignedMark, exported_head, time_of
from registry.core.audit_log import AuditLog, as_json
from registry.core.audit_retention import Pruned, Retention
from registry.core.audit_verification import Finding, Verification
from registry.db.audit import EventFilter
from registry.db.pool import Database
from registry.in_process import local_actor, run
from registry.upkeep import UpkeepFailed


def list_audit(
    settings: Settings, *, before: int | None, limit: int, **which: Any
) -> tuple[list[dict[str, Any]], int | None]:
    """Return events that fit `which` (EventFilter), the newest first, and before which number the next page begins.

    Raise UpkeepFailed.
    """
    page = run(settings, lambda db: AuditLog(db).page(_filter(**which), before=before, limit=limit))
    waiting = [as_json(event, None) for event in page.waiting]
    return [
        json.loads(text) for text in [*waiting, *(as_json(row.event, row.sequence) for row in page.sealed)]
    ], page.next_before


def export_audit(settings: Settings, *, say: Callable[[str], None], **which: Any) -> int:
    """Tell `say` each sealed event that fits `which`, as JSON, the oldest first; return how many are not sealed yet.

    Raise UpkeepFailed.
    """

    async def act(db: Database) -> int:
        log = AuditLog(db)
        async with contextlib.aclosing(log.export(_filter(**which))) as rows:
            async for row in rows:
                say(as_json(row.event, row.sequence))
        return (await log.tail()).events

    return run(settings, act)


def verify_audit(settings: Settings, heads: Path | None, *, say: Callable[[str], None]) -> bool:
    """Verify the audit log, and that it still has the exported `heads`; return whether all is well. Raise UpkeepFailed."""
    findings = 0

    def find(finding: Finding) -> None:
        nonlocal findings
        findings += 1
        say(f"{finding.damage.upper():9} {finding.text}")

    async def act(db: Database) -> None:
        verification = Verification(db, create_audit_key(settings).verify)
        done = await verification.verify(find)
        batches = f"batches {done.first_batch} to {done.last.batch}" if done.events else "no batch"
        say(f"{done.events} sealed events in {batches} were verified, with {findings} findings")
        if heads is not None:
            compared = await verification.compare(_heads_in(heads), find)
            say(f"{compared.found} exported heads are in the log; {compared.pruned} are of batches that were pruned")
        if done.tail.since is not None:
            since = time_of(done.tail.since)
            say(f"{done.tail.events} events since {since} are not sealed yet: nobody could tell if they were altered")

    run(settings, act)
    return not findings


def prune_audit(settings: Settings, older_than: timedelta) -> Pruned:
    """Delete what was sealed longer ago than that; return how much it was. Raise UpkeepFailed."""

    def act(db: Database) -> Coroutine[Any, Any, Pruned]:
        key = create_audit_key(settings)
        return Retention(db, key.sign, key.verify).prune(older_than, local_actor())

    return run(settings, act)


def _filter(*, target: str | None, **which: Any) -> EventFilter:
    return EventFilter(target_prefix=target, **which)


def _heads_in(path: Path) -> Iterator[SignedMark]:
    """Yield the heads in a file: exported objects, one a line, or lines of the server's log. Raise UpkeepFailed."""
    is_empty = True
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    head = exported_head(line)
                except ValueError as error:
                    raise UpkeepFailed(f"{path}, line {number}: {error}") from error
                if head is not None:
                    is_empty = False
                    yield head
    except OSError as error:
        raise UpkeepFailed(f"{path} can't be read: {error.strerror}") from error
    if is_empty:
        raise UpkeepFailed(
            f"{path} holds no head: those are in the server's log (“audit log sealed”), and in the bucket below audit/heads/"
        )
