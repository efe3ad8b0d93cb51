"""What artifacts are asked for, as data, and as conditions in SQL with parameters.

Facets are lexemes `facet:value` in lower case (the column `facets`), so that all of a query's equalities, alternatives,
beginnings and negations are one look into one index.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeAlias

LAST: Final = r"U&'\+10FFFF'"
"""What sorts behind whatever a name may hold, in SQL."""


_VALUE: Final = re.compile(r"\$(\d+)::")  # as Statement.value writes it
_LONGEST: Final = 400  # characters of a value that a facet keeps (facet_words)


class Column(StrEnum):
    """Columns of numbers and moments."""

    PARAMETERS = "parameters"
    SIZE = "size"
    CONTEXT_LENGTH = "context_length"
    ROWS = "rows"
    PUSHED_AT = "pushed_at"


Number: TypeAlias = int | float | datetime


class Span(NamedTuple):
    """What lies between two bounds, of which None is none; each belongs to it only where that is said."""

    low: Number | None = None
    high: Number | None = None
    has_low: bool = True
    has_high: bool = True


class Word(NamedTuple):
    """A value, or with `is_prefix` whatever begins so."""

    text: str
    is_prefix: bool = False


@dataclass(frozen=True, slots=True)
class FacetIs:
    """An artifact has one of the values for a facet; case doesn't count."""

    facet: str
    values: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class NumberIs:
    """A column's number is in one of the spans."""

    column: Column
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class MetricIs:
    """A metric of a name, in whatever case, is in one of the spans; of any name where that is None."""

    name: str | None
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class RepositoryIs:
    """The repository has one of the names."""

    names: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class TagIs:
    """A tag of one of the names is on the artifact."""

    names: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class HasWords:
    """Words follow each other; stop words count where they are quoted, or else only in names."""

    text: str
    is_quoted: bool
    is_prefix: bool


Predicate: TypeAlias = FacetIs | NumberIs | MetricIs | RepositoryIs | TagIs | HasWords


class Condition(NamedTuple):
    """What must be so, or with `is_negated` must not."""

    predicate: Predicate
    is_negated: bool = False


class Statement:
    """The conditions of a statement in SQL, and its parameters."""

    def __init__(self) -> None:
        self.parameters: list[Any] = []
        self.conditions: list[str] = []
        self.ranked: list[str] = []
        self._kinds: list[str] = []

    def value(self, value: object, kind: str) -> str:
        """Return what stands for a parameter."""
        self.parameters.append(value)
        self._kinds.append(kind)
        return f"${len(self.parameters)}::{kind}"

    def quoted(self, query: str) -> str:
        """Return an expression, in SQL, of the text of a query, with the values so far in place of its parameters."""
        template = _VALUE.sub(r"%\1$L::", query.replace("%", "%%"))
        values = ", ".join(f"${number}::{kind}::text" for number, kind in enumerate(self._kinds, 1))
        # An array: PostgreSQL's functions take no more than a hundred arguments.
        return f"format($query${template}$query$, VARIADIC ARRAY[{values}]::text[])"

    def add(self, conditions: Sequence[Condition], *, few: str | None = None) -> None:
        """Add what is asked for. `few` is an array of ids, in SQL, of repositories, where nothing is found in others."""
        facets = [_lexemes(predicate, negated) for predicate, negated in conditions if isinstance(predicate, FacetIs)]
        if facets:
            # As many facets as there may be are one search of one index.
            self.conditions.append(f"a.facets @@ lower({self.value(' & '.join(facets), 'text')})::tsquery")
        for predicate, is_negated in conditions:
            if isinstance(predicate, HasWords):
                self._add_words(predicate, is_negated)
            elif not isinstance(predicate, FacetIs):
                self.conditions.append(self._of(predicate, is_negated, few))

    def _add_words(self, predicate: HasWords, is_negated: bool) -> None:
        query = _tsquery(self.value(predicate.text, "text"), predicate)
        if is_negated:
            self.conditions.append(f"NOT a.words @@ {query}")
        else:
            self.ranked.append(query)

    def _of(self, predicate: NumberIs | MetricIs | RepositoryIs | TagIs, is_negated: bool, few: str | None) -> str:
        there = "NOT EXISTS" if is_negated else "EXISTS"
        match predicate:
            case NumberIs(column, spans):
                kind = "timestamptz" if column is Column.PUSHED_AT else "bigint"
                found = f"({self._within(f'a.{column}', spans, kind)})"
                return f"{found} IS NOT TRUE" if is_negated else found
            case MetricIs(name, spans):
                named = f"lower(m.name) = lower({self.value(name, 'text')}) AND " if name is not None else ""
                # Without it PostgreSQL reads all metrics of a name, or those of one artifact after the other.
                near = f"m.repository_id = ANY({few}) AND " if few is not None else ""
                return f"""{there} (
                    SELECT FROM artifact_metrics m WHERE m.repository_id = a.repository_id AND m.digest = a.digest
                        AND {near}{named}({self._within("m.value", spans, "double precision")}))"""
            case RepositoryIs(names) if is_negated:
                return f"NOT EXISTS (SELECT FROM repositories n WHERE n.id = a.repository_id AND {self.named('n.name', names)})"
            case RepositoryIs(names):
                return (
                    f"a.repository_id = ANY(ARRAY(SELECT n.id FROM repositories n WHERE {self.named('n.name', names)}))"
                )
            case TagIs(names):
                return f"""{there} (
                    SELECT FROM tags t WHERE t.repository_id = a.repository_id AND t.digest = a.digest
                        AND {self.named("t.name", names)})"""

    def named(self, name: str, names: Sequence[Word]) -> str:
        """Return the condition that a name is one of those."""
        texts = [self._one_name(name, word) for word in names]
        return f"({' OR '.join(texts) or 'false'})"

    def _one_name(self, name: str, word: Word) -> str:
        value = self.value(word.text, "text")
        return f"({name} >= {value} AND {name} <= {value} || {LAST})" if word.is_prefix else f"{name} = {value}"

    def _within(self, number: str, spans: Sequence[Span], kind: str) -> str:
        return " OR ".join(self._between(number, span, kind) for span in spans)

    def _between(self, number: str, span: Span, kind: str) -> str:
        sides = [f"{number} IS NOT NULL"]
        if span.low is not None:
            sides.append(f"{number} {'>=' if span.has_low else '>'} {self.value(span.low, kind)}")
        if span.high is not None:
            sides.append(f"{number} {'<=' if span.has_high else '<'} {self.value(span.high, kind)}")
        return f"({' AND '.join(sides[1:] or sides)})"


def _lexemes(predicate: FacetIs, is_negated: bool) -> str:
    """Return what an artifact's facets must match, as tsquery has it."""
    found = " | ".join(_lexeme(predicate.facet, value) for value in predicate.values)
    return f"!({found})" if is_negated else f"({found})"


def _lexeme(facet: str, value: Word) -> str:
    text = f"{facet}:{value.text[:_LONGEST]}".replace("\\", "\\\\").replace("'", "''")
    return f"'{text}'{':*' if value.is_prefix else ''}"


def _tsquery(text: str, predicate: HasWords) -> str:
    """Return the query for words: as they are, or by their stems, which the description has; `text` is SQL."""
    plain = f"phraseto_tsquery('pg_catalog.simple', plain_words({text}))"
    if predicate.is_prefix:
        return f"CASE WHEN numnode({plain}) = 0 THEN {plain} ELSE ({plain}::text || ':*')::tsquery END"
    stems = f"phraseto_tsquery('pg_catalog.english', plain_words({text}))"
    # The same twice would count twice where PostgreSQL estimates how many rows have it.
    both = f"CASE WHEN {plain} = {stems} THEN {plain} ELSE {plain} || {stems} END"
    return both if predicate.is_quoted else f"CASE WHEN numnode({stems}) = 0 THEN {stems} ELSE {both} END"
