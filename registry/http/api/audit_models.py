"""The audit log, as the API tells of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from registry.http.api.models import BIGGEST, LONGEST_PAGE, Asking, Taken, Text


class EventQuery(Asking):
    """Which events are asked for: those that fit all that is given. `target` is what theirs begin with."""

    principal: Text | None = None
    action: Text | None = None
    target: Text | None = None
    outcome: Text | None = None
    since: datetime | None = None
    until: datetime | None = None


class EventPaging(EventQuery):
    """Which page of the events: those that were numbered below `before`, or what a page's `next` says."""

    before: Annotated[int, Field(ge=-BIGGEST, le=BIGGEST)] | None = None
    limit: Annotated[int, Field(ge=1, le=LONGEST_PAGE)] = 100


class AuditEvent(BaseModel):
    """An event; `sequence` is null until it is sealed."""

    sequence: int | None
    at: str
    principal_id: int | None
    principal: str
    credential_kind: str
    credential_id: str | None
    address: str | None
    request_id: str | None
    action: str
    target: str
    outcome: str
    detail: Any


class VerificationWanted(Taken):
    """Heads that were exported and must be in the log, each as it was exported."""

    heads: list[dict[str, Any]] = Field([], max_length=500)


class Finding(BaseModel):
    """What is wrong with the audit log."""

    damage: str
    text: str


class Verified(BaseModel):
    """What the audit log was found to be. Of more than a thousand findings the first are told; `findings_total` counts all."""

    is_intact: bool
    events: int
    first_batch: int
    last_batch: int
    findings_total: int
    findings: list[Finding]
    heads_found: int
    heads_pruned: int
    unsealed_events: int
    unsealed_since: datetime | None


class PruneWanted(Taken):
    """Seconds since which what is deleted must have been sealed."""

    older_than: Annotated[int, Field(ge=0, le=100 * 366 * 86_400)]


class Pruned(BaseModel):
    """How much was deleted."""

    batches: int
    events: int
