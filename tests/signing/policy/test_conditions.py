"""CEL: what an expression may be, what it may cost, and that nothing makes it fail."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediatypes.documents import MAX_DEPTH
from signing.policy.conditions import MOST_COST, Budget, Condition, InvalidCondition, measured
from signing.policy.outcomes import Outcome


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ('record.metrics.exists(m, m.name == "accuracy" && m.value >= 0.9)', Outcome.MET),
        ('record.metrics.all(m, m.name == "loss")', Outcome.UNMET),
        ("record.metrics.filter(m, m.value > 0).size() == 2", Outcome.MET),
        ('["a", "accuracy"].exists(n, record.metrics.exists(m, m.name == n))', Outcome.MET),
        ("record.nothing == 1", Outcome.UNDECIDED),
        ("has(record.nothing)", Outcome.UNMET),
        ("!has(record.nothing) || record.nothing == 1", Outcome.MET),
        ("record.nothing == 1 || true", Outcome.MET),
        ("record.text == 1 / 0", Outcome.UNDECIDED),
        ("record.text > 1", Outcome.UNDECIDED),
        ("record.text", Outcome.UNDECIDED),
        ("record.nothing.deeper == 1", Outcome.UNDECIDED),
        ("predicate.x == 1", Outcome.UNDECIDED),
        ("record.count + 9223372036854775807 > 0", Outcome.UNDECIDED),
        (r'record.text.matches(r"^h\w+$") && record.text.matches("ell")', Outcome.MET),
        ("-1.5e-3 + .5 < 0x1f + 0 || 3u == record.count || record.count - 1 - 1 == -1", Outcome.MET),
        ("record.text in ['a', 'hello',] && {'a': record.text,}.a == r'hello' ? !!true : false", Outcome.MET),
        ("record.count * 2 + 3 * -1 == -1 // nothing", Outcome.MET),
        ("record.metrics.map(m, m.value > 0.96, m.name)[0] == 'loss'", Outcome.MET),
        ("record.metrics.exists(m, [m].all(m, m.name == 'loss') && m.value == 1)", Outcome.MET),
        ('timestamp(record.created) > timestamp("2025-01-01T00:00:00Z")', Outcome.MET),
        ('timestamp(record.text) > timestamp("2025-01-01T00:00:00Z")', Outcome.UNDECIDED),
    ],
)
def test_what_becomes_of_an_expression(source: str, wanted: Outcome) -> None:
    metrics = [{"name": "accuracy", "value": 0.95}, {"name": "loss", "value": 1}]
    record = {"metrics": metrics, "text": "hello", "count": 1, "created": "2026-01-01T00:00:00Z"}
    outcome, why = Condition(source).evaluate({"record": record})
    assert outcome is wanted, why
    assert why
    assert "\n" not in why


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "is not CEL"),
        ("record.", "is not CEL: 1:8: "),
        ("(" * 100, "is not CEL"),
        ("record.x" + " " * 5000, "is longer than 4096 characters"),
        ("true", "asks about none of"),
        ("now > record.x", "names now, which is not there"),
        ("record.x.lowerAscii() == 'a'", "calls lowerAscii, which is not there; there are all, bool"),
        ("record.x.all(i, v, true)", "calls all with 3 arguments"),
        ("record.x.exists(record, true)", "calls an item record, which is a variable already"),
        ('record.x.matches("(?=a)")', "can't be read by RE2"),
        ('record.x.matches("a{1000}{1000}")', "which "),
        ('record.x.matches("(a{1,100}){1,10}b" + record.y)', "calls matches with a pattern that doesn't stand there"),
        ("record.x.matches(7)", "has the pattern 7, which is no text"),
        ('matches(record.x, "a")', "calls matches with a pattern that doesn't stand there"),
        ("record.x.existsOne(i, true)", "calls existsOne, which is not there"),
        ("record.T{x: 1} == record", "can't be reckoned with at “{”"),
        ("record.x" + ".x" * 100 + " == 1", "is nested deeper than 60 levels"),
    ],
)
def test_what_is_no_expression(source: str, words: str) -> None:
    with pytest.raises(InvalidCondition) as raised:
        Condition(source)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    "source",
    [
        "record.l.all(a, record.l.all(b, record.l.all(c, a == b)))",
        "record.l.map(a, record.l.map(b, b)).size() > 0",
        "record.l.all(a, record.l == record.l)",
        'record.l.all(a, "(".startsWith(a) || record.l.all(b, record.l.all(c, b == c)))',
        "[record.l].all(a, a.all(b, a.all(c, a.all(d, true))))",
        "record.l.all(a, a == a) && (record.l + record.l).all(a, (record.l).all(b, record.l.all(c, true)))",
        'record.l.all(a, r"\\".size() == 1 && record.l.all(b, record.l.all(c, true)))',
    ],
)
def test_what_would_take_too_long_is_not_decided(source: str) -> None:
    outcome, why = Condition(source).evaluate({"record": {"l": [str(number) for number in range(20_000)]}})
    assert outcome is Outcome.UNDECIDED
    assert "it would take too long" in why


@pytest.mark.parametrize(
    "source",
    [
        'predicate.scanner.result.all(r, r.found.all(v, v.severity != "CRITICAL"))',
        "predicate.scanner.result.all(r, !r.found.exists(v, v.severity in ['HIGH', 'CRITICAL']))",
    ],
)
def test_a_long_report_is_within_the_bounds(source: str) -> None:
    found = [{"severity": "LOW", "id": f"CVE-{number}", "text": "x" * 200} for number in range(5000)]
    condition = Condition(source)
    outcome, why = condition.evaluate({"predicate": {"scanner": {"result": [{"found": found}] * 3}}})
    assert outcome is Outcome.MET, why


_ONE = {"l": [{"k": number, "t": "x" * 50} for number in range(100)], "s": "y" * 2000, "w": {"inner": [0] * 100}}


@pytest.mark.parametrize(
    ("source", "most"),
    [
        ("record.l.size() == 1", 5_000),
        ("record.l.all(i, i.k >= 0 && i.t != 'a')", 10_000),
        ("record.l.all(i, record.w.inner.size() == 0)", 500_000),
        ("record.l.all(i, [1, 2].all(j, record.w['inner'].all(k, i.k + j >= k)))", 4_000_000),
        ("record.l.map(i, i.k).size() == 1", 200_000),
    ],
)
def test_what_is_usual_costs_what_there_is(source: str, most: int) -> None:
    measure = measured({"record": _ONE})
    assert most // 20 < Condition(source).cost(measure, {"record": _ONE}) - 25 * measure.values < most


_DOUBLED = "".join([".map(i, i + i)"] * 18)


@pytest.mark.parametrize(
    "source",
    [
        f"[record.s]{_DOUBLED}.size() > 0",
        f"[[record.s]]{_DOUBLED}.size() > 0",
        "[record.l]" + "".join([".map(i, [i, i])"] * 18) + ".size() > 0",
        "[record.l]" + "".join([".map(i, {1: i, 2: i})"] * 18) + ".size() > 0",
        "[record.l]" + "".join([".map(i, true ? [i, i] : i)"] * 18) + " == [record.l]",
        "[[record.l, record.l]]" + "".join([".map(i, [i + i, i + i][0])"] * 14) + ".size() > 0",
        "record.l.map(i, record.l).map(i, i.map(j, record.l)).size() > 0",
        "record.l.map(i, record.w).all(i, i.inner.size() > 0)",
        "record.l.all(i, record.l.all(j, record.w.inner[0] == 0))",
        'record.l.all(i, record.l.all(j, j.t.matches("a{1,90}b")))',
        r"""record.l.all(i, record.l.all(j, j.t.matches(r"^\w{1,40}$")))""",
        "[" + ",".join(["record"] * 500) + "].size() > 0",
        "record" + "+ record.w.inner" * 240 + " == record.l",
        "record.l.all(i, " + "&& ".join(["[i, i, i] + [record.w] == record.l"] * 9) + ")",
    ],
)
def test_what_grows_counts_as_large_as_it_gets(source: str) -> None:
    outcome, why = Condition(source).evaluate({"record": _ONE | {"w": {"inner": [0] * 5000}}})
    assert outcome is Outcome.UNDECIDED
    assert "it would take too long" in why


def test_what_is_looked_at_in_vain_is_paid_for() -> None:
    budget = Budget(1000)
    large = {"record": {"l": [0] * 900}}
    for words in ("more than the 1000 steps", "more than the 95 steps", "no steps are left"):
        outcome, why = Condition("record.l.all(i, i == 0)").evaluate(large, budget)
        assert (outcome, words in why) == (Outcome.UNDECIDED, True), why


def test_what_is_deep_is_not_decided() -> None:
    deep: Any = []
    for _ in range(MAX_DEPTH + 10_000):
        deep = [deep]
    outcome, why = Condition("record == record").evaluate({"record": deep})
    assert (outcome, why) == (Outcome.UNDECIDED, f"what it asks about is nested deeper than {MAX_DEPTH} levels")


_NAMES = st.sampled_from(["a", "b", "l"])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES | st.text(), inner, max_size=4),
    max_leaves=10,
)
_TERMS = st.recursive(
    st.sampled_from(
        ["record", "record.l", "record.a", "x", "1", "-1.5", "'a'", "null", "true", "[record.l, 1]", "{'a': x}"]
    ),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "%", "==", "<", "in", "&&", "||"]), inner).map(
            lambda parts: f"({parts[0]}) {parts[1]} ({parts[2]})"
        ),
        st.tuples(inner, st.sampled_from(["all", "exists", "exists_one", "map", "filter"]), inner).map(
            lambda parts: f"({parts[0]}).{parts[1]}(x, {parts[2]})"
        ),
        inner.map(lambda part: f"!({part})"),
        inner.map(lambda part: f"size({part})"),
        inner.map(lambda part: f"({part}).l"),
        inner.map(lambda part: f"({part})[0]"),
        inner.map(lambda part: f"timestamp({part})"),
        inner.map(lambda part: f"int({part})"),
        inner.map(lambda part: f"({part}).contains('a')"),
        inner.map(lambda part: f"({part}).matches('a|b')"),
    ),
    max_leaves=6,
)


@settings(max_examples=150)
@given(_TERMS | st.text(max_size=30), st.dictionaries(_NAMES, _VALUES, max_size=3))
def test_nothing_makes_it_fail(source: str, record: dict[str, Any]) -> None:
    try:
        condition = Condition(source)
    except InvalidCondition:
        return
    outcome, why = condition.evaluate({"record": record})
    assert outcome in Outcome
    assert why


@settings(max_examples=30)
@given(_VALUES)
def test_the_measure_counts_values_and_depth(value: Any) -> None:
    found = measured({"record": value})
    assert 0 < found.size <= 2 + len(json.dumps(value)) * 2
    assert found.size < MOST_COST
