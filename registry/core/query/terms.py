"""What a query asks for, as data: of all its items, each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

Bound: TypeAlias = Decimal | datetime


@dataclass(frozen=True, slots=True)
class Text:
    """A value as it is, in whatever case; with `is_prefix` whatever begins so."""

    text: str
    is_prefix: bool = False


@dataclass(frozen=True, slots=True)
class Interval:
    """What lies between two bounds, of which None is none; each belongs to it only where that is said."""

    low: Bound | None = None
    high: Bound | None = None
    has_low: bool = True
    has_high: bool = True


@dataclass(frozen=True, slots=True)
class Anything:
    """Any value at all."""


Value: TypeAlias = Text | Interval | Anything


@dataclass(frozen=True, slots=True)
class Term:
    """One of `values` for a facet (registry.core.query.facets); `metric` is the name of the one that is meant, if one is."""

    facet: str
    values: tuple[Value, ...]
    metric: str | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """A word, or words that follow each other, in the names and the description; `is_quoted` counts stop words, too."""

    text: str
    is_quoted: bool = False
    is_prefix: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """What must be so, or with `is_negated` must not."""

    asked: Term | Word
    is_negated: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """All of these."""

    items: tuple[Item, ...] = ()

    @property
    def is_ranked(self) -> bool:
        """Whether there are words that an artifact may have more or less of."""
        return any(isinstance(item.asked, Word) and not item.is_negated for item in self.items)
