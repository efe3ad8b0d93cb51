"""Scans, as the API tells of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from registry.http.api.models import BIGGEST, LONGEST_PAGE, Asking, Taken, Text

Severity = Literal["low", "medium", "high", "critical"]


class ScanFinding(BaseModel):
    """Something that whoever uses an artifact should know; `path` is a file's, in archives parts are separated by `!/`."""

    severity: Severity
    rule: str
    path: str
    message: str


class ScanFound(BaseModel):
    """What a scanner says of an artifact.

    `pending`: it was not scanned yet. `failed`: nothing was found, and not all was looked at, as `problem` says. `down`: the
    scanner can't be asked now, and is asked again. `version` is the scanner's, with its database's.
    """

    scanner: str
    state: Literal["clean", "found", "pending", "failed", "down"]
    worst: Severity | None
    version: str | None
    findings: list[ScanFinding]
    problem: str | None
    asked_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None


class QuarantineTold(BaseModel):
    """That an artifact is in quarantine, or who has released it, when and why."""

    state: Literal["quarantined", "released"]
    worst: Severity
    since: datetime
    released_at: datetime | None
    released_by: str | None
    reason: str | None


class ScansFound(BaseModel):
    """What all scanners say of an artifact, by their names; `scans` is null where its repository asks for none."""

    digest: str
    scans: list[ScanFound] | None
    quarantine: QuarantineTold | None


class Quarantined(QuarantineTold):
    """An artifact in quarantine, or released from it."""

    repository: str
    digest: str


class QuarantinePaging(Asking):
    """Which page of the list is asked for: that which begins after the item `after`, of a repository."""

    repository: Text | None = None
    after: Annotated[int, Field(ge=1, le=BIGGEST)] | None = None
    limit: Annotated[int, Field(ge=1, le=LONGEST_PAGE)] = 100


class ScanRule(Taken):
    """Whether a target's artifacts are scanned (`scan`), or what is found is published (`reports`).

    With `after`, as the answer before says, nothing is decided, and that goes on with the next page of artifacts.
    """

    rule: Literal["scan", "reports"]
    target: Text
    is_on: bool
    after: Text | None = None


class QuarantineLevel(Taken):
    """From which severity on a target's artifacts are put into quarantine; null: never. `after` is as for rules."""

    target: Text
    level: Severity | None
    after: Text | None = None


class RuleFound(BaseModel):
    """What was decided: `value` is `on` or `off`, of the rule `quarantine` a severity or `never`."""

    rule: Literal["scan", "reports", "quarantine"]
    target: str
    value: str
    decided_at: datetime


class ScanRequest(Taken):
    """Whose artifacts are to be scanned again: a target's, a page behind `after`, or a single one of a repository."""

    target: Text
    digest: Text | None = None
    after: Text | None = None


class Counted(BaseModel):
    """Of how many artifacts that was; the same request with `next` as its `after` goes on with others, null: there are none."""

    artifacts: int
    next: str | None


class Release(Taken):
    """Which artifact is released, and why."""

    repository: Text
    digest: Text
    reason: Annotated[Text, StringConstraints(min_length=1, max_length=512)]


class AnchorFound(BaseModel):
    """A key that signs what scanners say: in PEM and as a JWK. What one has signed that is revoked is not to be believed."""

    kid: str
    algorithm: str
    pem: str
    jwk: dict[str, str]
    signs_from: datetime
    revoked_at: datetime | None
