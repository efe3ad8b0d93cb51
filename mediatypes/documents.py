"""JSON from outside, such as configs and annotations, where every reader reads it alike; looked into without fear."""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

MAX_DEPTH: Final = 64
MAX_SIZE: Final = 4 << 20  # bytes, as large as a manifest may be


class _Ambiguous(ValueError):
    """A document that two readers could read differently."""


def parsed(content: bytes | str) -> Any:
    """Return what a JSON document holds.

    None where it is no JSON in UTF-8, larger than MAX_SIZE, deeper than MAX_DEPTH, has a key twice, or NaN or an infinity.
    """
    if len(content) > MAX_SIZE:
        return None
    try:
        text = content if isinstance(content, str) else content.decode("utf-8")
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return document if depth_of(document) <= MAX_DEPTH else None


def at(document: object, pointer: str) -> Any:
    """Return the value at a JSON Pointer (RFC 6901) through objects only; None where there is none."""
    found: Any = document
    for step in pointer.split("/")[1:]:
        if not isinstance(found, dict):
            return None
        found = found.get(step.replace("~1", "/").replace("~0", "~"))
    return found


def depth_of(document: object) -> int:
    """Return how many objects and lists stand inside one another, an empty one included."""
    level = [document] if isinstance(document, dict | list) else []
    depth = 0
    while level:
        depth += 1
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
    return depth


def objects(value: object) -> list[dict[str, Any]]:
    """Return the objects of a list; what else is in it, or isn't a list, is left out."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def texts(value: object) -> list[str]:
    """Return the texts of a list, or the one text; without space around them, and without empty ones."""
    listed = value if isinstance(value, list) else [value]
    return [text.strip() for text in listed if isinstance(text, str) and text.strip()]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Ambiguous("a key twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise _Ambiguous(name)
