"""JSON that everybody reads alike, within bounds."""

from __future__ import annotations

import json
import math
from typing import Any, Final, NoReturn

from mediatypes.documents import depth_of

DEPTH: Final = 64
"""Objects and lists that may stand inside one another."""

_DIGITS: Final = 300  # of a whole number: any is smaller than the largest double


class InvalidJson(ValueError):
    """A text that is no JSON, or that two readers could read differently; the message completes “it …”."""


def read_json(text: str | bytes, *, depth: int = DEPTH) -> Any:
    """Return what a JSON text holds. Raise InvalidJson.

    Refused are keys that stand twice in an object, numbers that no double can hold, and text that is no Unicode.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode()
        document = _DECODER.decode(text)
    except UnicodeDecodeError:
        raise InvalidJson("is not UTF-8") from None
    except RecursionError:
        raise InvalidJson(f"is nested deeper than {depth} levels") from None
    except InvalidJson:
        raise
    except ValueError as error:
        raise InvalidJson(f"is not JSON: {str(error)[:200]}") from None
    if "\\u" in text:
        _require_unicode(document)
    if depth_of(document) > depth:
        raise InvalidJson(f"is nested deeper than {depth} levels")
    return document


def _require_unicode(document: object) -> None:
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidJson("holds half a surrogate pair, which is no Unicode text") from None
    except RecursionError:
        raise InvalidJson("is nested too deep") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidJson("has a key twice in one object")
    return found


def _constant(name: str) -> NoReturn:
    raise InvalidJson(f"is not JSON: it holds {name}")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise InvalidJson(f"holds {text[:40]}, which is larger than any double")
    return number


def _int(text: str) -> int:
    if len(text) > _DIGITS:
        raise InvalidJson(f"holds a number of {len(text)} digits")
    return int(text)


# Made once: json.loads makes one for each text that it is given hooks for.
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_constant, parse_float=_float, parse_int=_int
)
