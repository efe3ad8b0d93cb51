"""What violations say to people: what must be, and what is, in few words and never with a whole document."""

from __future__ import annotations

import json
from typing import Any, Final

from jsonschema.exceptions import ValidationError

from schemas.keywords import UNEXPECTED

LONGEST: Final = 300
"""Characters of a message."""

_SHOWN: Final = 60  # characters of a value
_VALUES: Final = 12  # of an enum
_ALTERNATIVES: Final = 4
# What must be, by keyword; {0} is the keyword's value. Behind it stands what is.
_MUST: Final = {
    "const": "must be {0}",
    "minimum": "must be at least {0}",
    "maximum": "must be at most {0}",
    "exclusiveMinimum": "must be more than {0}",
    "exclusiveMaximum": "must be less than {0}",
    "multipleOf": "must be a multiple of {0}",
    "minLength": "must have at least {0} characters",
    "maxLength": "must have at most {0} characters",
    "minItems": "must have at least {0} items",
    "maxItems": "must have at most {0} items",
    "minProperties": "must have at least {0} properties",
    "maxProperties": "must have at most {0} properties",
}


def message_of(error: ValidationError, depth: int = 1) -> str:
    """Return what a violation says; `depth` is how many levels of alternatives are told about."""
    keyword, found = error.validator, error.instance
    wanted: Any = error.validator_value
    if keyword is None or error.message == UNEXPECTED:
        said = UNEXPECTED
    elif keyword in _MUST:
        said = f"{_MUST[keyword].format(shown(wanted))}, and is {shown(found)}"
    elif keyword == "pattern":
        said = f"must fit the pattern {_cut(wanted, 2 * _SHOWN)}, and is {shown(found)}"
    elif keyword == "type":
        names = [wanted] if isinstance(wanted, str) else wanted
        said = f"must be of type {' or '.join(names)}, and is {shown(found)}"
    elif keyword == "enum":
        more = f" or {len(wanted) - _VALUES} others" if len(wanted) > _VALUES else ""
        said = f"must be one of {', '.join(map(shown, wanted[:_VALUES]))}{more}, and is {shown(found)}"
    elif keyword in ("anyOf", "oneOf"):
        said = _alternatives(error, wanted, depth)
    elif keyword == "not":
        said = f"must not be what the schema excludes, and is {shown(found)}"
    elif keyword in ("contains", "minContains", "maxContains"):
        said = "has too few or too many items of the kind that the schema counts"
    elif keyword in ("required", "dependentRequired", "uniqueItems"):
        said = error.message
    else:
        said = f"does not fit {keyword} of the schema"
    return _cut(said, LONGEST)


def shown(value: object) -> str:
    """Return a value as JSON where that is short, else what kind of value it is."""
    if isinstance(value, dict):
        return f"an object of {len(value)} properties"
    if isinstance(value, list):
        return f"an array of {len(value)} items"
    if isinstance(value, str):
        return json.dumps(_cut(value, _SHOWN), ensure_ascii=False)
    return _cut(json.dumps(value), _SHOWN)


def _alternatives(error: ValidationError, wanted: list[Any], depth: int) -> str:
    by_alternative: dict[Any, ValidationError] = {}
    for one in error.context or ():
        by_alternative.setdefault(one.relative_schema_path[0], one)
    if not by_alternative:
        return "fits more than one of the alternatives, where it may fit only one"
    if depth == 0:
        return f"fits none of {len(wanted)} alternatives"
    reasons = [_where(one) + message_of(one, depth - 1) for one in list(by_alternative.values())[:_ALTERNATIVES]]
    return f"fits none of {len(wanted)} alternatives: {'; '.join(reasons)}"


def _where(error: ValidationError) -> str:
    path = "/".join(map(str, error.relative_path))
    return f"{_cut(path, _SHOWN)} " if path else ""


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
