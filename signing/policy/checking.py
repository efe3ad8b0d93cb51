"""Whether a document has the form that a JSON Schema of ours says, and what is wrong in plain words."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from signing.policy.problems import Problem, escaped
from signing.policy.text import Text

_SHOWN: Final = 60  # characters of a value
_SIZES: Final = {
    "maxItems": "entries",
    "maxLength": "characters",
    "maxProperties": "entries",
    "minItems": "entries",
    "minLength": "characters",
    "minProperties": "entries",
}
_KINDS: Final = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "nothing",
    "number": "a number",
    "object": "an object",
    "string": "a text",
}


@functools.cache
def schema(name: str) -> dict[str, Any]:
    """Return one of the schemas that come with this package: `policy`, `cases`."""
    found: dict[str, Any] = json.loads((files("signing.policy") / f"{name}.schema.json").read_bytes())
    return found


def check(text: Text, name: str) -> list[Problem]:
    """Return what doesn't fit a schema of ours."""
    errors = Draft202012Validator(schema(name)).iter_errors(text.document)
    return [problem for error in errors for problem in _problems(error, text)]


def shown(value: object) -> str:
    """Return a value in few characters."""
    if isinstance(value, dict):
        return "an object" if value else "an empty object"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if value is None:
        return "nothing"
    said = f"“{value}”" if isinstance(value, str) else json.dumps(value)
    return said if len(said) <= _SHOWN else f"{said[: _SHOWN - 1]}…"


def _problems(error: ValidationError, text: Text) -> Iterator[Problem]:
    pointer = "".join(f"/{escaped(str(part))}" for part in error.absolute_path)
    found: Any = error.instance
    wanted: Any = error.validator_value
    around: Any = error.schema
    match error.validator:
        case "additionalProperties":
            known = around.get("properties", {})
            for name in found:
                if name not in known:
                    said = f"is not known here; there are {', '.join(known)}"
                    yield text.problem(f"{pointer}/{escaped(str(name))}", said)
        case "required":
            missing = [name for name in wanted if name not in found]
            # Of several that lack there is an error each.
            if error.message.startswith(repr(missing[0])):
                yield text.problem(pointer, f"lacks {', '.join(missing)}")
        case "minProperties" | "maxProperties" if around.get("maxProperties") == 1:
            names = ", ".join(around["properties"])
            said = f", and has {', '.join(map(str, found))[:200]}" if found else ", and has none"
            yield text.problem(pointer, f"must have exactly one of {names}{said}")
        case _:
            yield text.problem(pointer, _said(error))


def _said(error: ValidationError) -> str:
    found, keyword = error.instance, error.validator
    wanted: Any = error.validator_value
    around: Any = error.schema
    size = len(found) if isinstance(found, str | list | dict) else 0
    match keyword:
        case "type":
            kinds = [wanted] if isinstance(wanted, str) else wanted
            must = f"must be {' or '.join(_KINDS[kind] for kind in kinds)}"
        case "const":
            must = f"must be {json.dumps(wanted)}"
        case "enum":
            must = f"must be one of {', '.join(wanted)}"
        case "pattern":
            must = f"must be {around['description']}"
        case "minimum" | "maximum":
            must = f"must be at {'least' if keyword == 'minimum' else 'most'} {wanted}"
        case "uniqueItems":
            return "has an entry twice"
        case _ if keyword in _SIZES and size:
            return f"has {size} {_SIZES[keyword]}; {wanted} are the {'least' if keyword.startswith('min') else 'most'}"
        case _:
            return "is empty"
    return f"{must}, and is {shown(found)}"
