"""Annotations are strings, and are read as what the schema declares."""

from __future__ import annotations

from typing import Any

import pytest

from tests.schemas.making import made

NUMBER = {"type": "number"}
READ: dict[str, tuple[dict[str, Any], str, Any]] = {
    "a number": ({"properties": {"x": NUMBER}}, "0.5", 0.5),
    "an integer": ({"properties": {"x": {"type": "integer"}}}, "5", 5),
    "a whole number with a fraction": ({"properties": {"x": {"type": "integer"}}}, "5.0", 5.0),
    "a broken integer": ({"properties": {"x": {"type": "integer"}}}, "5.5", "5.5"),
    "a boolean": ({"properties": {"x": {"type": "boolean"}}}, "true", True),
    "no boolean": ({"properties": {"x": {"type": "boolean"}}}, "yes", "yes"),
    "a boolean where a number is declared": ({"properties": {"x": NUMBER}}, "true", "true"),
    "null": ({"properties": {"x": {"type": ["number", "null"]}}}, "null", None),
    "a list": ({"properties": {"x": {"type": "array"}}}, '["a", 1]', ["a", 1]),
    "an object": ({"properties": {"x": {"type": "object"}}}, '{"a": 1}', {"a": 1}),
    "an object with a key twice": ({"properties": {"x": {"type": "object"}}}, '{"a": 1, "a": 2}', '{"a": 1, "a": 2}'),
    "a number that looks like none": ({"properties": {"x": NUMBER}}, "007", "007"),
    "infinity": ({"properties": {"x": NUMBER}}, "1e999", "1e999"),
    "no number": ({"properties": {"x": NUMBER}}, "NaN", "NaN"),
    "a number of a thousand digits": ({"properties": {"x": NUMBER}}, "9" * 1000, "9" * 1000),
    "a list too deep": ({"properties": {"x": {"type": "array"}}}, "[" * 40 + "]" * 40, "[" * 40 + "]" * 40),
    "a list far too deep": ({"properties": {"x": {"type": "array"}}}, "[" * 9000, "[" * 9000),
    "half a surrogate pair": ({"properties": {"x": {"type": "array"}}}, '["\\ud800"]', '["\\ud800"]'),
    "a string, that looks like a number": ({"properties": {"x": {"type": "string"}}}, "5", "5"),
    "either": ({"properties": {"x": {"type": ["string", "number"]}}}, "5", "5"),
    "nothing declared": ({"properties": {"x": {"minimum": 3}}}, "5", "5"),
    "another name": ({"properties": {"y": NUMBER}}, "5", "5"),
    "const": ({"properties": {"x": {"const": True}}}, "true", True),
    "const, a string": ({"properties": {"x": {"const": "true"}}}, "true", "true"),
    "enum": ({"properties": {"x": {"enum": [1, 2, None]}}}, "2", 2),
    "enum with a string": ({"properties": {"x": {"enum": [1, "2"]}}}, "2", "2"),
    "$ref": ({"properties": {"x": {"$ref": "#/$defs/n"}}, "defs": {"n": {"allOf": [NUMBER]}}}, "5", 5),
    "$ref of the whole": ({"ref": "#/$defs/w", "defs": {"w": {"properties": {"x": NUMBER}}}}, "5", 5),
    "anyOf": ({"properties": {"x": {"anyOf": [NUMBER, {"type": "boolean"}]}}}, "true", True),
    "anyOf with a string": ({"properties": {"x": {"anyOf": [NUMBER, {"type": "string"}]}}}, "5", "5"),
    "anyOf of the whole": ({"anyOf": [{"properties": {"x": NUMBER}}, {"required": ["y"]}]}, "5", 5),
    "then": ({"if": {"required": ["x"]}, "then": {"properties": {"x": NUMBER}}}, "5", 5),
    "if": ({"if": {"properties": {"x": NUMBER}}}, "5", "5"),
    "not": ({"properties": {"x": {"not": {"type": "number"}}}}, "5", "5"),
    "dependentSchemas": ({"dependentSchemas": {"x": {"properties": {"x": NUMBER}}}}, "5", 5),
    "patternProperties": ({"patternProperties": {"^x$": NUMBER}}, "5", 5),
    "additionalProperties": ({"additionalProperties": NUMBER}, "5", 5),
    "additionalProperties of others": (
        {"properties": {"x": {"type": "string"}}, "additionalProperties": NUMBER},
        "5",
        "5",
    ),
    "unevaluatedProperties": ({"unevaluatedProperties": NUMBER}, "5", 5),
    "unevaluatedProperties of others": (
        {"allOf": [{"properties": {"x": {"type": "string"}}}], "unevaluatedProperties": NUMBER},
        "5",
        "5",
    ),
}


@pytest.mark.parametrize(("keywords", "text", "expected"), READ.values(), ids=READ)
def test_an_annotation_is_read_as_what_is_declared_for_it(keywords: dict[str, Any], text: str, expected: Any) -> None:
    found = made(**keywords)._types.read({"x": text})["x"]
    assert (found, type(found)) == (expected, type(expected))


def test_what_another_schema_declares_is_read_by_its_own_references() -> None:
    base = (
        b'{"$id": "urn:blacklake:schema:acme/base:1.0.0", "properties": {"x": {"$ref": "#/$defs/n"}},'
        b' "$defs": {"n": {"type": "number"}}}'
    )
    schema = made(base, ref="urn:blacklake:schema:acme/base:1.0.0", defs={"n": {"type": "string"}})
    assert schema._types.read({"x": "5"}) == {"x": 5}
    assert [one.pointer for one in schema.judge({"x": "five"})] == ["/annotations/x"]


def test_configs_and_records_are_what_they_are() -> None:
    for part in ("config", "record"):
        schema = made(x_applies_to=part, properties={"x": NUMBER})
        assert [(one.pointer, one.rule) for one in schema.judge({"x": "5"})] == [("/x", "type")]
