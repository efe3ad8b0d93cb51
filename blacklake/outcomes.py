"""What `blacklake verify` found, for people and for scripts (docs/signing.md)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from signing.policy.verdict import Branch, Verdict
    from signing.verified import Rejected, Verified


class Outcome(Enum):
    """What is to become of an artifact; the value is the exit code."""

    VERIFIED = 0
    REFUSED = 1
    UNDECIDED = 2


@dataclass(frozen=True, kw_only=True)
class Report:
    """An answer with its reasons. What was not looked at is empty."""

    reference: str
    outcome: Outcome
    digest: str | None = None
    media_type: str | None = None
    reasons: tuple[str, ...] = ()
    """Why it is refused or undecided: sentences."""
    signatures: tuple[Verified, ...] = ()
    """What was accepted; with a policy its verdict tells instead."""
    rejected: tuple[Rejected, ...] = ()
    verdict: Verdict | None = None
    problems: tuple[str, ...] = field(default=())

    def document(self) -> dict[str, Any]:
        """Return it as `--output json` prints it."""
        return {
            "reference": self.reference,
            "outcome": self.outcome.name.lower(),
            "digest": self.digest,
            "mediaType": self.media_type,
            "reasons": list(self.reasons),
            "signatures": [_signature(one) for one in self.signatures],
            "rejected": [_rejected(one) for one in self.rejected],
            "policy": verdict_document(self.verdict) if self.verdict is not None else None,
            "problems": list(self.problems),
        }

    def lines(self) -> Iterator[str]:
        """Yield it for people, with nothing that would steer a terminal."""
        from signing.policy.telling import lines, plain

        names = f"{self.reference} is {self.digest}" if self.digest is not None else self.reference
        yield plain(f"{self.outcome.name.lower()}: {names}")
        if self.verdict is not None:
            yield from lines(self.verdict)[1:]  # whose first says what becomes of it in a registry
        yield from (plain(f"  {line}") for line in self._details())

    def _details(self) -> Iterator[str]:
        yield from self.reasons
        for one in self.signatures:
            when = f", at {one.signed_at.isoformat()}" if one.signed_at is not None else ""
            files = ", of its files only" if one.form == "model-signing" else ""
            logged = ", in the transparency log" if one.is_logged else ""
            yield f"✓ {one.statement.predicate_type} by {one.signer}{when}{logged}{files} ({one.form}, {one.where})"
        for wrong in self.rejected:
            yield f"✗ {wrong.where}: step {wrong.step} ({_step(wrong.step)}): {wrong.reason}"
        if self.verdict is None:
            yield from (f"! {problem}" for problem in self.problems)


def _signature(one: Verified) -> dict[str, Any]:
    return {
        "form": one.form.value,
        "where": one.where,
        "predicateType": one.statement.predicate_type,
        "predicate": one.statement.predicate,
        "signer": one.signer,
        "key": one.key,
        "identity": one.identity,
        "issuer": one.issuer,
        "signedAt": one.signed_at.isoformat() if one.signed_at is not None else None,
        "isLogged": one.is_logged,
        "validUntil": one.valid_until.isoformat() if one.valid_until is not None else None,
    }


def _rejected(one: Rejected) -> dict[str, Any]:
    form = one.form.value if one.form is not None else None
    return {"form": form, "where": one.where, "step": one.step, "stepName": _step(one.step), "reason": one.reason}


def verdict_document(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as it is printed for scripts."""
    return {
        "name": verdict.policy,
        "mode": verdict.mode.value,
        "passes": verdict.passes,
        "validUntil": verdict.valid_until.isoformat() if verdict.valid_until is not None else None,
        "branch": _branch(verdict.branch),
    }


def _branch(branch: Branch) -> dict[str, Any]:
    return {
        "requirement": branch.requirement,
        "passes": branch.passes,
        "isDecided": branch.decided,
        "reason": branch.reason,
        "notes": list(branch.notes),
        "branches": [_branch(one) for one in branch.branches],
    }


def _step(number: int) -> str:
    from signing.steps import Step

    return Step(number).name.lower()
