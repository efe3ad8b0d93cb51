"""What an evaluation works on, and what it finds out on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from mediatypes import documents
from signing.authorities import Authority
from signing.evidence import Evidence
from signing.policy.conditions import Budget
from signing.policy.outcomes import Outcome
from signing.policy.policy import Policy
from signing.policy.signers import UnknownRoot
from signing.policy.verdict import Branch
from signing.roots import TrustRoot
from signing.verification import Found


class Judge(Protocol):
    """Verifies all signatures of an artifact by an authority, as `signing.verification.judge` does."""

    def __call__(self, evidence: Evidence, authority: Authority, *, now: datetime) -> Found:
        """Return those that are verified, and those that are not."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of a requirement; as for a `Branch`."""

    outcome: Outcome
    reason: str
    branches: tuple[Branch, ...] = ()
    notes: tuple[str, ...] = ()

    def branch(self, requirement: str) -> Branch:
        """Return it as a branch of the verdict."""
        is_met, is_decided = self.outcome is Outcome.MET, self.outcome is not Outcome.UNDECIDED
        return Branch(requirement, is_met, self.reason, self.branches, self.notes, is_decided)


@dataclass(slots=True)
class Context:
    """One evaluation of a policy."""

    policy: Policy
    evidence: Evidence
    roots: Mapping[str, TrustRoot]
    now: datetime
    judge: Judge
    moments: set[datetime] = field(default_factory=set)
    """When something changes though nothing is written: an age, an end of validity."""
    budget: Budget = field(default_factory=Budget)
    """What conditions may still cost."""
    _found: dict[str, Found | str] = field(default_factory=dict)
    _values: dict[str, Any] | None = None

    @property
    def lacks(self) -> str | None:
        """What keeps it from being said that something is not attached; None where all was read."""
        if self.evidence.problems:
            return self.evidence.problems[0]
        for attached in self.evidence.attached:
            for digest, why in attached.missing.items():
                return f"the layer {digest} of {attached.digest} {why}"
        return None

    def found(self, signer: str) -> Found | str:
        """Return what became of the signatures by a signer, or why that can't be said. Each is judged once."""
        if signer not in self._found:
            try:
                authority = self.policy.signers[signer].authority(self.roots)
            except UnknownRoot as error:
                self._found[signer] = str(error)
            else:
                self._found[signer] = self.judge(self.evidence, authority, now=self.now)
        return self._found[signer]

    def has_passed(self, moment: datetime) -> bool:
        """Say whether a moment is over; where it isn't, the verdict holds until then at most."""
        if moment <= self.now:
            return True
        self.moments.add(moment)
        return False

    @property
    def values(self) -> Mapping[str, Any]:
        """The variables of conditions that are known of the artifact, whoever has signed it: `artifact` and `record`."""
        if self._values is None:
            self._values = {}
            manifest = documents.parsed(self.evidence.content)
            if isinstance(manifest, dict):
                self._values["artifact"] = _artifact(self.evidence, manifest)
            if self.evidence.known.record is not None:
                self._values["record"] = self.evidence.known.record
        return self._values


def _artifact(evidence: Evidence, manifest: dict[str, Any]) -> dict[str, Any]:
    config = documents.at(manifest, "/config/mediaType")
    annotations = manifest.get("annotations")
    return {
        "digest": evidence.digest,
        "mediaType": evidence.media_type,
        "artifactType": manifest.get("artifactType") or config or "",
        "annotations": annotations if isinstance(annotations, dict) else {},
        "size": len(evidence.content),
        "manifest": manifest,
    }
