"""Licences by SPDX expressions (SPDX 2.3, annex D): which of them an artifact may be used by."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from mediatypes.models.values import license_name
from signing.policy.outcomes import Outcome
from signing.policy.requirements import Licensed

_SAY_NOTHING: Final = frozenset({"noassertion", "none", "other", "unknown", "unlicensed"})
"""Words that stand where a licence should, in lower case."""
_OPERATORS: Final = frozenset({"AND", "OR", "WITH", "(", ")"})
_LONGEST: Final = 500  # characters of an expression
_DEEPEST: Final = 20  # parentheses
_GNU: Final = re.compile(r"(?:a|l)?gpl-[0-9.]+|gfdl-[0-9.]+", re.ASCII)


def is_expression(name: str) -> bool:
    """Say whether a text is composed of several licences."""
    return bool({"AND", "OR"} & set(license_name(name).replace("(", " ").replace(")", " ").split()))


def judged(found: Iterable[str], wanted: Licensed) -> tuple[Outcome, str]:
    """Return whether licences are as is wanted, and why: each of them has to be.

    In an expression one alternative of OR is enough, and all parts of AND have to do. Without a licence nothing is decided.
    """
    names = list(found)
    if not names:
        return Outcome.UNDECIDED, "no license is known of it"
    said_nothing = [name for name in names if name.strip().lower() in _SAY_NOTHING]
    if said_nothing:
        return Outcome.UNDECIDED, f"its license is told as {said_nothing[0]}, which says nothing"
    listed = frozenset(_comparable(license_name(name)) for name in wanted.names)
    try:
        bad = [name for name in names if not _Expression(license_name(name), listed, wanted.are_allowed).holds()]
    except _Unreadable as error:
        return Outcome.UNDECIDED, f"its license “{str(error)[:200]}” is neither a name nor an SPDX expression"
    if not bad:
        return Outcome.MET, f"its license is {', '.join(names)[:200]}"
    why = "is not among those that are allowed" if wanted.are_allowed else "is among those that are refused"
    return Outcome.UNMET, f"its license {', '.join(bad)[:200]} {why}"


def _comparable(name: str) -> str:
    """Return a licence as it is compared: SPDX's deprecated names of GNU licences mean that version only."""
    text = name.lower()
    return f"{text}-only" if _GNU.fullmatch(text) else text


class _Unreadable(ValueError):
    """A text of several words that is no expression."""


class _Expression:
    """An expression, read from left to right; AND binds closer than OR."""

    def __init__(self, text: str, listed: frozenset[str], are_allowed: bool) -> None:
        words = text.replace("(", " ( ").replace(")", " ) ").split()
        self._tokens = [word.upper() if word.upper() in _OPERATORS else word for word in words]
        self._listed = listed
        self._are_allowed = are_allowed
        self._text = text
        self._at = 0

    def holds(self) -> bool:
        """Say whether somebody may choose among its alternatives so that all that apply are as is wanted. Raise _Unreadable."""
        if _comparable(self._text) in self._listed or len(self._tokens) == 1:
            return self._is_fine(self._text)
        if self._tokens.count("(") > _DEEPEST or len(self._text) > _LONGEST:
            raise _Unreadable(self._text)
        held = self._either()
        if self._at < len(self._tokens):
            raise _Unreadable(self._text)
        return held

    def _either(self) -> bool:
        held = self._both()
        while self._taken("OR"):
            held = self._both() or held
        return held

    def _both(self) -> bool:
        held = self._one()
        while self._taken("AND"):
            held = self._one() and held
        return held

    def _one(self) -> bool:
        if self._taken("("):
            held = self._either()
            if not self._taken(")"):
                raise _Unreadable(self._text)
            return held
        name = self._next()
        if not self._taken("WITH"):
            return self._is_fine(name)
        whole = f"{name} WITH {self._next()}"
        # An exception permits more, but who refuses a licence has not said that he takes it with one.
        return self._is_fine(whole) if self._are_allowed else self._is_fine(whole) and self._is_fine(name)

    def _is_fine(self, name: str) -> bool:
        return (_comparable(name) in self._listed) == self._are_allowed

    def _taken(self, token: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == token:
            self._at += 1
            return True
        return False

    def _next(self) -> str:
        """Return the name that has to stand here."""
        if self._at == len(self._tokens) or self._tokens[self._at] in _OPERATORS:
            raise _Unreadable(self._text)
        self._at += 1
        return self._tokens[self._at - 1]
