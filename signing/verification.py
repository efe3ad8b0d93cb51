"""All signatures of an artifact, judged by an authority."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from signing.authorities import Authority
from signing.evidence import Evidence
from signing.verified import Rejected, Verified


@dataclass(frozen=True, slots=True)
class Found:
    """What became of an artifact's signatures, of whatever they say (`Verified.statement`)."""

    verified: Sequence[Verified]
    rejected: Sequence[Rejected]


def judge(evidence: Evidence, authority: Authority, *, now: datetime) -> Found:
    """Verify each signature that is attached to an artifact by an authority."""
    del evidence, authority, now
    return Found((), ())
