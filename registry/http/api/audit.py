"""The audit log: read, exported, verified and pruned."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, timedelta

from registry.core.audit import Action, Event
from registry.core.audit_chain import SignedMark, exported_head
from registry.core.audit_log import as_json
from registry.core.audit_verification import Compared
from registry.core.audit_verification import Finding as Found
from registry.db.audit import EventFilter, EventRow
from registry.errors import FieldsInvalid, Unavailable
from registry.http.api.asked import Asked
from registry.http.api.audit_models import (
    AuditEvent,
    EventPaging,
    EventQuery,
    Finding,
    Pruned,
    PruneWanted,
    VerificationWanted,
    Verified,
)
from registry.http.api.models import Page
from registry.http.api.route import Route
from registry.http.api.services import AdminServices
from registry.http.reply import Reply, Stream, Unfinished

_TOLD = 1000  # findings
_TOGETHER = 64 << 10  # characters that are sent in one piece


async def events(services: AdminServices, _asked: Asked, query_args: EventPaging) -> Page[AuditEvent]:
    """List events, the newest first, those that are not sealed yet before all others. `next` is the next page's `before`."""
    found = await services.audit_log.page(_filter(query_args), before=query_args.before, limit=query_args.limit)
    shown = [_shown(event, None) for event in found.waiting]
    shown += [_shown(row.event, row.sequence) for row in found.sealed]
    return Page(items=shown, next=str(found.next_before) if found.next_before is not None else None)


async def export(services: AdminServices, asked: Asked, query_args: EventQuery) -> Reply:
    """Send the sealed events, the oldest first, a line of JSON each."""
    detail = query_args.model_dump(mode="json", exclude_none=True)
    await services.audit_log.note(Event(asked.actor, Action.AUDIT_EXPORT, "audit", detail=detail))
    headers = [("Content-Type", "application/x-ndjson"), ("Cache-Control", "no-store")]
    return Reply(200, headers, Stream(_lines(services, _filter(query_args)), None))


async def verify(services: AdminServices, asked: Asked, data: VerificationWanted) -> Verified:
    """Verify the log, and that heads which were exported are in it. It reads all of it."""
    heads = list(_heads(data))
    told: list[Finding] = []
    total = 0

    def find(finding: Found) -> None:
        nonlocal total
        total += 1
        if len(told) < _TOLD:
            told.append(Finding(damage=finding.damage, text=finding.text))

    await services.audit_log.note(Event(asked.actor, Action.AUDIT_VERIFY, "audit"))
    done = await services.verification.verify(find)
    compared = await services.verification.compare(heads, find) if heads else Compared(0, 0)
    return Verified(
        is_intact=not total,
        events=done.events,
        first_batch=done.first_batch,
        last_batch=done.last.batch,
        findings_total=total,
        findings=told,
        heads_found=compared.found,
        heads_pruned=compared.pruned,
        unsealed_events=done.tail.events,
        unsealed_since=done.tail.since,
    )


async def prune(services: AdminServices, asked: Asked, data: PruneWanted) -> Pruned:
    """Delete what was sealed longer ago; what remains still verifies."""
    return Pruned(**(await services.retention.prune(timedelta(seconds=data.older_than), asked.actor))._asdict())


def _filter(query: EventQuery) -> EventFilter:
    since, until = (
        moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
        for moment in (query.since, query.until)
    )
    return EventFilter(query.principal, query.action, query.target, query.outcome, since, until)


def _shown(event: EventRow, sequence: int | None) -> AuditEvent:
    return AuditEvent(**json.loads(as_json(event, sequence)))


async def _lines(services: AdminServices, which: EventFilter) -> AsyncGenerator[bytes, None]:
    """Yield lines, many at a time. Raise Unfinished: half of an export must not look like a whole one."""
    together: list[str] = []
    size = 0
    try:
        async with contextlib.aclosing(services.audit_log.export(which)) as rows:
            async for row in rows:
                together.append(as_json(row.event, row.sequence))
                size += len(together[-1])
                if size >= _TOGETHER:
                    yield ("\n".join(together) + "\n").encode()
                    together, size = [], 0
    except Unavailable as error:
        raise Unfinished from error
    yield ("\n".join(together) + "\n").encode() if together else b""


def _heads(data: VerificationWanted) -> Iterator[SignedMark]:
    for number, head in enumerate(data.heads):
        try:
            found = exported_head(json.dumps(head))
        except (ValueError, OverflowError):
            found = None
        if found is None:
            raise FieldsInvalid({f"heads.{number}": "is no whole head of an audit log"})
        yield found


_AUDIT = "/admin/audit"
ROUTES = (
    Route(method="GET", path=f"{_AUDIT}/events", handler=events, query=EventPaging, gives=Page[AuditEvent]),
    Route(method="GET", path=f"{_AUDIT}/export", handler=export, query=EventQuery, action=Action.AUDIT_EXPORT),
    Route(
        method="POST",
        path=f"{_AUDIT}/verification",
        handler=verify,
        body=VerificationWanted,
        gives=Verified,
        action=Action.AUDIT_VERIFY,
    ),
    Route(
        method="POST",
        path=f"{_AUDIT}/prune",
        handler=prune,
        body=PruneWanted,
        gives=Pruned,
        action=Action.AUDIT_PRUNE,
    ),
)
