"""Values as JSON and PostgreSQL hold them, whatever a file holds: no NUL, no half of a surrogate pair, no infinity."""

from __future__ import annotations

import math
from typing import Any, Final

_LONGEST: Final = 4096  # characters of a text
_DEPTH: Final = 8


def plain(value: Any, longest: int = _LONGEST, depth: int = _DEPTH) -> Any:
    """Return a value of JSON so that it can be stored: what can't stand in a text becomes a mark, what is too long is cut."""
    match value:
        case str():
            return plain_text(value, longest)
        case float():
            return value if math.isfinite(value) else str(value)
        case list() | tuple() if depth:
            return [plain(item, longest, depth - 1) for item in value]
        case dict() if depth:
            return {plain_text(str(name), longest): plain(item, longest, depth - 1) for name, item in value.items()}
        case None | bool() | int():
            return value
        case _:
            return "…"


def plain_text(text: str, longest: int = _LONGEST) -> str:
    """Return a text without what PostgreSQL can't hold, cut after so many characters."""
    return text[:longest].encode("utf-8", "replace").decode().replace("\0", "\ufffd")
