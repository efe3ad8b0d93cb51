"""Artifacts found by facets, numbers, metrics and words: conditions, from which statements are put together.

What a caller may see is decided inside the statement that reads it, as everywhere (registry.db.rights). How that is done
fits how much he sees, which is asked first: all, a few repositories, whose artifacts are then looked up, or many.

What is asked for is data (registry.db.conditions); words are those of `words`, below.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from registry.db import rights
from registry.db.conditions import LAST, Condition, RepositoryIs, Statement, Word
from registry.db.pool import Connection
from registry.db.reaching import Reach

RANKED: Final = 1000
"""Artifacts that have the words, of which the best are looked for: the newest so many."""
COUNTED: Final = 2000
"""Artifacts whose facets are counted: the newest so many."""
_FEW: Final = 200  # repositories, up to which it is cheaper to look each up than to ask of each artifact whose it is
_LARGE: Final = 32 << 10  # bytes of a record, as it is stored, above which a list has only its plain fields
_TAGS: Final = 100  # of an artifact, in a list


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


def _reached(within: str = "true") -> str:
    """Return a query of the ids of repositories that targets `reach` name, of those that meet a condition of `r`; it is SQL."""
    return f"""
    SELECT r.id FROM reach h, LATERAL (
        SELECT r.id, r.name FROM repositories r
        WHERE r.name >= h.target AND r.name <= h.target || CASE WHEN h.is_prefix THEN {LAST} ELSE '' END
        UNION ALL
        SELECT r.id, r.name FROM repositories r
        WHERE starts_with(h.target, 'library/') AND strpos(r.name, '/') = 0 AND r.name >= substr(h.target, 9)
            AND r.name <= substr(h.target, 9) || CASE WHEN h.is_prefix THEN {LAST} ELSE '' END
    ) r WHERE {within}
    """


_HOW_MUCH: Final = f"""
WITH reach AS ({rights.reach("$1::bigint")})
SELECT CASE WHEN EXISTS (SELECT FROM reach WHERE target = '' AND is_prefix) THEN -1
    ELSE (SELECT count(*) FROM ({_reached()} LIMIT {_FEW + 1}) AS found) END
"""


def words(repository: str, record: str) -> str:
    """Return the expression of an artifact's `words`, by the name of its repository and its record; all three are SQL.

    The record is jsonb, {"values": …} of mediatypes.record. Words are runs of letters and digits, whatever stands between:
    `llama-3.1-8b` is llama, 3, 1, 8b. Those of names count most (weight A), then what an artifact is (B), then the description
    (C), of which there are the stems of English words (see the function in the migration).
    """
    return f"artifact_words({repository}, {record})"


class _Visible(NamedTuple):
    """What stands before a statement, and the conditions by which it finds nothing but what its asker may see.

    `few`: an array, in SQL, of the ids of the repositories that these are, where they are few and rows are looked up by them.
    """

    before: str
    conditions: list[str]
    few: str | None = None


async def _visible(conn: Connection, statement: Statement, reach: Reach) -> _Visible:
    """Return what a statement has for that."""
    if reach.principal_id is None and reach.names is None:
        return _Visible("", [])
    within = statement.named("r.name", _named(reach)) if reach.names is not None else "true"
    if reach.principal_id is None:
        return _in_few("WITH", f"SELECT r.id FROM repositories r WHERE {within}")
    before = f"WITH reach AS MATERIALIZED ({rights.reach(statement.value(reach.principal_id, 'bigint'))})"
    much: int = await conn.fetchval(_HOW_MUCH, reach.principal_id)
    if much < 0 and reach.names is None:
        return _Visible(before, ["EXISTS (SELECT FROM reach WHERE target = '' AND is_prefix)"])
    ids = _reached(within)
    if much > _FEW:
        return _Visible(before, [f"(a.repository_id IN ({ids})) IS TRUE"])  # not a join: a set, made once
    return _in_few(f"{before},", ids)


def _in_few(before: str, ids: str) -> _Visible:
    """Return what finds nothing but what is in few repositories, of which `ids` is the query."""
    few = "ARRAY(SELECT id FROM few)"
    return _Visible(f"{before} few AS MATERIALIZED ({ids})", [f"a.repository_id = ANY({few})"], few)


def _named(reach: Reach) -> list[Word]:
    """Return what a credential names."""
    names = [Word(name, False) for name in reach.names or ()]
    return names + [Word(prefix, True) for prefix in reach.prefixes or ()]


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
    conn: Connection, conditions: Sequence[Condition], *, reach: Reach, after: Place | None, limit: int
) -> list[FoundRow]:
    """Return up to `limit` artifacts that meet all conditions, those after a place: the newest first, or the best.

    Where words are asked for the best comes first, and of two as good the newer: of the newest RANKED that have them.
    """
    statement = Statement()
    visible = await _visible(conn, statement, reach)
    statement.add(conditions, few=visible.few)
    wanted = [*statement.conditions, *visible.conditions]
    order = _newest(visible.few is not None or _are_in_few_repositories(conditions))
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


def _ranked(statement: Statement, wanted: list[str], query: str, order: str, after: Place | None, limit: int) -> str:
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
    conn: Connection, conditions: Sequence[Condition], *, reach: Reach, names: Sequence[str], most: int
) -> tuple[int, list[CountRow]]:
    """Return how many artifacts meet all conditions, and of each facet the `most` frequent values.

    No more than the newest COUNTED are counted, by PostgreSQL's own statistics of words, which takes half of what it takes to
    list and group them; it wants a query as a text. Each artifact is of one kind, so that its kinds tell how many they are.
    """
    statement = Statement()
    visible = await _visible(conn, statement, reach)
    statement.add(conditions, few=visible.few)
    order = _newest(visible.few is not None or _are_in_few_repositories(conditions))
    wanted = [*statement.conditions, *visible.conditions, *(f"a.words @@ ({query})" for query in statement.ranked)]
    query = f"""{visible.before}
        SELECT a.facets FROM artifacts a WHERE {" AND ".join(wanted) or "true"} ORDER BY {order} LIMIT {COUNTED}
    """
    text = f"""
    WITH asked AS (
        SELECT {statement.quoted(query)} AS query
    ), counted AS (
        SELECT split_part(word, ':', 1) AS facet, word, ndoc AS number FROM asked, ts_stat(asked.query)
    ), placed AS (
        SELECT facet, word, number, row_number() OVER (PARTITION BY facet ORDER BY number DESC, word COLLATE "C") AS place
        FROM counted WHERE facet = ANY({statement.value(list(names), "text[]")})
    )
    SELECT * FROM (
        SELECT '' AS facet, '' AS value, coalesce(sum(number), 0) AS number FROM counted WHERE facet = 'kind'
        UNION ALL
        SELECT facet, substr(word, length(facet) + 2), number FROM placed WHERE place <= {statement.value(most, "bigint")}
    ) AS listed ORDER BY facet <> '', facet, number DESC, value COLLATE "C"
    """
    (_, _, total), *rows = await _fetched(conn, text, statement)
    return total, [CountRow(*row) for row in rows]


async def _fetched(conn: Connection, text: str, statement: Statement) -> list[Any]:
    """Return a statement's rows. It is prepared for this once: a plan made for other values would be wrong for these."""
    prepared = await conn.prepare(text)
    return await prepared.fetch(*statement.parameters)
