"""What is wrong with a schema, and with what doesn't fit one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST: Final = 50
"""Violations that are told of one document."""

LIMIT_RULE: Final = "limit"
"""The rule of a violation that says that a document could not be judged within the bounds."""


@dataclass(frozen=True, slots=True)
class Violation:
    """Where a document doesn't fit a schema.

    `pointer` is a JSON Pointer (RFC 6901): into the manifest where annotations are judged, else into the config or the record.
    `rule` is the schema's keyword, `schema` its `$id`. `message` has up to 300 characters and never the whole document.
    """

    pointer: str
    rule: str
    message: str
    schema: str


class InvalidSchema(ValueError):
    """A document that can't be a schema here; `pointer` says where, the message why."""

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(f"{pointer or 'the schema'} {reason}")
        self.pointer = pointer
        self.reason = reason


class TooMuch(Exception):
    """Judging a document would take more than anybody may ask for."""


def escaped(part: str) -> str:
    """Return a name as a JSON Pointer has it (RFC 6901 §3)."""
    return part.replace("~", "~0").replace("/", "~1")
