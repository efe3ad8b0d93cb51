"""Values as JSON and PostgreSQL hold them, whatever a file holds (`mediatypes.record.is_plain`)."""

from __future__ import annotations

import math
import re
from typing import Any, Final

from mediatypes.record import DEEPEST, LONGEST_TEXT, MOST_ITEMS

_MOST_VALUES: Final = 10_000  # of one value and all in it
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")


def plain(value: Any) -> Any:
    """Return a value of JSON as it can be stored: long texts are cut, and what is too deep or too many is left out.

    A number that is none of JSON's, as an infinity or one beyond 64 bits, is told as a text.
    """
    return _plain(value, DEEPEST, [_MOST_VALUES])


def plain_object(value: Any) -> dict[str, Any]:
    """Return an object likewise; an empty one for what is none."""
    found = plain(value)
    return found if isinstance(found, dict) else {}


def plain_text(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return a text as PostgreSQL can hold it, cut after so many characters: what it can't is replaced by �."""
    return _UNSTORABLE.sub("\ufffd", text[:longest])


def _plain(value: Any, depth: int, left: list[int]) -> Any:
    left[0] -= 1
    match value:
        case str():
            return plain_text(value)
        case bool() | None:
            return value
        case int():
            return value if -(1 << 63) <= value < 1 << 63 else "an integer beyond 64 bits"
        case float():
            return value if math.isfinite(value) else str(value)
        case list() | tuple() if depth > 0:
            kept: list[Any] = []
            for item in value[:MOST_ITEMS]:
                if left[0] <= 0:
                    break
                kept.append(_plain(item, depth - 1, left))
            return kept
        case dict() if depth > 0:
            found: dict[str, Any] = {}
            for name, item in value.items():
                if left[0] <= 0 or len(found) == MOST_ITEMS:
                    break
                found[plain_text(str(name))] = _plain(item, depth - 1, left)
            return found
        case _:
            return None
