"""The keywords of JSON Schema 2020-12 by jsonschema, each counted against a budget of steps, and none with Python's `re`.

jsonschema bounds nothing: alternatives in alternatives take exponential time, unique items quadratic, a pattern of `re` either.
Here each keyword that is looked at is a step, and one that costs more by the size of what it looks at is as many more. What
uses a pattern is done by RE2 (schemas.patterns).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from schemas.checks import APPLICATORS
from schemas.patterns import cost, is_in, is_in_name
from schemas.violations import TooMuch

Keyword = Callable[[Any, Any, Any, Any], Iterable[ValidationError] | None]
Checks = tuple[tuple[Keyword, Any], ...]
"""Keywords, each with its value."""

UNEXPECTED: Final = "is not expected here"

_SCALE: Final = 1024  # bytes of a document that are told about in the time of a step
_EMPTY: Final = 4  # values that are looked at by a schema without keywords in the time of a step


class Budget:
    """The steps that are left. `size` is that of document and schema in bytes: jsonschema's messages may repeat both.

    `checks` are the assertions of each subschema, by the `id` of what lives as long as its Schema; None of one that has
    applicators.
    """

    __slots__ = ("_error", "_left", "checks")

    def __init__(self, steps: int, size: int, checks: dict[int, Checks | None]) -> None:
        self.checks = checks
        self._left = steps
        self._error = 1 + size // _SCALE

    def take(self, steps: int) -> None:
        """Take steps. Raise TooMuch where there are none left."""
        self._left -= steps
        if self._left < 0:
            raise TooMuch

    def take_error(self) -> None:
        """Take what an error costs whose message may hold the whole document."""
        self.take(self._error)


budget: Final[ContextVar[Budget]] = ContextVar("budget")
"""Of what is being judged now."""


def _counted(keyword: Keyword) -> Keyword:
    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        left = budget.get()
        left.take(1)
        for error in keyword(validator, value, instance, schema) or ():
            left.take_error()
            yield error

    return counted


# The most frequent keyword, of which jsonschema makes two generators each time.
def _type(validator: Any, types: str | list[str], instance: Any, _schema: Any) -> Iterable[ValidationError]:
    for name in (types,) if isinstance(types, str) else types:
        if validator.is_type(instance, name):
            return ()
    return (ValidationError("is of another type"),)


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _finds(pattern, instance):
        yield ValidationError("does not fit the pattern")


def _properties(validator: Any, named: dict[str, Any], instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for name, subschema in named.items():
            if name in instance:
                yield from _descend(validator, instance, name, subschema)


def _pattern_properties(
    validator: Any, patterns: dict[str, Any], instance: Any, _schema: Any
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    for pattern, subschema in patterns.items():
        for name in instance:
            if _names(pattern, name):
                yield from _descend(validator, instance, name, subschema)


def _additional_properties(validator: Any, rest: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    named, patterns = schema.get("properties", ()), schema.get("patternProperties", ())
    budget.get().take(len(instance))
    for name in instance:
        if name not in named and not any(_names(pattern, name) for pattern in patterns):
            yield from _descend(validator, instance, name, rest)


def _unevaluated_properties(validator: Any, rest: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    others = {keyword: value for keyword, value in schema.items() if keyword != "unevaluatedProperties"}
    known = _evaluated(validator, instance, others)
    for name in instance:
        if name not in known:
            yield from _descend(validator, instance, name, rest)


def _descend(validator: Any, instance: dict[str, Any], name: str, schema: Any) -> Iterator[ValidationError]:
    """Yield what is wrong with a property. Of one that may not be there jsonschema itself doesn't say where it is."""
    if schema is False:
        yield ValidationError(UNEXPECTED, path=[name])
    elif not _fits(validator, instance[name], schema):
        yield from validator.descend(instance[name], schema, path=name)


def _fits(validator: Any, instance: Any, schema: Any) -> bool:
    """Say whether a value fits a schema by assertions alone; False also where that can't be told by them.

    Then jsonschema judges, which makes a validator for each schema that it descends into: several times as slow.
    """
    checks = _checks(validator, schema)
    if checks is None:
        return False
    budget.get().take(len(checks) or 1)
    for keyword, value in checks:
        for _ in keyword(validator, value, instance, schema) or ():
            return False
    return True


def _checks(validator: Any, schema: Any) -> Checks | None:
    """Return the assertions of a schema; None where it, or what it refers to, has applicators or is false."""
    known = budget.get().checks
    try:
        return known[id(schema)]
    except KeyError:
        return known.setdefault(id(schema), _checks_of(validator, schema))


def _checks_of(validator: Any, schema: Any) -> Checks | None:
    if isinstance(schema, bool):
        return () if schema else None
    if not APPLICATORS.isdisjoint(schema):
        return None
    own = ((_ASSERTIONS[name], value) for name, value in schema.items() if name in _ASSERTIONS)
    if "$ref" not in schema:
        return tuple(own)
    # By whichever resolver: read_schema makes references absolute.
    target = validator._resolver.lookup(schema["$ref"]).contents
    return (*own, (_refers, target)) if _checks(validator, target) is not None else None


def _refers(validator: Any, target: Any, instance: Any, _schema: Any) -> Iterable[ValidationError]:
    return () if _fits(validator, instance, target) else (ValidationError("does not fit what is referred to"),)


def _items(validator: Any, items: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if items is False:
        yield from _THEIRS["items"](validator, items, instance, schema) or ()
    elif isinstance(instance, list) and _checks(validator, items) != ():
        for position in range(len(schema.get("prefixItems", ())), len(instance)):
            if not _fits(validator, instance[position], items):
                yield from validator.descend(instance[position], items, path=position)


def _sized(name: str) -> Keyword:
    """Return a keyword of jsonschema's that descends into one value after the other, also where that takes no step there."""

    def judged(validator: Any, value: Any, instance: Any, schema: Any) -> Iterable[ValidationError] | None:
        if isinstance(instance, list | dict):
            budget.get().take(len(instance) // _EMPTY)
        return _THEIRS[name](validator, value, instance, schema)

    return judged


def _evaluated(validator: Any, instance: dict[str, Any], schema: Any) -> set[str]:
    """Return the names that keywords of a schema which an object fits have looked at (2020-12 §11.3)."""
    budget.get().take(1 + len(instance))
    if not isinstance(schema, dict):
        return set()
    if "additionalProperties" in schema or "unevaluatedProperties" in schema:
        return set(instance)
    found = set(schema.get("properties", ())) & set(instance)
    for pattern in schema.get("patternProperties", ()):
        found.update(name for name in instance if _names(pattern, name))
    if "$ref" in schema:
        resolved = validator._resolver.lookup(schema["$ref"])  # as jsonschema's own keywords do
        there = validator.evolve(schema=resolved.contents, _resolver=resolved.resolver)
        found |= _evaluated(there, instance, resolved.contents)
    for subschema in _in_place(validator, instance, schema):
        found |= _evaluated(validator, instance, subschema)
    return found


def _in_place(validator: Any, instance: dict[str, Any], schema: dict[str, Any]) -> Iterator[Any]:
    """Yield the subschemas that an object itself fits. One that allOf has and that isn't fitted makes it a violation anyway."""
    yield from schema.get("allOf", ())
    for name, subschema in schema.get("dependentSchemas", {}).items():
        if name in instance:
            yield subschema
    for keyword in ("oneOf", "anyOf"):
        for subschema in schema.get(keyword, ()):
            if validator.evolve(schema=subschema).is_valid(instance):
                yield subschema
    if "if" in schema:
        fits = validator.evolve(schema=schema["if"]).is_valid(instance)
        if fits:
            yield schema["if"]
        branch = "then" if fits else "else"
        if branch in schema:
            yield schema[branch]


def _unevaluated_items(validator: Any, rest: Any, instance: Any, schema: Any) -> Iterable[ValidationError]:
    if isinstance(instance, list):
        budget.get().take(len(instance) + len(instance) ** 2 // 1000)  # jsonschema looks each item up in a list
        yield from _THEIRS["unevaluatedItems"](validator, rest, instance, schema) or ()


def _unique_items(_validator: Any, wanted: bool, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if not wanted or not isinstance(instance, list):
        return
    seen: set[str] = set()
    for position, item in enumerate(instance):
        text = json.dumps(_plain(item), sort_keys=True)
        budget.get().take(1 + len(text) // _SCALE)
        if text in seen:
            yield ValidationError("is there already", path=[position])
            return
        seen.add(text)


def _plain(value: Any) -> Any:
    """Return a value as JSON Schema compares it: 1.0 is 1 (2020-12 §4.2.2)."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _required(_validator: Any, names: list[str], instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        budget.get().take(len(names))
        for name in names:
            if name not in instance:
                yield ValidationError(f"lacks {json.dumps(name, ensure_ascii=False)}")


def _enum(validator: Any, values: list[Any], instance: Any, schema: Any) -> Iterable[ValidationError] | None:
    budget.get().take(len(values))
    return _THEIRS["enum"](validator, values, instance, schema)


def _finds(pattern: str, text: str) -> bool:
    budget.get().take(cost(pattern, text))
    return is_in(pattern, text)


def _names(pattern: str, name: str) -> bool:
    budget.get().take(cost(pattern, name))
    return is_in_name(pattern, name)


_THEIRS: Final[dict[str, Keyword]] = dict(Draft202012Validator.VALIDATORS)
_OURS: Final[dict[str, Keyword]] = {
    "additionalProperties": _additional_properties,
    "contains": _sized("contains"),
    "enum": _enum,
    "items": _items,
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "prefixItems": _sized("prefixItems"),
    "properties": _properties,
    "propertyNames": _sized("propertyNames"),
    "required": _required,
    "type": _type,
    "unevaluatedItems": _unevaluated_items,
    "unevaluatedProperties": _unevaluated_properties,
    "uniqueItems": _unique_items,
}
_JUDGING: Final = {**_THEIRS, **_OURS}
_ASSERTIONS: Final = {name: keyword for name, keyword in _JUDGING.items() if name not in APPLICATORS and name != "$ref"}

_extend: Final[Any] = extend  # which says nothing of its types

BoundedValidator: Final = _extend(Draft202012Validator, {name: _counted(keyword) for name, keyword in _JUDGING.items()})
"""Judges only while `budget` is set. A `format` is an annotation, as 2020-12 has it by default: nothing checks it."""
