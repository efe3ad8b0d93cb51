"""YAML that everybody reads alike: the part of it that JSON has, within bounds, and where each value stands.

Not taken are anchors and aliases, tags, merged keys, several documents and keys that stand twice. Plain words are read by YAML
1.2's core schema: `no` and `on` are texts, and so are dates.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from signing.limits import LARGEST_POLICY
from signing.policy.problems import InvalidPolicy, Problem, escaped

DEEPEST: Final = 32
"""Objects and lists that may stand inside one another."""

_CONSTANTS: Final = {"": None, "~": None, "null": None, "true": True, "false": False}
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,18}", re.ASCII)
_FLOAT: Final = re.compile(r"[-+]?[0-9]{1,18}\.[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Text:
    """A document that was read, and the lines (from 1) of its values by JSON Pointer."""

    document: Any
    lines: dict[str, int]

    def problem(self, pointer: str, message: str) -> Problem:
        """Return a problem with its line: that of the nearest value around where there is none itself."""
        at = pointer
        while at and at not in self.lines:
            at = at.rpartition("/")[0]
        return Problem(pointer, message, self.lines.get(at))


@dataclass(slots=True)
class _Open:
    """An object or a list that is being read."""

    pointer: str
    value: dict[str, Any] | list[Any]
    key: str | None = None
    keys: set[str] = field(default_factory=set)


def read_yaml(content: bytes, *, largest: int = LARGEST_POLICY) -> Text:
    """Read a document. Raise InvalidPolicy with the one problem that it can't be read further by."""
    if len(content) > largest:
        raise InvalidPolicy([Problem("", f"has {len(content)} bytes; {largest} are the most")])
    try:
        reader = _Reader()
        for event in yaml.parse(content.decode(), Loader=yaml.SafeLoader):
            reader.take(event)
    except UnicodeDecodeError:
        raise InvalidPolicy([Problem("", "is not UTF-8")]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InvalidPolicy([Problem("", f"is not YAML: {error.problem}", mark.line + 1 if mark else None)]) from None
    except (yaml.YAMLError, OverflowError) as error:
        raise InvalidPolicy([Problem("", f"is not YAML: {str(error)[:200]}")]) from None
    except InvalidPolicy:
        raise
    except ValueError as error:  # PyYAML's own, of escapes beyond Unicode
        raise InvalidPolicy([Problem("", f"is not YAML: {str(error)[:200]}")]) from None
    if reader.documents != 1:
        raise InvalidPolicy([Problem("", "is empty")])
    return Text(reader.root, reader.lines)


class _Reader:
    """Makes values of events, without recursion."""

    def __init__(self) -> None:
        self.root: Any = None
        self.lines: dict[str, int] = {}
        self.documents = 0
        self._open: list[_Open] = []

    def take(self, event: Any) -> None:
        """Take the next event."""
        line = event.start_mark.line + 1
        match event:
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    raise _refused(line, "holds more than one document")
            case yaml.AliasEvent():
                raise _refused(line, f"has the alias *{event.anchor}: write out what is meant")
            case yaml.ScalarEvent() | yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._start(event, line)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._open.pop()

    def _start(self, event: Any, line: int) -> None:
        if event.anchor is not None:
            raise _refused(line, f"has the anchor &{event.anchor}: write out what is meant")
        if event.tag is not None:
            raise _refused(line, f"has the tag {event.tag}: values have no tags here")
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, line)
            return
        if len(self._open) >= DEEPEST:
            raise _refused(line, f"is nested deeper than {DEEPEST} levels")
        value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._open.append(_Open(self._put(value, line), value))

    def _scalar(self, event: Any, line: int) -> None:
        if any("\ud800" <= char <= "\udfff" for char in event.value):
            raise _refused(line, "holds half a surrogate pair, which is no Unicode text")
        inside = self._open[-1] if self._open else None
        if inside is not None and isinstance(inside.value, dict) and inside.key is None:
            if event.value in inside.keys:
                raise _refused(line, f"has “{event.value[:60]}” twice", inside.pointer)
            inside.key = event.value
            inside.keys.add(event.value)
            return
        self._put(event.value if event.style is not None else _plain(event.value), line)

    def _put(self, value: Any, line: int) -> str:
        """Put a value where it belongs, and return its pointer."""
        if not self._open:
            self.root, pointer = value, ""
        else:
            inside = self._open[-1]
            if isinstance(inside.value, list):
                pointer = f"{inside.pointer}/{len(inside.value)}"
                inside.value.append(value)
            elif inside.key is None:
                raise _refused(line, "has a key that is no text", inside.pointer)
            else:
                pointer = f"{inside.pointer}/{escaped(inside.key)}"
                inside.value[inside.key] = value
                inside.key = None
        self.lines[pointer] = line
        return pointer


def _plain(text: str) -> Any:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _refused(line: int, message: str, pointer: str = "") -> InvalidPolicy:
    return InvalidPolicy([Problem(pointer, message, line)])
