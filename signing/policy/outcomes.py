"""Three-valued logic (Kleene's strong one): what is not decided never makes anything pass, not below `not` either."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum


class Outcome(Enum):
    """What becomes of a requirement."""

    MET = "met"
    UNMET = "not met"
    UNDECIDED = "undecided"
    """It could not be found out: something is not known, could not be read, or went wrong."""


def at_least(count: int, outcomes: Sequence[Outcome]) -> Outcome:
    """Return whether as many are met, whatever becomes of those that are undecided."""
    met = outcomes.count(Outcome.MET)
    if met >= count:
        return Outcome.MET
    return Outcome.UNDECIDED if met + outcomes.count(Outcome.UNDECIDED) >= count else Outcome.UNMET


def negated(outcome: Outcome) -> Outcome:
    """Return the contrary; of what is undecided that is undecided."""
    return {Outcome.MET: Outcome.UNMET, Outcome.UNMET: Outcome.MET}.get(outcome, Outcome.UNDECIDED)
