"""The same queries over the same artifacts, filtered by Python one by one: nothing of SQL, of indexes and of plans."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from registry.core.query.terms import Anything, Interval, Item, Query, Term, Text, Value, Word
from tests.artifacts import Made

_TEXTS = {
    "framework": "framework",
    "format": "format",
    "arch": "architecture",
    "family": "family",
    "precision": "precision",
    "quantization": "quantization",
    "license": "licenses",
    "task": "tasks",
    "lang": "languages",
    "label": "tags",
}
_NUMBERS = {"params": "parameters", "context": "context_length", "rows": "rows"}


def found(query: Query, artifacts: Iterable[Made]) -> list[Made]:
    """Return the artifacts that a query asks for, the newest first."""
    meets = [one for one in artifacts if all(_meets(item, one) for item in query.items)]
    return sorted(meets, key=lambda one: (one.pushed_at, one.id), reverse=True)


def _meets(item: Item, one: Made) -> bool:
    asked = item.asked
    is_so = _has_words(asked, one) if isinstance(asked, Word) else any(_is(asked, value, one) for value in asked.values)
    return is_so != item.is_negated


def _is(term: Term, value: Value, one: Made) -> bool:
    return any(_fits(value, known, exact=term.facet in ("repo", "tag")) for known in _known(term, one))


def _known(term: Term, one: Made) -> list[Any]:
    match term.facet:
        case "kind" | "size" | "pushed" | "finding":
            known: Any = getattr(one, "pushed_at" if term.facet == "pushed" else term.facet)
        case "packed":
            known = one.format
        case "type":
            known = one.artifact_type
        case "repo":
            known = one.repository
        case "tag":
            known = list(one.tags)
        case "base":
            known = one.refs("base_models")
        case "dataset":
            known = one.refs("datasets")
        case "metric":
            known = [
                metric["value"]
                for metric in one.metrics
                if term.metric is None or metric["name"].lower() == term.metric.lower()
            ]
        case facet:
            known = one.values.get(_TEXTS.get(facet) or _NUMBERS[facet])
    return known if isinstance(known, list) else [] if known is None else [known]


def _fits(value: Value, known: Any, *, exact: bool) -> bool:
    match value:
        case Anything():
            return True
        case Text(text, is_prefix):
            text, known = (text, known) if exact else (_lower(text), _lower(known))
            return bool(known.startswith(text) if is_prefix else known == text)
        case Interval(low, high, has_low, has_high):
            known = Decimal(str(known)) if isinstance(known, (int, float)) else known
            above = low is None or known > low or (has_low and known == low)
            below = high is None or known < high or (has_high and known == high)
            return bool(above and below)


def _lower(text: str) -> str:
    """Return a text as the embedded database, whose locale is C, has it in lower case."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def _has_words(asked: Word, one: Made) -> bool:
    wanted, all_words = _words(asked.text), _words_of(one)
    for begin in range(len(all_words) - len(wanted) + 1):
        piece = all_words[begin : begin + len(wanted)]
        if asked.is_prefix and piece[:-1] == wanted[:-1] and piece[-1].startswith(wanted[-1]):
            return True
        if piece == wanted:
            return True
    return False


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def _words_of(one: Made) -> list[str]:
    value = one.values.get
    names = [one.repository, value("name"), value("title")]
    what = [value(name) for name in ("tags", "family", "architecture", "tasks", "framework", "format", "quantization")]
    refs = [one.refs("base_models"), one.refs("datasets")]
    texts = [*names, *what, *refs, value("description")]
    return _words(" ".join(text if isinstance(text, str) else json.dumps(text) for text in texts if text))
