"""From the text of a query to what it asks for."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final, TypeAlias

from lark import Lark, Token, Tree, UnexpectedInput

from registry.core.query.facets import ALIASES, FACETS, PRECISIONS, RESERVED, Facet, FacetType
from registry.core.query.terms import Anything, Item, Query, Term, Text, Value, Word
from registry.core.query.values import NoValue, between, interval
from registry.errors import QueryInvalid

LONGEST: Final = 1000
"""Characters of a query."""
MOST: Final = 32
"""Items of a query, and half as many as all of them may have values."""

_LONGEST_WORD: Final = 1000  # bytes in UTF-8; PostgreSQL takes twice as many

_Tree: TypeAlias = Tree[Token]
_NEXT: Final = {
    "NAME": "a facet such as license:",
    "WORD": "a word",
    "QUOTED": "words in quotes",
    "BARE": "a value",
    "SIGN": "<, <=, > or >=",
    "NOT": "-",
    "STAR": "*",
    "_COMMA": "a comma and another value",
    "_SPACE": "a space",
}
_LARK: Final = Lark.open(
    "query.lark", rel_to=__file__, start="query", parser="lalr", lexer="contextual", propagate_positions=True
)


def parse(text: str, now: datetime) -> Query:
    """Return what a query asks for; ages count back from `now`. Raise QueryInvalid, which says where and what is possible."""
    if len(text) > LONGEST:
        raise QueryInvalid(f"is longer than {LONGEST} characters", at=LONGEST)
    if (
        at := next((at for at, letter in enumerate(text) if not letter.isprintable() and letter not in "\t\n\r"), None)
    ) is not None:
        raise QueryInvalid("has a character that is none of a text", at=at)
    try:
        tree = _LARK.parse(text)
    except UnexpectedInput as error:
        raise _unexpected(text, error) from None
    items = [node for node in tree.children if isinstance(node, Tree)]
    if len(items) > MOST:
        raise QueryInvalid(f"asks for more than {MOST} things", at=items[MOST].meta.start_pos)
    values = list(tree.find_data("value"))
    if len(values) > 2 * MOST:
        raise QueryInvalid(f"has more than {2 * MOST} values", at=values[2 * MOST].meta.start_pos)
    return Query(tuple(_item(node, now) for node in items))


def _item(node: _Tree, now: datetime) -> Item:
    *negation, asked = node.children
    assert isinstance(asked, Tree)
    return Item(_term(asked, now) if asked.data == "facet" else _word(asked), bool(negation))


def _word(node: _Tree) -> Word:
    first = _token(node.children[0])
    is_quoted = first.type == "QUOTED"
    text = first.strip('"') if is_quoted else str(first)
    is_prefix = len(node.children) > 1 or (not is_quoted and text.endswith("*"))
    if text.startswith("~") and not is_quoted:
        raise _invalid(first, "begins with ~, which is reserved for search by meaning", suggestion=text[1:])
    if len(text.encode()) > _LONGEST_WORD:
        raise _invalid(first, f"is longer than {_LONGEST_WORD} bytes")
    if not any(letter.isalnum() for letter in text):
        raise _invalid(first, "has no letter and no digit")
    return Word(text.rstrip("*") if is_prefix else text, is_quoted, is_prefix)


def _term(node: _Tree, now: datetime) -> Term:
    name, *values = node.children
    written = _token(name)
    head, _, metric = written[:-1].partition(".")
    facet = _facet(written, head.lower())
    if bool(metric) != (facet.type is FacetType.METRIC):
        example = f"metric.accuracy:{facet.example}" if not metric else f"{facet.name}:{facet.example}"
        why = "needs the name of a metric" if not metric else f"names no part: {facet.name} has none"
        raise _invalid(written, why, suggestion=example)
    trees = [value for value in values if isinstance(value, Tree)]
    if facet.type is FacetType.HAS:
        return _has(written, trees)
    return Term(facet.name, tuple(_value(facet, value, now) for value in trees), metric.strip('"') or None)


def _has(written: Token, values: list[_Tree]) -> Term:
    if len(values) > 1:
        raise _invalid(written, "takes one facet; say it again for another", suggestion="has:license has:task")
    token = _token(values[0].children[-1])
    facet = _facet(token, token.strip('"').lower(), possible=[name for name in FACETS if name != "has"])
    if facet.type is FacetType.HAS:
        raise _invalid(token, "is what every artifact has", suggestion="has:license")
    return Term(facet.name, (Anything(),))


def _facet(token: Token, name: str, possible: Iterable[str] = FACETS) -> Facet:
    facet = FACETS.get(ALIASES.get(name, name))
    if facet is not None:
        return facet
    if name == RESERVED:
        raise _invalid(token, "is reserved: artifacts are sorted by rank where there are words, else the newest first")
    close = difflib.get_close_matches(name, [*FACETS, *ALIASES], n=1)
    suggestion = (close[0] + token[len(name) :] if name == token[: len(name)].lower() else close[0]) if close else None
    raise _invalid(
        token, "is no facet; a word that has a colon stands in quotes", possible=possible, suggestion=suggestion
    )


def _value(facet: Facet, node: _Tree, now: datetime) -> Value:
    tokens = [_token(child) for child in node.children]
    sign = str(tokens.pop(0)) if tokens[0].type == "SIGN" else ""
    token, is_quoted = tokens[0], tokens[0].type == "QUOTED"
    text = token.strip('"') if is_quoted else str(token)
    if not is_quoted and not sign and text == "*":
        return Anything()
    if facet.type is FacetType.TEXT:
        if sign:
            raise _invalid(token, f"can't be compared: {facet.name} has no order", suggestion=f"{facet.name}:{text}")
        is_prefix = len(tokens) > 1 or (not is_quoted and text.endswith("*"))
        text = text.rstrip("*") if is_prefix else text
        if not text:
            raise _invalid(token, f"is no value of {facet.name}", suggestion=f"{facet.name}:{facet.example}")
        if facet.name == "precision":
            text = PRECISIONS.get(text.lower(), text) if not is_prefix else text
        return Text(text, is_prefix)
    first, dots, last = text.partition("..")
    try:
        if dots and sign:
            raise NoValue("is a range and a comparison; it may be one of them")
        return between(facet.type, first, last, now) if dots else interval(facet.type, sign, text, now)
    except NoValue as error:
        why = str(error) or f"is no value of {facet.name}, which is {facet.type.value}"
        name = facet.name if facet.type is not FacetType.METRIC else "metric.accuracy"
        raise _invalid(token, why, suggestion=f"{name}:{facet.example}") from None


def _token(child: object) -> Token:
    assert isinstance(child, Token)
    return child


def _invalid(token: Token, why: str, *, possible: Iterable[str] = (), suggestion: str | None = None) -> QueryInvalid:
    return QueryInvalid(why, at=token.start_pos or 0, what=str(token), possible=possible, suggestion=suggestion)


def _unexpected(text: str, error: UnexpectedInput) -> QueryInvalid:
    at = error.pos_in_stream if isinstance(error.pos_in_stream, int) else len(text)
    if getattr(getattr(error, "token", None), "type", "") == "$END":
        at = len(text)
    possible = list(_possible(error))
    if text.count('"') % 2:
        return QueryInvalid(
            "has a quote that doesn't end", at=text.rindex('"'), suggestion=f'{text.strip()}"'[:LONGEST]
        )
    if at >= len(text):
        return QueryInvalid("ends too early", at=len(text), possible=possible)
    what = text[at:].split(maxsplit=1)
    return QueryInvalid("is not what may stand here", at=at, what=what[0] if what else " ", possible=possible)


def _possible(error: UnexpectedInput) -> Iterator[str]:
    names = getattr(error, "accepts", None) or getattr(error, "expected", None) or getattr(error, "allowed", None) or ()
    yield from sorted(_NEXT[name] for name in names if name in _NEXT)
