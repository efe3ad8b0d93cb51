"""What policies say of an artifact, put together: its own, by an index that contains it, by the artifact of which it speaks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

from mediatypes.digest import Digest
from registry.db.policies import PolicyRow
from registry.db.verdicts import Grounds
from registry.errors import NotAdmitted
from signing.policy.telling import failing
from signing.policy.verdict import Mode, Verdict

_MOST_REASONS: Final = 5  # of a policy that a message tells
_LONGEST: Final = 300  # characters of one


class Outcome(StrEnum):
    """What becomes of a pull."""

    ADMITTED = "admitted"
    OBSERVED = "observed"
    """A policy that only looks on would refuse it."""
    WARNED = "warned"
    DENIED = "denied"


_NONE: Final = Grounds()


@dataclass(frozen=True, slots=True)
class Judged:
    """What a policy says. `through` is the index by which the artifact satisfies it, None where that is its own doing."""

    policy: PolicyRow
    verdict: Verdict
    through: Digest | None = None

    @property
    def shown(self) -> str:
        """Name the policy."""
        return f"policy {self.policy.name} (version {self.policy.version} on {shown_target(self.policy)})"

    @property
    def warns(self) -> bool:
        """Say whether somebody is warned."""
        return not self.verdict.passes and self.verdict.mode is Mode.WARN

    @property
    def line(self) -> str:
        """Say in one line why the policy refuses."""
        return f"{self.shown}: {'; '.join(reasons(self.verdict))}"


@dataclass(frozen=True, slots=True)
class Decision:
    """What is decided of an artifact, and what that stands on.

    `evidence` is its number, None of one that is not stored; `about` is the artifact of which it only speaks, whose verdicts
    these are then.
    """

    digest: Digest
    epoch: int
    evidence: int | None
    judged: tuple[Judged, ...]
    grounds: Grounds = _NONE
    about: Digest | None = None

    @property
    def outcome(self) -> Outcome:
        """What becomes of a pull."""
        return outcome_of(one for one in self.judged if one.policy.on_pull)

    @property
    def warnings(self) -> list[str]:
        """What who pulls it is warned of."""
        return [one.line for one in self.judged if one.policy.on_pull and one.warns]

    @property
    def valid_until(self) -> datetime | None:
        """Until when it holds though nothing changes; None: for ever."""
        return earliest(one.verdict.valid_until for one in self.judged)

    def refusal(self, what: str, *, among: Sequence[PolicyRow] | None = None) -> NotAdmitted | None:
        """Return the refusal of `what` by the policies on pulls, or by those `among` the given; None where none refuses."""
        refusing = [
            one
            for one in self.judged
            if one.verdict.is_denied and (one.policy.on_pull if among is None else one.policy in among)
        ]
        if not refusing:
            return None
        return NotAdmitted(what, [told(one) for one in refusing], lines=[one.line for one in refusing])


def outcome_of(judged: Iterable[Judged]) -> Outcome:
    """Return the worst of what policies make of an artifact."""
    failed = {one.verdict.mode for one in judged if not one.verdict.passes}
    for mode, outcome in (
        (Mode.ENFORCE, Outcome.DENIED),
        (Mode.WARN, Outcome.WARNED),
        (Mode.OBSERVE, Outcome.OBSERVED),
    ):
        if mode in failed:
            return outcome
    return Outcome.ADMITTED


def earliest(times: Iterable[datetime | None]) -> datetime | None:
    """Return the first of some times; None where there is none."""
    return min((one for one in times if one is not None), default=None)


def reasons(verdict: Verdict) -> list[str]:
    """Return why an artifact does not pass: what is said of the innermost requirements that are not met."""
    failed = (f"{branch.requirement}: {branch.reason}" for branch in failing(verdict.branch))
    found = [*dict.fromkeys(failed), *verdict.problems]
    shown = [one if len(one) <= _LONGEST else f"{one[:_LONGEST]}…" for one in found[:_MOST_REASONS]]
    return [*shown, f"and {len(found) - _MOST_REASONS} more"] if len(found) > _MOST_REASONS else shown


def told(one: Judged) -> dict[str, Any]:
    """Return a verdict for programs."""
    return {
        "policy": one.policy.name,
        "target": shown_target(one.policy),
        "version": one.policy.version,
        "mode": one.verdict.mode.value,
        "passes": one.verdict.passes,
        "reasons": [] if one.verdict.passes else reasons(one.verdict),
    }


def shown_target(policy: PolicyRow) -> str:
    """Return a policy's target as people write it."""
    if not policy.is_prefix:
        return policy.target
    return policy.target[:-1] if policy.target.count("/") == 1 and policy.target.endswith("/") else f"{policy.target}*"


def without_reasons(verdict: Verdict) -> Verdict:
    """Return a refusal as it is remembered: short, for it only says that nothing has to be asked again."""
    branch = msgspec.structs.replace(verdict.branch, branches=(), notes=(), reason="")
    return msgspec.structs.replace(verdict, branch=branch, problems=())


def kept(verdicts: Sequence[Verdict]) -> bytes:
    """Return verdicts as they are kept."""
    return msgspec.json.encode(verdicts)


def read(content: bytes) -> list[Verdict]:
    """Return verdicts that were kept."""
    return msgspec.json.decode(content, type=list[Verdict])
