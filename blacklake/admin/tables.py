"""Lists, as a table for people or as JSON for scripts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def show(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """Print rows: some of their columns under a headline, or all that is in them, an object of JSON a line."""
    if as_json:
        for row in rows:
            print(json.dumps(row, separators=(",", ":")))
        return
    lines = [[name.replace("_", " ").removeprefix("is ") for name in columns]]
    lines += [[_shown(row.get(name)) for name in columns] for row in rows]
    if len(lines) == 1:
        return
    widths = [max(len(line[column]) for line in lines) for column in range(len(columns))]
    for line in lines:
        print("  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip())


def _shown(value: object) -> str:
    """Return a value in a word or some; what would steer a terminal is spelled out."""
    if value is None or value in ("", [], {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return " ".join(f"{name}={_shown(one)}" for name, one in sorted(value.items()))
    if isinstance(value, (list, tuple)):
        return ",".join(map(_shown, value))
    return printable(str(value))


def printable(text: str) -> str:
    """Return a text in which what would steer a terminal is spelled out."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)
