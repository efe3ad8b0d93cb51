"""What a schema may be: JSON Schema 2020-12 whose cost is bounded, and which leads nowhere else.

Refused with the reason and the place: what the meta-schema refuses; more than the limits below; a `$ref` to anything but the
schema itself, a built-in one or one of the same organisation (nothing is ever fetched), or to what is no subschema there; a
schema that applies itself to the very same value again; `$dynamicRef`, by which the meaning of a schema changes with who uses
it; `$id` and `$schema` inside it; patterns that RE2 can't do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from schemas.names import URN
from schemas.parts import APPLIES_TO, AppliesTo
from schemas.patterns import InvalidPattern, compiled
from schemas.violations import InvalidSchema, escaped

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

LARGEST: Final = 32 << 10
"""Bytes of a schema."""
SUBSCHEMAS: Final = 1000
DEPTH: Final = 32
"""Objects and lists that stand inside one another in a schema."""

# Where subschemas stand (2020-12 §10, §11): one, a list of them, or some by name; and whether they are for the same value.
_ONE: Final = {
    "contentSchema": None,
    "not": True,
    "if": True,
    "then": True,
    "else": True,
    "additionalProperties": False,
    "unevaluatedProperties": False,
    "propertyNames": False,
    "items": False,
    "contains": False,
    "unevaluatedItems": False,
}
_MANY: Final = {"allOf": True, "anyOf": True, "oneOf": True, "prefixItems": False}
_NAMED: Final = {
    "dependentSchemas": True,
    "properties": False,
    "patternProperties": False,
    "$defs": None,
    "definitions": None,
}
APPLICATORS: Final = frozenset(
    name for table in (_ONE, _MANY, _NAMED) for name, in_place in table.items() if in_place is not None
)
"""The applicators (2020-12 §10, §11), which have subschemas, but for `$ref`."""

_FORBIDDEN: Final = {
    "$dynamicRef": "is not possible here: say $ref",
    "$dynamicAnchor": "is not possible here: say $anchor",
    "$vocabulary": "is for meta-schemas only",
}


class Subschema(NamedTuple):
    """A schema inside a schema; `in_place` says whether it is for the same value, None where nothing applies it by itself."""

    pointer: str
    keyword: str
    schema: Any
    in_place: bool | None


def subschemas(schema: Any, pointer: str = "") -> Iterator[Subschema]:
    """Yield what stands directly inside a schema."""
    if not isinstance(schema, dict):
        return
    for keyword, value in schema.items():
        at = f"{pointer}/{escaped(keyword)}"
        if keyword in _ONE and isinstance(value, dict | bool):
            yield Subschema(at, keyword, value, _ONE[keyword])
        elif keyword in _MANY and isinstance(value, list):
            for position, one in enumerate(value):
                yield Subschema(f"{at}/{position}", keyword, one, _MANY[keyword])
        elif keyword in _NAMED and isinstance(value, dict):
            for name, one in value.items():
                yield Subschema(f"{at}/{escaped(name)}", keyword, one, _NAMED[keyword])


def walk(schema: Any) -> Iterator[Subschema]:
    """Yield a schema, "" its pointer, and all that stand in it."""
    waiting = [Subschema("", "", schema, None)]
    while waiting:
        found = waiting.pop()
        yield found
        waiting.extend(subschemas(found.schema, found.pointer))


def check_form(document: Any) -> None:
    """Raise InvalidSchema where a document, neither large nor deep, is no schema by itself; references are not followed."""
    if not isinstance(document, dict):
        raise InvalidSchema("", "is not a JSON object")
    if document.get("$schema", DIALECT) != DIALECT:
        raise InvalidSchema("/$schema", f"is another than {DIALECT}")
    if document.get(APPLIES_TO, AppliesTo.ANNOTATIONS) not in list(AppliesTo):
        raise InvalidSchema(f"/{APPLIES_TO}", f"is none of {', '.join(AppliesTo)}")
    for count, found in enumerate(walk(document), 1):
        if count > SUBSCHEMAS:
            raise InvalidSchema(found.pointer, f"is one subschema too many: {SUBSCHEMAS} are the most")
        if isinstance(found.schema, dict):
            _check_keywords(found.pointer, found.schema)
    # Patterns of its own it has only in short names; and what it calls a format is not looked at.
    error = best_match(Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(document))
    if error is not None:
        pointer = "".join(f"/{escaped(str(part))}" for part in error.absolute_path)
        raise InvalidSchema(pointer, f"is not valid by {DIALECT}: {error.message[:200]}")


def check_references(document: Any, urn: str, documents: Iterable[Any], resolve: Callable[[str], Any]) -> None:
    """Raise InvalidSchema where a schema's references lead to nothing, elsewhere, or to itself for the very same value.

    `urn` is its `$id`, `documents` are all schemas that it may refer to, itself included, and `resolve` returns what a
    reference leads to, which raises LookupError where that is nothing.
    """
    known = {id(found.schema) for one in documents for found in walk(one)}
    for found in walk(document):
        if not isinstance(found.schema, dict) or "$ref" not in found.schema:
            continue
        at, reference = f"{found.pointer}/$ref", found.schema["$ref"]
        said = reference.removeprefix(urn)[:200]
        if not reference.startswith(URN):
            raise InvalidSchema(
                at,
                f"refers to {said}, which is neither this schema (#…) nor a built-in one nor one of the same"
                f" organisation ({URN}…): nothing else is ever fetched, so put what is needed into $defs",
            )
        try:
            target = resolve(reference)
        except LookupError:
            raise InvalidSchema(at, f"refers to {said}, which is not there") from None
        # What stands elsewhere, in a const say, was not looked at.
        if not isinstance(target, bool) and id(target) not in known:
            raise InvalidSchema(at, f"refers to {said}, which is not a subschema: put it into $defs")
    _check_cycles(document, resolve)


def _check_keywords(pointer: str, schema: dict[str, Any]) -> None:
    for keyword, why in _FORBIDDEN.items():
        if keyword in schema:
            raise InvalidSchema(f"{pointer}/{keyword}", why)
    for keyword in ("$id", "$schema", APPLIES_TO):
        if pointer and keyword in schema:
            raise InvalidSchema(f"{pointer}/{keyword}", "may stand at the top only")
    patterns = [("pattern", schema["pattern"])] if isinstance(schema.get("pattern"), str) else []
    if isinstance(schema.get("patternProperties"), dict):
        patterns += [(f"patternProperties/{escaped(one)}", one) for one in schema["patternProperties"]]
    for at, pattern in patterns:
        try:
            compiled(pattern)
        except InvalidPattern as error:
            raise InvalidSchema(f"{pointer}/{at}", f"is a pattern that {error}") from None


def _check_cycles(document: Any, resolve: Callable[[str], Any]) -> None:
    """Raise InvalidSchema where a subschema comes back to itself without going deeper into what is judged."""
    done: set[int] = set()
    for start in walk(document):
        # Depth first, without recursion: on the path are those whose followers are still being looked at.
        path: list[tuple[int, Iterator[Any]]] = []
        on_path: set[int] = set()
        waiting: list[Any] = [start.schema]
        while waiting or path:
            if waiting:
                schema = waiting.pop()
                if not isinstance(schema, dict) or id(schema) in done:
                    pass
                elif id(schema) in on_path:
                    raise InvalidSchema(start.pointer, "applies itself to the same value again, without end")
                else:
                    on_path.add(id(schema))
                    path.append((id(schema), _followers(schema, resolve)))
            if path:
                following = next(path[-1][1], None)
                if following is not None:
                    waiting.append(following)
                else:
                    one = path.pop()[0]
                    on_path.discard(one)
                    done.add(one)


def _followers(schema: dict[str, Any], resolve: Callable[[str], Any]) -> Iterator[Any]:
    """Yield what is applied to the same value as a schema."""
    if "$ref" in schema:
        yield resolve(schema["$ref"])
    for found in subschemas(schema):
        if found.in_place:
            yield found.schema
