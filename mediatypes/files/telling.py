"""Facts as readers collect them: what a field can't hold is left out, since a file is more than its one odd value."""

from __future__ import annotations

from typing import Any

from mediatypes.record import FIELDS, MOST_ITEMS, Fact, InvalidFact, Provenance, Shape, is_plain


class Telling:
    """The facts of one file, all of one provenance."""

    def __init__(self, path: str, provenance: Provenance, facts: list[Fact] | None = None) -> None:
        """Collect facts in a list of its own, or add them to one that is there."""
        self.facts: list[Fact] = facts if facts is not None else []
        self.path = path
        self._provenance = provenance

    def tell(self, field: str, value: Any, pointer: str = "") -> None:
        """Add a fact, where the value is one; `pointer` is the JSON Pointer (RFC 6901) of what says so in the file.

        In an archive it is the name of the file in it that says so.
        """
        fitting = _fitting(FIELDS[field], value)
        if fitting is None:
            return
        at = f"{self.path}#{pointer}" if pointer else self.path
        try:
            self.facts.append(Fact(field, fitting, self._provenance, at))
        except InvalidFact:
            return


def _fitting(shape: Shape, value: Any) -> Any:
    """Return what of a value a field of this shape may hold; None for nothing."""
    match shape:
        case Shape.TEXT:
            return _text(value)
        case Shape.INTEGER:
            return value
        case Shape.TEXTS:
            items = value if isinstance(value, list) else [value]
            texts = (_text(item) for item in items[:MOST_ITEMS])
            return list(dict.fromkeys(text for text in texts if text and is_plain(text))) or None
        case Shape.OBJECTS:
            found: list[Any] = []
            for item in value[:MOST_ITEMS] if isinstance(value, list) else []:
                if isinstance(item, dict) and is_plain(item) and item not in found:
                    found.append(item)
            return found or None
        case Shape.OBJECT:
            items = list(value.items())[:MOST_ITEMS] if isinstance(value, dict) else []
            return {name: item for name, item in items if is_plain({name: item})} or None


def _text(value: Any) -> str | None:
    """Return a text as it stands but for white space around it, a number as its digits."""
    if isinstance(value, str):
        return value.strip() or None
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def present(**items: Any) -> dict[str, Any]:
    """Return an object of the items that aren't None."""
    return {name: item for name, item in items.items() if item is not None}


def natural(value: Any) -> int | None:
    """Return a whole number that isn't negative, None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63 else None


def text_in(value: Any) -> str | None:
    """Return a text that isn't empty, None for anything else."""
    return value if isinstance(value, str) and value else None


def mapping(value: Any) -> dict[str, Any]:
    """Return an object, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def listing(value: Any) -> list[Any]:
    """Return a list; one value is a list of it, nothing an empty one."""
    if isinstance(value, list):
        return value[:MOST_ITEMS]
    return [] if value is None else [value]
