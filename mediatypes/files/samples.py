"""The beginning of a file of records, and the types that its columns have there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from mediatypes.files.plain import plain_text
from mediatypes.files.reading import Limits, Source

SAMPLE: Final = 1 << 20  # bytes that are read of a file of records
COLUMNS: Final = 1000
_INTEGER: Final = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_FLOAT: Final = re.compile(
    r"[+-]?(?:(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:e[+-]?\d{1,4})?|nan|inf|infinity)", re.IGNORECASE | re.ASCII
)
_TIMESTAMP: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)
_MISSING: Final = frozenset(("", "null", "none", "na", "n/a"))


def sample_of(source: Source, limits: Limits) -> tuple[bytes, bool]:
    """Return the beginning of a file, and whether that is all of it."""
    count = min(SAMPLE, limits.header, source.size)
    return source.read(0, count), count == source.size


@dataclass(slots=True)
class Columns:
    """The types of values by column, in the order in which columns come up."""

    types: dict[str, set[str]] = field(default_factory=dict)

    def add(self, name: str, kind: str) -> None:
        """Add the type of one value."""
        if name in self.types or len(self.types) < COLUMNS:
            self.types.setdefault(name, set()).add(kind)

    def features(self) -> list[dict[str, Any]]:
        """Return each column with the type that holds all of its values."""
        return [{"name": plain_text(name), "type": _common(kinds)} for name, kinds in self.types.items()]


def text_type(cell: str) -> str:
    """Return the type of a value that is written as text."""
    text = cell.strip()
    if text.lower() in _MISSING:
        return "null"
    if _INTEGER.fullmatch(text):
        return "int64"
    if _FLOAT.fullmatch(text):
        return "float64"
    if text.lower() in ("true", "false"):
        return "bool"
    return "timestamp" if _TIMESTAMP.fullmatch(text) else "string"


def value_type(value: Any) -> str:
    """Return the type of a JSON value: list<…> by the list's first items, struct for an object."""
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case int():
            return "int64"
        case float():
            return "float64"
        case str():
            return "string"
        case list():
            inner = _common({value_type(item) if not isinstance(item, list) else "list" for item in value[:20]})
            return f"list<{inner}>"
        case _:
            return "struct"


def add_records(columns: Columns, records: Iterable[Any]) -> int:
    """Add the fields of records that are objects, and return how many records there were."""
    count = 0
    for record in records:
        count += 1
        for name, value in record.items() if isinstance(record, dict) else ():
            columns.add(name, value_type(value))
    return count


def _common(kinds: set[str]) -> str:
    """Return a type that holds values of all these types."""
    seen = kinds - {"null"}
    if not seen:
        return "null"
    if seen == {"int64", "float64"}:
        return "float64"
    lists = {kind for kind in seen if kind.startswith("list<")}
    if lists == seen:
        known = {kind for kind in lists if kind != "list<null>"} or lists
        return next(iter(known)) if len(known) == 1 else "list<mixed>"
    return next(iter(seen)) if len(seen) == 1 else "mixed"
