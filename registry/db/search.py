"""Artifacts found by facets, numbers, metrics and words: conditions, from which statements are put together.

What a caller may see is decided inside the statement that reads it, as everywhere (registry.db.rights). How that is done
fits how much he sees, which is asked first: all, a few repositories, whose artifacts are then looked up, or many.

Facets are lexemes `facet:value` in lower case (the column `facets`), so that all of a query's equalities, alternatives,
beginnings and negations are one look into one index. Words are those of `artifact_words`, below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeAlias

from registry.db.pool import Connection
from registry.db.rights import reach

_LAST: Final = r"U&'\+10FFFF'"  # sorts behind whatever a name may hold
RANKED: Final = 1000
"""Artifacts that have the words, of which the best are looked for: the newest so many."""
COUNTED: Final = 2000
"""Artifacts whose facets are counted: the newest so many."""
_FEW: Final = 200  # repositories, up to which it is cheaper to look each up than to ask of each artifact whose it is
_LARGE: Final = 32 << 10  # bytes of a record, as it is stored, above which a list has only its plain fields
_TAGS: Final = 100  # of an artifact, in a list


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


Asked: TypeAlias = FacetIs | NumberIs | MetricIs | RepositoryIs | TagIs | HasWords


class Condition(NamedTuple):
    """What must be so, or with `is_negated` must not."""

    asked: Asked
    is_negated: bool = False


class Reader(NamedTuple):
    """Who asks: a principal, None for whoever may see all; of what he may see only what `within` names, where that is given."""

    principal_id: int | None
    within: tuple[Word, ...] | None = None


class Place(NamedTuple):
    """After what a page begins: an artifact, by when it was pushed, or by its rank among those up to the id `newest`."""

    id: int
    pushed_at: datetime | None = None
    rank: float | None = None
    newest: int | None = None


class FoundRow(NamedTuple):
    """An artifact that was found. `marked` are texts with what was found between STX and ETX, where words were asked for."""

    id: int
    rank: float | None
    newest: int | None
    repository: str
    digest: bytes
    tags: list[str]
    kind: str
    format: str
    artifact_type: str | None
    size: int
    pushed_at: datetime
    record: str
    is_complete: bool
    marked: dict[str, str]


class CountRow(NamedTuple):
    """How many of the artifacts that were counted have a value for a facet."""

    facet: str
    value: str
    artifacts: int


_REACHED: Final = f"""
SELECT r.id FROM reach h, LATERAL (
    SELECT r.id, r.name FROM repositories r
    WHERE r.name >= h.target AND r.name <= h.target || CASE WHEN h.is_prefix THEN {_LAST} ELSE '' END
    UNION ALL
    SELECT r.id, r.name FROM repositories r
    WHERE starts_with(h.target, 'library/') AND strpos(r.name, '/') = 0 AND r.name >= substr(h.target, 9)
        AND r.name <= substr(h.target, 9) || CASE WHEN h.is_prefix THEN {_LAST} ELSE '' END
) r
"""
_HOW_MUCH: Final = f"""
WITH reach AS ({reach("$1::bigint")})
SELECT CASE WHEN EXISTS (SELECT FROM reach WHERE target = '' AND is_prefix) THEN -1
    ELSE (SELECT count(*) FROM ({_REACHED} LIMIT {_FEW + 1}) AS found) END
"""


def words(repository: str, record: str) -> str:
    """Return the expression of an artifact's `words`, by the name of its repository and its record; all three are SQL.

    The record is jsonb, {"values": …} of mediatypes.record. Words are runs of letters and digits, whatever stands between:
    `llama-3.1-8b` is llama, 3, 1, 8b. Those of names count most (weight A), then what an artifact is (B), then the description
    (C), of which there are the stems of English words (see the function in the migration).
    """
    return f"artifact_words({repository}, {record})"


class _Statement:
    """The conditions of a statement in SQL, and its parameters."""

    def __init__(self) -> None:
        self.parameters: list[Any] = []
        self.conditions: list[str] = []
        self.ranked: list[str] = []

    def value(self, value: object, kind: str) -> str:
        """Return what stands for a parameter."""
        self.parameters.append(value)
        return f"${len(self.parameters)}::{kind}"

    def add(self, conditions: Sequence[Condition]) -> None:
        """Add what is asked for."""
        facets = [_lexemes(asked, negated) for asked, negated in conditions if isinstance(asked, FacetIs)]
        if facets:
            # As many facets as there may be are one search of one index.
            self.conditions.append(f"a.facets @@ lower({self.value(' & '.join(facets), 'text')})::tsquery")
        for asked, is_negated in conditions:
            if isinstance(asked, HasWords):
                self._add_words(asked, is_negated)
            elif not isinstance(asked, FacetIs):
                self.conditions.append(self._of(asked, is_negated))

    def _add_words(self, asked: HasWords, is_negated: bool) -> None:
        query = _tsquery(self.value(asked.text, "text"), asked)
        if is_negated:
            self.conditions.append(f"NOT a.words @@ {query}")
        else:
            self.ranked.append(query)

    def _of(self, asked: NumberIs | MetricIs | RepositoryIs | TagIs, is_negated: bool) -> str:
        there = "NOT EXISTS" if is_negated else "EXISTS"
        match asked:
            case NumberIs(column, spans):
                kind = "timestamptz" if column is Column.PUSHED_AT else "bigint"
                found = f"({self._within(f'a.{column}', spans, kind)})"
                return f"{found} IS NOT TRUE" if is_negated else found
            case MetricIs(name, spans):
                named = f"lower(m.name) = lower({self.value(name, 'text')}) AND " if name is not None else ""
                return f"""{there} (
                    SELECT FROM artifact_metrics m WHERE m.repository_id = a.repository_id AND m.digest = a.digest
                        AND {named}({self._within("m.value", spans, "double precision")}))"""
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
        return f"({name} >= {value} AND {name} <= {value} || {_LAST})" if word.is_prefix else f"{name} = {value}"

    def _within(self, number: str, spans: Sequence[Span], kind: str) -> str:
        return " OR ".join(self._between(number, span, kind) for span in spans)

    def _between(self, number: str, span: Span, kind: str) -> str:
        sides = [f"{number} IS NOT NULL"]
        if span.low is not None:
            sides.append(f"{number} {'>=' if span.has_low else '>'} {self.value(span.low, kind)}")
        if span.high is not None:
            sides.append(f"{number} {'<=' if span.has_high else '<'} {self.value(span.high, kind)}")
        return f"({' AND '.join(sides[1:] or sides)})"


def _lexemes(asked: FacetIs, is_negated: bool) -> str:
    """Return what an artifact's facets must match, as tsquery has it."""
    found = " | ".join(_lexeme(asked.facet, value) for value in asked.values)
    return f"!({found})" if is_negated else f"({found})"


def _lexeme(facet: str, value: Word) -> str:
    text = f"{facet}:{value.text}"[:400].replace("\\", "\\\\").replace("'", "''")
    return f"'{text}'{':*' if value.is_prefix else ''}"


def _tsquery(text: str, asked: HasWords) -> str:
    """Return the query for words: as they are, or by their stems, which the description has; `text` is SQL."""
    plain = f"phraseto_tsquery('pg_catalog.simple', plain_words({text}))"
    if asked.is_prefix:
        return f"CASE WHEN numnode({plain}) = 0 THEN {plain} ELSE ({plain}::text || ':*')::tsquery END"
    stems = f"phraseto_tsquery('pg_catalog.english', plain_words({text}))"
    if asked.is_quoted:
        return f"({plain} || {stems})"
    return f"CASE WHEN numnode({stems}) = 0 THEN {stems} ELSE {plain} || {stems} END"


class _Visible(NamedTuple):
    """What stands before a statement, and the conditions by which it finds nothing but what its reader may see.

    `are_few`: it is by these that rows are to be looked up, and not in their order.
    """

    before: str
    conditions: list[str]
    are_few: bool = False


async def _visible(conn: Connection, statement: _Statement, reader: Reader) -> _Visible:
    """Return what a reader's statement has for that."""
    if reader.principal_id is None and reader.within is None:
        return _Visible("", [])
    within = statement.named("r.name", reader.within) if reader.within is not None else "true"
    if reader.principal_id is None:
        return _Visible("", [f"a.repository_id = ANY(ARRAY(SELECT r.id FROM repositories r WHERE {within}))"], True)
    before = f"WITH reach AS MATERIALIZED ({reach(statement.value(reader.principal_id, 'bigint'))})"
    much: int = await conn.fetchval(_HOW_MUCH, reader.principal_id)
    if much < 0 and reader.within is None:
        return _Visible(before, ["EXISTS (SELECT FROM reach WHERE target = '' AND is_prefix)"])
    ids = f"{_REACHED} WHERE {within}"
    if much > _FEW:
        return _Visible(before, [f"(a.repository_id IN ({ids})) IS TRUE"])  # not a join: a set, made once
    return _Visible(before, [f"a.repository_id = ANY(ARRAY({ids}))"], True)


def _are_in_few_repositories(conditions: Sequence[Condition]) -> bool:
    """Say whether conditions name repositories, one by one."""
    return any(
        isinstance(asked, RepositoryIs) and not is_negated and not any(name.is_prefix for name in asked.names)
        for asked, is_negated in conditions
    )


def _newest(are_few: bool) -> str:
    """Return by what the newest come first; where few are looked up, not by an index, which would go through all."""
    return f"a.pushed_at{' + interval $$0$$' if are_few else ''} DESC, a.id DESC"


async def page(
    conn: Connection, conditions: Sequence[Condition], *, reader: Reader, after: Place | None, limit: int
) -> list[FoundRow]:
    """Return up to `limit` artifacts that meet all conditions, those after a place: the newest first, or the best.

    Where words are asked for the best comes first, and of two as good the newer: of the newest RANKED that have them.
    """
    statement = _Statement()
    visible = await _visible(conn, statement, reader)
    statement.add(conditions)
    wanted = [*statement.conditions, *visible.conditions]
    order = _newest(visible.are_few or _are_in_few_repositories(conditions))
    query = " && ".join(f"({one})" for one in statement.ranked)
    if query:
        found = _ranked(statement, wanted, query, order, after, limit)
    else:
        if after is not None:
            moment, number = statement.value(after.pushed_at, "timestamptz"), statement.value(after.id, "bigint")
            wanted.append(f"(a.pushed_at, a.id) < ({moment}, {number})")
        found = f"""SELECT a.id, NULL::real AS rank, NULL::bigint AS newest FROM artifacts a
            WHERE {" AND ".join(wanted) or "true"} ORDER BY {order} LIMIT {statement.value(limit, "bigint")}"""
    text = f"""
    {visible.before}
    SELECT f.id, f.rank, f.newest, r.name, a.digest, ARRAY(
            SELECT t.name FROM tags t WHERE t.repository_id = a.repository_id AND t.digest = a.digest
            ORDER BY t.name LIMIT {_TAGS}),
        a.kind, a.format, a.artifact_type, a.size, a.pushed_at,
        CASE WHEN pg_column_size(a.record) <= {_LARGE} THEN a.record -> 'values' ELSE (
            SELECT coalesce(jsonb_object_agg(key, value), '{{}}') FROM jsonb_each(a.record -> 'values')
            WHERE jsonb_typeof(value) NOT IN ('object', 'array')) END,
        a.is_complete, {_marks(query)}
    FROM ({found}) f JOIN artifacts a ON a.id = f.id JOIN repositories r ON r.id = a.repository_id
    ORDER BY f.rank DESC, {"f.id" if query else "a.pushed_at DESC, f.id"} DESC
    """
    return [_row(row) for row in await _fetched(conn, text, statement)]


def _ranked(statement: _Statement, wanted: list[str], query: str, order: str, after: Place | None, limit: int) -> str:
    """Return the query for the best of the newest. What is newer than the first page was doesn't move the pages that follow."""
    wanted = [f"a.words @@ ({query})", *wanted]
    place = "true"
    if after is not None:
        wanted.append(f"a.id <= {statement.value(after.newest, 'bigint')}")
        rank, number = statement.value(after.rank, "real"), statement.value(after.id, "bigint")
        place = f"(rank < {rank} OR (rank = {rank} AND id < {number}))"
    newest = statement.value(after.newest if after is not None else None, "bigint")
    return f"""
    SELECT id, rank, newest FROM (
        SELECT id, ts_rank(words, ({query})) AS rank, coalesce({newest}, max(id) OVER ()) AS newest FROM (
            SELECT a.id, a.words FROM artifacts a WHERE {" AND ".join(wanted)} ORDER BY {order} LIMIT {RANKED}
        ) AS newest
    ) AS ranked WHERE {place} ORDER BY rank DESC, id DESC LIMIT {statement.value(limit, "bigint")}
    """


def _marks(query: str) -> str:
    """Return the texts of an artifact with marks around what a query finds in them; the marks alone make them longer."""
    if not query:
        return "NULL::text, NULL::text, NULL::text"
    how = "HighlightAll=true, StartSel=\x02, StopSel=\x03"
    texts = ("r.name", "a.record -> 'values' ->> 'title'", "a.record -> 'values' ->> 'description'")
    return ", ".join(f"ts_headline('pg_catalog.english', plain_words({text}), ({query}), '{how}')" for text in texts)


def _row(row: Any) -> FoundRow:
    marked = dict(zip(("repository", "title", "description"), row[-3:], strict=True))
    found = {name: text for name, text in marked.items() if text and "\x02" in text}
    return FoundRow._make((*row[:-3], found))


async def facets(
    conn: Connection, conditions: Sequence[Condition], *, reader: Reader, names: Sequence[str], most: int
) -> tuple[int, list[CountRow]]:
    """Return how many artifacts meet all conditions, and of each facet the `most` frequent values.

    No more than the newest COUNTED are counted.
    """
    statement = _Statement()
    visible = await _visible(conn, statement, reader)
    statement.add(conditions)
    order = _newest(visible.are_few or _are_in_few_repositories(conditions))
    wanted = [*statement.conditions, *visible.conditions, *(f"a.words @@ ({query})" for query in statement.ranked)]
    with_reach = f"{visible.before}," if visible.before else "WITH"
    text = f"""
    {with_reach} found AS MATERIALIZED (
        SELECT a.facets FROM artifacts a WHERE {" AND ".join(wanted) or "true"} ORDER BY {order} LIMIT {COUNTED}
    ), counted AS (
        SELECT split_part(word, ':', 1) AS facet, word, count(*) AS number
        FROM found, unnest(tsvector_to_array(facets)) AS word GROUP BY word
    ), placed AS (
        SELECT facet, word, number, row_number() OVER (PARTITION BY facet ORDER BY number DESC, word COLLATE "C") AS place
        FROM counted WHERE facet = ANY({statement.value(list(names), "text[]")})
    )
    SELECT '', '', count(*) FROM found
    UNION ALL
    SELECT * FROM (SELECT facet, substr(word, length(facet) + 2), number FROM placed
        WHERE place <= {statement.value(most, "bigint")} ORDER BY facet, place) AS listed
    """
    (_, _, total), *rows = await _fetched(conn, text, statement)
    return total, [CountRow(*row) for row in rows]


async def _fetched(conn: Connection, text: str, statement: _Statement) -> list[Any]:
    """Return a statement's rows. It is prepared for this once: a plan made for other values would be wrong for these."""
    prepared = await conn.prepare(text)
    return await prepared.fetch(*statement.parameters)
