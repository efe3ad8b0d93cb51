"""Conditions on what is known, in CEL (Common Expression Language): compiled when a policy is read, bounded when evaluated.

The library can't be stopped once it runs, and loops in loops over large data take hours. So what an expression may cost is
reckoned before (signing.policy.costs), and what is too much is not decided. `matches` is done by Rust's `regex`, which takes
linear time and compiles a pattern each time; patterns have to be literals, and RE2 has to take them as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import cel

from mediatypes.documents import MAX_DEPTH
from signing.patterns import InvalidPattern, compiled
from signing.policy.costs import Search, Weighing
from signing.policy.expressions import InvalidExpression, Reading
from signing.policy.outcomes import Outcome

LONGEST: Final = 4096
"""Characters of an expression."""
MOST_COST: Final = 30_000_000
"""What all conditions of a policy may cost together: about as many values copied, a few seconds."""
VARIABLES: Final = frozenset({"artifact", "predicate", "record", "statement"})

_FUNCTIONS: Final = frozenset(
    {
        *("bool", "bytes", "double", "duration", "int", "string", "timestamp", "type", "uint"),
        *("contains", "endsWith", "matches", "size", "startsWith"),
        *("getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours", "getMilliseconds"),
        *("getMinutes", "getMonth", "getSeconds"),
    }
)
_GIVEN: Final = 25
"""Steps for each value that is handed to the library."""
_COMPILED: Final = 2000
"""Steps that any pattern takes to be compiled."""
_UNICODE: Final = re.compile(r"\\[wWdDsSpPbB]|\(\?[A-Za-z]*i|\[:")
"""What the library takes for hundreds of ranges of characters, and RE2 for a few."""
_SAID: Final = 200  # characters of what the library says


class InvalidCondition(ValueError):
    """A text that is no condition; the message completes “the expression …”."""


class _Failed(Exception):
    """What the library says, on one line."""


@dataclass(slots=True)
class Budget:
    """The steps that are left."""

    left: int = MOST_COST

    def takes(self, steps: int) -> bool:
        """Take steps where there are as many, and say whether there were."""
        if steps > self.left:
            return False
        self.left -= steps
        return True


@dataclass(frozen=True, slots=True)
class Measure:
    """How large data is: its values with their text, the longest list or object, how deep it is, and how many values."""

    size: int
    widest: int
    depth: int
    values: int


class Condition:
    """A CEL expression that says yes or no of `VARIABLES`."""

    def __init__(self, source: str, variables: frozenset[str] = VARIABLES) -> None:
        """Compile it. Raise InvalidCondition where it isn't valid, names anything but `variables`, or depends on none."""
        if len(source) > LONGEST:
            raise InvalidCondition(f"is longer than {LONGEST} characters")
        self.source = source
        try:
            self._program = _called(cel.compile, source)
        except _Failed as error:
            raise InvalidCondition(f"is not CEL: {error}") from None
        try:
            self._read = Reading(source, _FUNCTIONS)
        except InvalidExpression as error:
            raise InvalidCondition(str(error)) from None
        self._search = _searched(self._read.patterns)
        self.names = self._check_names(variables)

    def told(self) -> str:
        """Return it on one line."""
        return " ".join(self.source.split())

    def evaluate(self, values: Mapping[str, Any], budget: Budget | None = None) -> tuple[Outcome, str]:
        """Return what becomes of it, and why; `values` holds what is known, by variable. Raise nothing.

        A `budget` is what several evaluations may cost together; without one it is MOST_COST.
        """
        budget = budget or Budget()
        if not budget.left:
            return Outcome.UNDECIDED, "no steps are left for it: what was looked at before took them all"
        mine = {name: values[name] for name in self.names if name in values}
        measure = measured(mine)
        if measure.depth > MAX_DEPTH:
            return Outcome.UNDECIDED, f"what it asks about is nested deeper than {MAX_DEPTH} levels"
        if not budget.takes(self.cost(measure, mine)):
            left = budget.left
            budget.takes(min(left, measure.size))  # to look how large it is took its time as well
            return Outcome.UNDECIDED, f"it would take too long: more than the {left} steps that are left"
        try:
            found = _called(self._program.execute, mine)
        except _Failed as error:
            missing = sorted(self.names - mine.keys())
            return Outcome.UNDECIDED, f"{' and '.join(missing)} is not known" if missing else str(error)
        if not isinstance(found, bool):
            return Outcome.UNDECIDED, f"it yields no bool, but a value of type {type(found).__name__}"
        return (Outcome.MET, "it is true") if found else (Outcome.UNMET, "it is false")

    def cost(self, measure: Measure, values: Mapping[str, Any]) -> int:
        """Return what an evaluation by values of such a measure costs at most, in steps of about a tenth of a microsecond."""
        weighed = Weighing(values, measure.size, measure.widest, self._search).cost(self._read.tree)
        return _GIVEN * measure.values + measure.size + weighed

    def _check_names(self, variables: frozenset[str]) -> frozenset[str]:
        shadowed = self._read.items & VARIABLES
        if shadowed:
            raise InvalidCondition(f"calls an item {', '.join(sorted(shadowed))}, which is a variable already")
        if others := self._read.names - variables:
            raise InvalidCondition(
                f"names {', '.join(sorted(others))}, which is not there; there are {', '.join(sorted(variables))}"
            )
        mine = frozenset(self._read.names)
        if not mine:
            raise InvalidCondition(f"asks about none of {', '.join(sorted(variables))}: it says the same of everything")
        return mine


def measured(document: Any) -> Measure:
    """Return how large a value is, without recursion."""
    size = widest = depth = values = 0
    level = [document]
    while level:
        depth += 1
        following: list[Any] = []
        for value in level:
            size += 1
            values += 1
            if isinstance(value, str):
                size += len(value) // 16
            elif isinstance(value, dict):
                size += sum(1 + len(name) // 16 for name in value)
                values += len(value)
                widest = max(widest, len(value))
                following.extend(value.values())
            elif isinstance(value, list | tuple):
                widest = max(widest, len(value))
                following.extend(value)
        if depth > MAX_DEPTH + 2:
            break
        level = following
    return Measure(size, widest, depth - 1, values)


def _searched(patterns: list[str | None]) -> Search:
    """Return what it costs to look for any of some patterns. Raise InvalidCondition where one can't be had."""
    once = each = 0
    for literal in patterns:
        if literal is None:
            raise InvalidCondition("calls matches with a pattern that doesn't stand there as a text")
        try:
            pattern = _called(cel.evaluate, literal)
            if not isinstance(pattern, str):
                raise InvalidPattern("is no text")
            instructions = int(compiled(pattern).programsize)
            _called(cel.evaluate, f'"".matches({literal})')
        except (_Failed, InvalidPattern) as error:
            raise InvalidCondition(f"has the pattern {literal[:_SAID]}, which {error}") from None
        is_wide = _UNICODE.search(pattern) is not None
        once = max(once, _COMPILED + instructions * (_COMPILED if is_wide else 20))
        each = max(each, 2 * instructions if is_wide else 1 + instructions // 8)
    return Search(once, each)


def _called(function: Callable[[Any], Any], argument: Any) -> Any:
    """Call the library. Raise _Failed with what it says where that is an error of its own."""
    try:
        return function(argument)
    except BaseException as error:  # a panic of the library is no Exception, and has no class to name here
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        text = str(error).partition("ERROR: <input>:")[2] or str(error)
        line = next((part.strip() for part in text.splitlines() if part.strip()), type(error).__name__)
        said = line.partition(" Check ")[0][:_SAID].rstrip(".:")
        raise _Failed(f"there is no {said}" if isinstance(error, KeyError) else said) from None
