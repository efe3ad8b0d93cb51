"""Whatever a schema and a document are, judging ends soon: in an answer, or in TooMuch."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest

from schemas.schema import STEPS, Schema
from schemas.violations import LIMIT_RULE, MOST, InvalidSchema, TooMuch
from tests.schemas.making import made, told

LEVELS = 40


def nested(keyword: str) -> dict[str, Any]:
    """Return definitions of which each applies the next one twice: 2**40 ways through them."""
    defs: dict[str, Any] = {
        f"d{level}": {keyword: [{"$ref": f"#/$defs/d{level + 1}"}, {"$ref": f"#/$defs/d{level + 1}"}]}
        for level in range(LEVELS)
    }
    return defs | {f"d{LEVELS}": {"type": "string"}}


def config(**keywords: Any) -> Schema:
    return made(x_applies_to="config", **keywords)


BOMBS = {
    "anyOf in anyOf": ({"defs": nested("anyOf"), "ref": "#/$defs/d0"}, 1),
    "oneOf in oneOf": ({"defs": nested("oneOf"), "ref": "#/$defs/d0"}, "fits"),
    "allOf in allOf": ({"defs": nested("allOf"), "ref": "#/$defs/d0"}, "fits"),
    "conditions in conditions": (
        {
            "defs": {
                f"d{n}": {"if": {"$ref": f"#/$defs/d{n + 1}"}, "then": {"$ref": f"#/$defs/d{n + 1}"}}
                for n in range(LEVELS)
            }
            | {f"d{LEVELS}": {"type": "string"}},
            "ref": "#/$defs/d0",
        },
        "fits",
    ),
    "evaluated by dependent schemas": (
        {
            "defs": {
                f"d{n}": {"dependentSchemas": {name: {"$ref": f"#/$defs/d{n + 1}"} for name in "ab"}}
                for n in range(LEVELS)
            }
            | {f"d{LEVELS}": {}},
            "allOf": [{"$ref": "#/$defs/d0"}],
            "unevaluatedProperties": False,
        },
        {"a": 1, "b": 2},
    ),
    "children that are judged twice each": (
        {
            "defs": {"n": {"properties": {"c": {"anyOf": [{"$ref": "#/$defs/n"}] * 2}}, "not": {"required": ["x"]}}},
            "ref": "#/$defs/n",
        },
        json.loads('{"c":' * 30 + '{"x":1}' + "}" * 30),
    ),
    "many properties evaluated by many": (
        {"allOf": [{"properties": {"a": True}}] * 400, "unevaluatedProperties": True},
        {f"n{number}": 1 for number in range(9000)},
    ),
    "unevaluated items": ({"prefixItems": [True] * 3, "unevaluatedItems": False}, list(range(30_000))),
    "messages with all of it": ({"items": {"anyOf": [{"const": n} for n in range(200)]}}, [["x" * 200_000]]),
    "each item against many": ({"items": {"enum": list(range(900))}}, [899] * 20_000),
    "items by the thousand": ({"items": {"type": "integer", "minimum": 0}}, [1] * 80_000),
    "too large": ({"type": "string"}, "x" * 300_000),
}


@pytest.mark.parametrize(("keywords", "document"), BOMBS.values(), ids=BOMBS)
def test_what_would_take_too_much_is_given_up(keywords: dict[str, Any], document: Any) -> None:
    schema = config(**keywords)
    with pytest.raises(TooMuch):
        schema.judge(document)
    (violation,) = schema.judged(document)
    assert (violation.rule, violation.schema) == (LIMIT_RULE, schema.name.urn)
    assert str(STEPS) in violation.message


SAYING_NOTHING = {
    "items": ({"items": {"title": "any"}}, [1] * 80_000),
    "names": ({"propertyNames": {}}, {f"n{number}": 1 for number in range(20_000)}),
    "contained items": ({"contains": {}, "maxContains": 90_000}, [1] * 80_000),
    "first items": ({"prefixItems": [{}] * 500}, [1] * 500),
    "properties": (
        {"properties": {f"n{number}": {} for number in range(500)}},
        {f"n{number}": 1 for number in range(500)},
    ),
}


@pytest.mark.parametrize(("keywords", "document"), SAYING_NOTHING.values(), ids=SAYING_NOTHING)
def test_also_to_look_at_much_and_say_nothing_of_it_takes_steps(keywords: dict[str, Any], document: Any) -> None:
    schema = config(defs={"all": keywords}, allOf=[{"$ref": "#/$defs/all"}] * 400)
    begun = time.process_time()
    with contextlib.suppress(TooMuch):
        assert schema.judge(document, steps=1000) == []
    assert time.process_time() - begun < 1  # each took from 3 to 60 seconds


def test_what_fits_is_counted_once_also_where_it_is_told_only_by_what_a_reference_leads_to() -> None:
    values = list(range(200))
    schema = config(
        defs={"any": {"anyOf": [{"type": "integer"}]}},
        additionalProperties={"enum": values, "$ref": "#/$defs/any"},
    )
    assert schema.judge({f"n{number}": 199 for number in range(100)}, steps=21_000) == []
    schema = config(anyOf=[{"items": {"enum": values}}, {"type": "array"}])
    assert schema.judge([199] * 110 + [200], steps=23_000) == []


def test_a_budget_is_that_of_one_document() -> None:
    schema = config(**BOMBS["anyOf in anyOf"][0])
    with pytest.raises(TooMuch):
        schema.judge(1)
    assert schema.judge("fits") == []
    with pytest.raises(TooMuch):
        schema.judge("fits", steps=3)


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*$", "(.*)*=", "^(([a-z])+.)+[A-Z]([a-z])+$", "(x+x+)+y"])
@pytest.mark.parametrize("keyword", ["pattern", "patternProperties", "additionalProperties", "unevaluatedProperties"])
def test_patterns_on_which_others_hang_are_answered(pattern: str, keyword: str) -> None:
    text = "a" * 30_000 + "!" if "x" not in pattern else "x" * 30_000
    if keyword == "pattern":
        assert told(config(pattern=pattern), text) == [("", "pattern")]
        return
    rest = {} if keyword == "patternProperties" else {keyword: False}
    schema = config(patternProperties={pattern: False}, **rest)
    assert told(schema, {text: 1}) == ([] if not rest else [(f"/{text}", keyword)])


def test_patterns_are_re2_s_also_where_a_schema_refers_to_all_of_itself() -> None:
    """The library takes its own keywords again where `$schema` names its dialect."""
    schema = config(type=["string", "object"], pattern="^(a+)+$", properties={"deeper": {"$ref": "#"}})
    assert told(schema, {"deeper": {"deeper": "a" * 60 + "!"}}) == [("/deeper/deeper", "pattern")]


def test_documents_as_deep_as_any_may_be_are_judged() -> None:
    schema = config(properties={"c": {"allOf": [{"$ref": "#"}]}}, required=["c"])
    deep = json.loads('{"c":' * 60 + "{}" + "}" * 60)
    assert told(schema, deep) == [("/c" * 60, "required")]


def test_unique_items_are_found_in_a_long_list_and_by_value() -> None:
    schema = config(uniqueItems=True)
    many = [{"n": [number]} for number in range(9000)]
    assert told(schema, many) == []
    assert told(schema, [*many, {"n": [7.0]}]) == [("/9000", "uniqueItems")]
    assert told(schema, [1, True, "1", [1], {"1": 1}]) == []


def test_no_more_violations_are_told_than_anybody_reads() -> None:
    violations = config(items={"type": "string"}).judge(list(range(500)))
    assert len(violations) == MOST


def test_messages_are_short_and_hold_no_whole_document() -> None:
    secret = "s" * 5000
    for keywords, document in (
        ({"type": "integer"}, secret),
        ({"enum": ["x" * 200] * 40}, secret),
        ({"pattern": "^" + "[a-f]" * 150}, secret),
        ({"not": {}}, {secret: secret}),
        ({"anyOf": [{"type": "integer"}, {"const": "c" * 1000}] * 20}, [secret]),
        ({"required": ["r" * 2000]}, {}),
        ({"maxProperties": 0}, {secret: 1}),
        ({"oneOf": [{}, {}]}, secret),
        ({"contains": {"type": "null"}}, [secret]),
        ({"propertyNames": {"maxLength": 3}}, {secret: 1}),
        ({"dependentRequired": {"a": ["d" * 2000]}}, {"a": 1}),
        ({"additionalProperties": False}, {"a": secret}),
    ):
        found = config(**keywords).judge(document)
        assert found
        assert all(len(one.message) <= 300 and "s" * 100 not in one.message for one in found), found


@pytest.mark.parametrize(
    "defs",
    [
        {"a": {"$ref": "#/$defs/a"}},
        {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"not": {"$ref": "#/$defs/a"}}},
        {"a": {"if": {"$ref": "#/$defs/a"}}},
        {"a": {"dependentSchemas": {"x": {"anyOf": [{"oneOf": [{"$ref": "#/$defs/a"}]}]}}}},
    ],
)
def test_a_schema_that_comes_back_to_the_same_value_is_refused(defs: dict[str, Any]) -> None:
    with pytest.raises(InvalidSchema, match="without end"):
        config(defs=defs)
    with pytest.raises(InvalidSchema, match="without end"):
        config(allOf=[{"$ref": "#"}])


def test_a_schema_that_goes_deeper_each_time_is_fine() -> None:
    tree = {"type": "object", "properties": {"left": {"$ref": "#/$defs/tree"}, "right": {"$ref": "#/$defs/tree"}}}
    schema = config(defs={"tree": tree}, ref="#/$defs/tree")
    assert told(schema, {"left": {"right": {"left": 5}}}) == [("/left/right/left", "type")]
