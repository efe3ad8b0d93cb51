"""Artifacts, found by queries (docs/search.md)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Annotated, Any, Final, TypeVar

import msgspec

from mediatypes.digest import Digest
from registry.core.access import Caller, reach_of
from registry.core.pages import Page, after_of, page_of, place_of
from registry.core.query.facets import FACETS, FacetType
from registry.core.query.parsing import parse
from registry.core.query.terms import Interval, Item, Query, Text
from registry.core.query.terms import Word as Words
from registry.db import conditions, search
from registry.db.conditions import Column, Condition, Span, Word
from registry.db.pool import Connection, Database
from registry.db.replicas import Replicas
from registry.db.search import CountRow, FoundRow, Place
from registry.errors import PageInvalid

T = TypeVar("T")

LONGEST: Final = 1000
"""Artifacts of a page."""
_VALUES: Final = 20  # of each facet, that are counted
_AROUND: Final = 100  # characters before and behind what was found, that are shown
_BIGGEST: Final = (1 << 63) - 1
_COUNTED: Final = tuple(name for name, facet in FACETS.items() if facet.is_counted)
_COLUMNS: Final = {
    "params": Column.PARAMETERS,
    "size": Column.SIZE,
    "context": Column.CONTEXT_LENGTH,
    "rows": Column.ROWS,
    "pushed": Column.PUSHED_AT,
}


@dataclass(frozen=True, slots=True)
class Highlight:
    """A piece of a text, and where in it what was found begins and ends, in characters."""

    field: str
    text: str
    matches: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Found:
    """An artifact that was found."""

    repository: str
    digest: str
    tags: list[str]
    kind: str
    format: str
    artifact_type: str | None
    size: int
    pushed_at: datetime
    metadata: dict[str, Any]
    is_complete: bool
    highlights: list[Highlight]


@dataclass(frozen=True, slots=True)
class Counts:
    """The most frequent values of facets, of `counted` artifacts; where there are more than that the newest were counted."""

    counted: int
    is_all: bool
    facets: dict[str, list[CountRow]]
    age: float = 0.0


class Search:
    """The verbs of those who look for artifacts. None finds what the caller may not pull."""

    def __init__(self, db: Database, replicas: Replicas) -> None:
        self._db = db
        self._replicas = replicas

    async def page(
        self, text: str, *, caller: Caller, after: str = "", limit: int = LONGEST, max_stale: float = 0.0
    ) -> Page[Found]:
        """Return up to `limit` artifacts that a query asks for, the newest first, or the best where it has words.

        They may be `max_stale` seconds old. Raise QueryInvalid, PageInvalid.
        """
        query = parse(text, datetime.now(UTC))
        wanted, place = conditions_of(query), _place(after, query) if after else None
        limit = min(limit, LONGEST)

        async def find(conn: Connection) -> list[FoundRow]:
            return await search.page(conn, wanted, reach=reach_of(caller), after=place, limit=limit + 1)

        rows, age = await self._read("search_artifacts", find, caller, max_stale)
        found = page_of(rows, limit, key=_after, age=age)
        return Page([_found(row) for row in found.items], found.next_after, age)

    async def facets(self, text: str, *, caller: Caller, max_stale: float = 0.0) -> Counts:
        """Return the most frequent values of facets among what a query asks for. Raise QueryInvalid."""
        wanted = conditions_of(parse(text, datetime.now(UTC)))

        async def count(conn: Connection) -> tuple[int, list[CountRow]]:
            return await search.facets(conn, wanted, reach=reach_of(caller), names=_COUNTED, most=_VALUES)

        (counted, rows), age = await self._read("count_facets", count, caller, max_stale)
        facets: dict[str, list[CountRow]] = {name: [] for name in _COUNTED}
        for row in rows:
            facets[row.facet].append(row)
        return Counts(counted, counted < search.COUNTED, facets, age)

    async def _read(
        self, name: str, work: Callable[[Connection], Awaitable[T]], caller: Caller, max_stale: float
    ) -> tuple[T, float]:
        if max_stale and caller.principal_id is None:  # rights are never stale
            return await self._replicas.stale(name, work, within=max_stale)
        return await self._db.read(name, work), 0.0


def conditions_of(query: Query) -> list[Condition]:
    """Return what a query asks for, as the database has it."""
    return [Condition(_predicate(item), item.is_negated) for item in query.items]


def _predicate(item: Item) -> conditions.Predicate:
    asked = item.asked
    if isinstance(asked, Words):
        return conditions.HasWords(asked.text, asked.is_quoted, asked.is_prefix)
    facet = FACETS[asked.facet]
    if facet.type is FacetType.METRIC:
        return conditions.MetricIs(asked.metric, tuple(_span(value) for value in asked.values))
    if facet.type is not FacetType.TEXT:
        column = _COLUMNS[asked.facet]
        read = _span if column is Column.PUSHED_AT else _whole
        return conditions.NumberIs(column, tuple(read(value) for value in asked.values))
    names = tuple(_name(value) for value in asked.values)
    if asked.facet == "repo":
        return conditions.RepositoryIs(names)
    return conditions.TagIs(names) if asked.facet == "tag" else conditions.FacetIs(asked.facet, names)


def _name(value: object) -> Word:
    return Word(value.text, value.is_prefix) if isinstance(value, Text) else Word("", True)


def _span(value: object) -> Span:
    if not isinstance(value, Interval):
        return Span()
    low, high = (float(end) if isinstance(end, Decimal) else end for end in (value.low, value.high))
    return Span(low, high, value.has_low, value.has_high)


def _whole(value: object) -> Span:
    """Return the whole numbers of an interval, which an index of such finds; those that no column can hold are none."""
    if not isinstance(value, Interval):
        return Span()
    assert not isinstance(value.low, datetime)
    assert not isinstance(value.high, datetime)
    low = high = None
    if value.low is not None:
        low = int(value.low.to_integral_value(ROUND_CEILING))
        low += not value.has_low and value.low == low
    if value.high is not None:
        high = int(value.high.to_integral_value(ROUND_FLOOR))
        high -= not value.has_high and value.high == high
    if (low is not None and low > _BIGGEST) or (high is not None and high < 0):
        return Span(1, 0)
    return Span(max(low, 0) if low is not None else None, min(high, _BIGGEST) if high is not None else None)


def _found(row: FoundRow) -> Found:
    values: dict[str, Any] = json.loads(row.record)
    texts = {**values, "repository": row.repository}
    return Found(
        row.repository,
        str(Digest.from_bytes(row.digest)),
        row.tags,
        row.kind,
        row.format,
        row.artifact_type,
        row.size,
        row.pushed_at,
        values,
        row.is_complete,
        [_highlight(name, str(texts.get(name, "")), marked) for name, marked in row.marked.items()],
    )


def _highlight(field: str, text: str, marked: str) -> Highlight:
    """Return the piece of a text around the first match, and the matches in it; `marked` is as long but for its marks."""
    matches: list[tuple[int, int]] = []
    at = begin = 0
    for letter in marked:
        if letter == "\x02":
            begin = at
        elif letter == "\x03":
            matches.append((begin, at))
        else:
            at += 1
    start = max(matches[0][0] - _AROUND, 0)
    stop = min(matches[0][1] + _AROUND, len(text))
    return Highlight(field, text[start:stop], [(low - start, high - start) for low, high in matches if high <= stop])


class _AfterRank(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    id: Annotated[int, msgspec.Meta(ge=0, le=_BIGGEST)]
    rank: Annotated[float, msgspec.Meta(ge=0, le=_BIGGEST)]
    newest: Annotated[int, msgspec.Meta(ge=0, le=_BIGGEST)]


class _AfterMoment(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    id: Annotated[int, msgspec.Meta(ge=0, le=_BIGGEST)]
    pushed_at: datetime


def _after(row: FoundRow) -> str:
    """Return what a page says of where the next one begins."""
    if row.rank is not None and row.newest is not None:
        return after_of(row.id, row.rank, row.newest)
    return after_of(row.id, row.pushed_at)


def _place(after: str, query: Query) -> Place:
    """Return where a page begins. Raise PageInvalid."""
    if query.is_ranked:
        best = place_of(after, _AfterRank)
        return Place(best.id, rank=best.rank, newest=best.newest)
    last = place_of(after, _AfterMoment)
    if last.pushed_at.utcoffset() != timedelta():  # others may lie outside of what datetime can turn into UTC
        raise PageInvalid("after", after, "is not what a page of this query has said; begin again without it")
    return Place(last.id, pushed_at=last.pushed_at)
