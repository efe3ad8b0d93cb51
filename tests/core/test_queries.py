"""The grammar of queries: what is understood as what, and what is said where something is not understood."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core.query.facets import FACETS, FacetType
from registry.core.query.parsing import LONGEST, parse
from registry.core.query.terms import Anything, Interval, Item, Term, Text, Word
from registry.errors import QueryInvalid

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
MAY, JUNE = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)


def items(query: str) -> tuple[Item, ...]:
    return parse(query, NOW).items


def value(query: str) -> Any:
    (item,) = items(query)
    assert isinstance(item.asked, Term)
    (found,) = item.asked.values
    return found


def refusal(query: str) -> QueryInvalid:
    with pytest.raises(QueryInvalid) as refused:
        parse(query, NOW)
    return refused.value


def test_nothing_asks_for_everything() -> None:
    assert items("") == items("  \t ") == ()


def test_items_are_facets_and_words_each_of_which_may_be_negated() -> None:
    assert items('license:mit,"Apache 2" -family:llama  bert -"low rank" lla*') == (
        Item(Term("license", (Text("mit"), Text("Apache 2")))),
        Item(Term("family", (Text("llama"),)), is_negated=True),
        Item(Word("bert")),
        Item(Word("low rank", is_quoted=True), is_negated=True),
        Item(Word("lla", is_prefix=True)),
    )


def test_names_of_facets_are_in_any_case_and_have_aliases() -> None:
    assert items("Licence:mit DTYPE:x") == items("license:mit precision:x")


def test_precisions_go_by_the_names_that_libraries_give_them() -> None:
    assert value("precision:BF16") == Text("bfloat16")
    assert value("precision:bf*") == Text("bf", is_prefix=True)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("repo:org/bert*", Text("org/bert", is_prefix=True)),
        ('label:"a*"', Text("a*")),
        ('label:"a b"*', Text("a b", is_prefix=True)),
        ("dataset:sha256:ab", Text("sha256:ab")),
        ("base:https://hub/x", Text("https://hub/x")),
        ("license:*", Anything()),
        ("has:license", Anything()),
        ("tag:..", Text("..")),
    ],
)
def test_texts(query: str, found: object) -> None:
    assert value(query) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("params:<8B", Interval(None, Decimal(8 * 10**9), has_high=False)),
        ("params:>=1.5e9", Interval(Decimal(1_500_000_000), None)),
        ("params:1B..8B", Interval(Decimal(10**9), Decimal(8 * 10**9))),
        ("params:..8k", Interval(None, Decimal(8000))),
        ("params:7B", Interval(Decimal(6_500_000_000), Decimal(7_500_000_000), has_high=False)),
        ("params:7.0B", Interval(Decimal(6_950_000_000), Decimal(7_050_000_000), has_high=False)),
        ("rows:100", Interval(Decimal(100), Decimal(100))),
        ("context:32k", Interval(Decimal(31_500), Decimal(33_280), has_high=False)),
        ("size:<=2GiB", Interval(None, Decimal(2 << 30))),
        ("size:8GB", Interval(Decimal(7_500_000_000), Decimal(8_500_000_000), has_high=False)),
        ("metric.accuracy:>0.9", Interval(Decimal("0.9"), None, has_low=False)),
        ('metric."top 5":-1..', Interval(Decimal(-1), None)),
        ("pushed:2026-05", Interval(MAY, JUNE, has_high=False)),
        ("pushed:>2026-05", Interval(JUNE, None)),
        ("pushed:<=2026-05", Interval(None, JUNE, has_high=False)),
        ("pushed:<2026-05-01", Interval(None, MAY, has_high=False)),
        ("pushed:2026-05-01..2026-05-31", Interval(MAY, JUNE, has_high=False)),
        ("pushed:<36h", Interval(datetime(2026, 6, 14, tzinfo=UTC), None, has_low=False)),
        ("pushed:>1d", Interval(None, datetime(2026, 6, 14, 12, tzinfo=UTC), has_high=False)),
        ("pushed:1d..2d", Interval(datetime(2026, 6, 13, 12, tzinfo=UTC), datetime(2026, 6, 14, 12, tzinfo=UTC))),
    ],
)
def test_numbers_and_moments(query: str, found: Interval) -> None:
    assert value(query) == found


@pytest.mark.parametrize(
    ("query", "at", "said", "suggestion"),
    [
        ("kind:model licens:mit", 11, "“licens:” is no facet", "license:"),
        ("foo:bar", 0, "is no facet; a word that has a colon stands in quotes", None),
        ("has:licens", 4, "“licens” is no facet", "license"),
        ("has:has", 4, "is what every artifact has", "has:license"),
        ("has:license,task", 0, "takes one facet", "has:license has:task"),
        ("license:", 8, "ends too early; possible: <, <=, > or >=, a value, words in quotes", None),
        ("license:mit,", 12, "ends too early", None),
        ("license: mit", 8, "is not what may stand here", None),
        ("license:>mit", 9, "can't be compared: license has no order", "license:mit"),
        ('a "b', 2, "has a quote that doesn't end", 'a "b"'),
        ("params:<x", 8, "is no value of params, which is a number", "params:<8B"),
        ("params:8X", 7, "has a unit that is none of k, M, B, T", "params:<8B"),
        ("size:8X", 5, "has a unit that is none of B, kB", "size:<8GB"),
        ("metric.f1:8k", 10, "has a unit, and needs none", "metric.accuracy:>0.9"),
        ("params:<1..2", 8, "is a range and a comparison", "params:<8B"),
        ("params:..", 7, "has no end", "params:<8B"),
        ("metric:>1", 0, "needs the name of a metric", "metric.accuracy:>0.9"),
        ("params.x:1", 0, "names no part", "params:<8B"),
        ("pushed:30d", 7, "is an age, which is compared: <30d is younger", "pushed:<30d"),
        ("pushed:2026-02-30", 7, "is no day that there is", "pushed:<30d"),
        ("pushed:<99999y", 8, "is too long ago", "pushed:<30d"),
        ("pushed:<=9999", 9, "is no day that there is", "pushed:<30d"),
        ("sort:size", 0, "is reserved", None),
        ("~like this", 0, "is reserved for search by meaning", "like"),
        ("- a", 1, "is not what may stand here", None),
        ("a ->", 3, "has no letter and no digit", None),
        ("a\x00", 1, "has a character that is none of a text", None),
        ("x" * (LONGEST + 1), LONGEST, "is longer than 1000 characters", None),
        ("字" * 400, 0, "is longer than 1000 bytes", None),
        ("a " * 33, 64, "asks for more than 32 things", None),
        ("kind:a" + ",a" * 64, 133, "has more than 64 values", None),
    ],
)
def test_what_can_not_be_read_is_told_with_its_place_and_what_to_do(
    query: str, at: int, said: str, suggestion: str | None
) -> None:
    error = refusal(query)
    assert said in error.message
    assert error.message.startswith(f"the query can't be read at character {at + 1}: ")
    assert (error.detail["at"], error.detail["suggestion"]) == (at, suggestion)


@pytest.mark.parametrize("facet", FACETS.values(), ids=lambda facet: facet.name)
def test_the_example_of_a_facet_is_a_value_of_it(facet: Any) -> None:
    name = "metric.accuracy" if facet.type is FacetType.METRIC else facet.name
    assert items(f"{name}:{facet.example}")


@given(st.text(max_size=80) | st.text(alphabet='ab:"-*,.<>=~ 19kB', max_size=40))
def test_any_text_is_understood_or_refused(query: str) -> None:
    at = 0
    try:
        parse(query, NOW)
    except QueryInvalid as error:
        at = int(str(error.detail["at"]))
    assert 0 <= at <= len(query)
