"""Conditions on what is known, in CEL (Common Expression Language): compiled when a policy is read, bounded when evaluated.

The library can't be stopped once it runs, and loops in loops over large data take hours. So what an expression may cost is
reckoned before, by its loops and by the size of the data, and what is too much is not decided. `matches` is done by Rust's
`regex`, which takes linear time; its patterns have to be literals, and RE2 has to take them as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import cel

from mediatypes.documents import MAX_DEPTH
from signing.policy.outcomes import Outcome
from signing.policy.patterns import InvalidPattern, compiled
from signing.policy.tokens import COPIES, LOOPS, Tokens, read_tokens, walk

LONGEST: Final = 4096
"""Characters of an expression."""
MOST_COST: Final = 10_000_000
"""What all conditions of a policy may cost together: about as many values looked at or copied, a few seconds."""
VARIABLES: Final = frozenset({"artifact", "predicate", "record", "statement"})

_FUNCTIONS: Final = frozenset(
    {
        *("bool", "bytes", "double", "duration", "int", "string", "timestamp", "type", "uint"),
        *("contains", "endsWith", "has", "matches", "size", "startsWith"),
        *("getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours", "getMilliseconds"),
        *("getMinutes", "getMonth", "getSeconds"),
    }
)
_OPERATORS: Final = frozenset(
    {
        *("!_", "-_", "_+_", "_-_", "_*_", "_/_", "_%_", "_&&_", "_||_", "_?_:_", "_[_]", "@in", "@not_strictly_false"),
        *("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"),
    }
)
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
    """How large data is: its values with their text, the longest list or object, and how deep it is."""

    size: int
    widest: int
    depth: int


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
        self._tokens = read_tokens(source, variables)
        self._instructions = _check_patterns(self._tokens)
        self.names = self._check_names(variables)

    def told(self) -> str:
        """Return it on one line."""
        return " ".join(self.source.split())

    def evaluate(self, values: Mapping[str, Any], budget: Budget | None = None) -> tuple[Outcome, str]:
        """Return what becomes of it, and why; `values` holds what is known, by variable. Raise nothing.

        A `budget` is what several evaluations may cost together; without one it is MOST_COST.
        """
        mine = {name: values[name] for name in self.names if name in values}
        measure = measured(mine)
        if measure.depth > MAX_DEPTH:
            return Outcome.UNDECIDED, f"what it asks about is nested deeper than {MAX_DEPTH} levels"
        budget = budget or Budget()
        if not budget.takes(price := self.cost(measure)):
            return Outcome.UNDECIDED, f"it would take too long: {price} steps, where {budget.left} are left"
        try:
            found = _called(self._program.execute, mine)
        except _Failed as error:
            missing = sorted(self.names - mine.keys())
            return Outcome.UNDECIDED, f"{' and '.join(missing)} is not known" if missing else str(error)
        if not isinstance(found, bool):
            return Outcome.UNDECIDED, f"it yields no bool, but a value of type {type(found).__name__}"
        return (Outcome.MET, "it is true") if found else (Outcome.UNMET, "it is false")

    def cost(self, measure: Measure) -> int:
        """Return what an evaluation costs at most, in steps of about a tenth of a microsecond."""
        widest = max(measure.widest, self._tokens.commas + 1)
        size = max(measure.size, widest)
        whole = self._tokens.loop
        total = 1 + whole.roots * size // 10 + 4 * self._instructions
        for loop, times in walk(self._tokens, size, widest):
            body = 1 + loop.mentions // 8 + loop.roots * size + 4 * self._instructions
            total += body * times * (widest if loop.name in COPIES else 1)
        return total

    def _check_names(self, variables: frozenset[str]) -> frozenset[str]:
        names = self._program.references()
        unknown = set(names["functions"]) - _FUNCTIONS - _OPERATORS
        if unknown:
            known = ", ".join(sorted(_FUNCTIONS | LOOPS))
            raise InvalidCondition(f"calls {', '.join(sorted(unknown))}, which is not there; there are {known}")
        shadowed = self._tokens.variables & VARIABLES
        if shadowed:
            raise InvalidCondition(f"calls an item {', '.join(sorted(shadowed))}, which is a variable already")
        others = set(names["variables"]) - variables - self._tokens.variables
        others = {name for name in others if not name.startswith("@")}
        if others:
            raise InvalidCondition(
                f"names {', '.join(sorted(others))}, which is not there; there are {', '.join(sorted(variables))}"
            )
        mine = frozenset(names["variables"]) & variables
        if not mine:
            raise InvalidCondition(f"asks about none of {', '.join(sorted(variables))}: it says the same of everything")
        return mine


def measured(document: Any) -> Measure:
    """Return how large a value is, without recursion."""
    size = widest = depth = 0
    level = [document]
    while level:
        depth += 1
        following: list[Any] = []
        for value in level:
            size += 1
            if isinstance(value, str):
                size += len(value) // 16
            elif isinstance(value, dict):
                size += sum(1 + len(name) // 16 for name in value)
                widest = max(widest, len(value))
                following.extend(value.values())
            elif isinstance(value, list | tuple):
                widest = max(widest, len(value))
                following.extend(value)
        if depth > MAX_DEPTH + 2:
            break
        level = following
    return Measure(size, widest, depth - 1)


def _check_patterns(tokens: Tokens) -> int:
    """Return how many instructions the patterns make. Raise InvalidCondition where one can't be had."""
    instructions = 0
    for literal in tokens.patterns:
        if literal is None:
            raise InvalidCondition("calls matches with a pattern that doesn't stand there as a text")
        try:
            instructions += int(compiled(_called(cel.evaluate, literal)).programsize)
            _called(cel.evaluate, f'"".matches({literal})')
        except (_Failed, InvalidPattern) as error:
            raise InvalidCondition(f"has the pattern {literal[:_SAID]}, which {error}") from None
    return instructions


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
