"""However a schema is judged here, it says what jsonschema itself says: of the same places, by the same keywords."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.schemas.making import made, told

NAMES = st.sampled_from(("a", "b", "ab"))
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-2, 2), st.sampled_from((0.5, 1.0, "", "a", "ab", "abc")))
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
TYPES = st.sampled_from(("null", "boolean", "integer", "number", "string", "array", "object"))
PATTERNS = st.sampled_from(("^a", "b$", "^ab?$"))
PLAIN: dict[str, st.SearchStrategy[Any]] = {
    "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
    "const": DOCUMENTS,
    "enum": st.lists(DOCUMENTS, min_size=1, max_size=3),
    "minimum": st.integers(-1, 1),
    "maxLength": st.integers(0, 2),
    "pattern": PATTERNS,
    "minItems": st.integers(0, 2),
    "required": st.lists(NAMES, max_size=2, unique=True),
    "maxProperties": st.integers(0, 2),
    "title": st.just("says nothing"),
    "$ref": st.sampled_from(("#/$defs/plain", "#/$defs/deep")),
}


def with_schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=2)
    return st.fixed_dictionaries(
        {},
        optional=PLAIN
        | {
            "properties": st.dictionaries(NAMES, inner, max_size=3),
            "patternProperties": st.dictionaries(PATTERNS, inner, max_size=2),
            "items": inner,
            "prefixItems": several,
            "contains": inner,
            "propertyNames": inner,
            "allOf": several,
            "anyOf": several,
            "oneOf": several,
            "not": inner,
            "if": inner,
            "then": inner,
            "else": inner,
        },
    )


SCHEMAS = st.recursive(st.fixed_dictionaries({}, optional=PLAIN), with_schemas, max_leaves=6)
WITHOUT_REFERENCES = st.fixed_dictionaries({}, optional={key: one for key, one in PLAIN.items() if key != "$ref"})
DEEP = st.fixed_dictionaries({"items": WITHOUT_REFERENCES}, optional={"properties": st.just({"a": {"type": "string"}})})


@settings(max_examples=300, deadline=None)
@given(SCHEMAS, WITHOUT_REFERENCES, DEEP, st.lists(DOCUMENTS, min_size=1, max_size=4))
@example({"properties": {"a": {"$ref": "#/$defs/plain"}}}, {"type": "string"}, {"items": {}}, [{"a": "x"}, {"a": 1}])
@example({"properties": {"a": {"$ref": "#/$defs/deep"}}}, {}, {"items": {"minimum": 1}}, [{"a": [1]}, {"a": [0]}])
@example({"prefixItems": [{}], "items": {"type": "string"}}, {}, {"items": {}}, [[1, "a"], ["a", 1], [1]])
@example({"items": {"enum": [1]}, "properties": {"a": {"const": True}}}, {}, {"items": {}}, [[1, 1.0, True], {"a": 1}])
def test_the_same_is_found_as_by_jsonschema_itself(
    schema: dict[str, Any], plain: dict[str, Any], deep: dict[str, Any], documents: list[Any]
) -> None:
    schema = {**schema, "$defs": {"plain": plain, "deep": deep}}
    ours, theirs = made(x_applies_to="config", **schema), Draft202012Validator(schema)
    for document in documents:
        expected = {
            ("".join(f"/{part}" for part in error.absolute_path), error.validator)
            for error in theirs.iter_errors(document)
        }
        assert set(told(ours, document)) == expected
