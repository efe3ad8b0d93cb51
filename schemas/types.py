"""The types that a schema declares for annotations, whose values are strings: by them they are read before they are judged.

The rule: what is declared for an annotation is what `type`, `const` and `enum` say in all subschemas that may apply to it,
through `properties`, `patternProperties` and else `additionalProperties` and `unevaluatedProperties` of the schema, and through
`$ref`, `allOf`, `anyOf`, `oneOf`, `then`, `else` and `dependentSchemas` (`if` and `not` declare nothing). Where a string is
among that, or nothing is declared, the value stays a string. Else it is read as JSON, and is that where it is of one of the
types that are declared; where it isn't it stays a string, which then is a violation that names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from schemas.checks import subschemas
from schemas.patterns import is_in
from schemas.reading import InvalidJson, read_json

DEPTH: Final = 32
"""Objects and lists that may stand inside one another in an annotation that is read as JSON."""

_DECLARING: Final = frozenset(("allOf", "anyOf", "oneOf", "then", "else", "dependentSchemas"))
_KEPT: Final = 1000  # names of annotations whose types are remembered

Resolve = Callable[[str], Any]


class AnnotationTypes:
    """What one schema declares. `resolve` returns what its references lead to, from each schema that it refers to."""

    def __init__(self, schema: Any, resolve: Resolve) -> None:
        self._resolve = resolve
        self._roots = list(self._applied(schema))
        self._known: dict[str, frozenset[str]] = {}

    def read(self, annotations: dict[str, str]) -> dict[str, Any]:
        """Return annotations with values of the types that are declared for them."""
        return {name: self._read(name, text) for name, text in annotations.items()}

    def _read(self, name: str, text: str) -> Any:
        types = self._known.get(name)
        if types is None:
            types = frozenset(self._declared(name))
            if len(self._known) < _KEPT:
                self._known[name] = types
        if not types or "string" in types:
            return text
        try:
            value = read_json(text, depth=DEPTH)
        except InvalidJson:
            return text
        return value if types_of(value) & types else text

    def _declared(self, name: str) -> Iterator[str]:
        for subschema in self._about(name):
            for applied in self._applied(subschema):
                yield from _types(applied)

    def _about(self, name: str) -> list[Any]:
        """Return the subschemas for an annotation of a name."""
        found: list[Any] = []
        others: list[Any] = []
        for root in self._roots:
            here = [root["properties"][name]] if name in root.get("properties", ()) else []
            here += [one for pattern, one in root.get("patternProperties", {}).items() if is_in(pattern, name)]
            if not here and "additionalProperties" in root:
                here.append(root["additionalProperties"])
            found += here
            if "unevaluatedProperties" in root:
                others.append(root["unevaluatedProperties"])
        return found or others

    def _applied(self, schema: Any) -> Iterator[dict[str, Any]]:
        """Yield a schema and those that may apply to the same value, each once."""
        seen: set[int] = set()
        waiting = [schema]
        while waiting:
            found = waiting.pop()
            if not isinstance(found, dict) or id(found) in seen:
                continue
            seen.add(id(found))
            yield found
            if "$ref" in found:
                waiting.append(self._resolve(found["$ref"]))
            waiting.extend(one.schema for one in subschemas(found) if one.keyword in _DECLARING)


def types_of(value: object) -> frozenset[str]:
    """Return the types that a value has in JSON Schema."""
    match value:
        case None:
            return frozenset(("null",))
        case bool():
            return frozenset(("boolean",))
        case int():
            return frozenset(("integer", "number"))
        case float():
            return frozenset(("integer", "number") if value.is_integer() else ("number",))
        case str():
            return frozenset(("string",))
        case list():
            return frozenset(("array",))
        case _:
            return frozenset(("object",))


def _types(schema: dict[str, Any]) -> Iterator[str]:
    if "type" in schema:
        declared = schema["type"]
        yield from (declared,) if isinstance(declared, str) else declared
    elif "const" in schema:
        yield from types_of(schema["const"])
    else:
        for value in schema.get("enum", ()):
            yield from types_of(value)
