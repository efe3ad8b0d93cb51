"""Scans, as the API tells of them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

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


class ScansFound(BaseModel):
    """What all scanners say of an artifact, by their names; `scans` is null where its repository asks for none."""

    digest: str
    scans: list[ScanFound] | None
