"""What is wrong with a policy, or with the cases by which one is tested."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

MOST: Final = 20
"""Problems that are told of one document."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Where a document is wrong, and how.

    `pointer` is a JSON Pointer (RFC 6901), "" of the whole document; `message` completes it: “/require/age is empty”. `line`
    counts from 1; None where the text has no such place.
    """

    pointer: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        """Return a line for people."""
        where = f"line {self.line}: " if self.line else ""
        return f"{where}{self.pointer or 'the document'} {self.message}"


class InvalidPolicy(ValueError):
    """A text that is no policy; `problems` says all that is wrong, in the order of the text as far as it is known."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line or 0))[:MOST]
        super().__init__("\n".join(map(str, self.problems)))


def escaped(part: str) -> str:
    """Return a name as a JSON Pointer has it (RFC 6901 §3)."""
    return part.replace("~", "~0").replace("/", "~1")
