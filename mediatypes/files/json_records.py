"""Files of JSON records: one a line (JSON Lines), or a list of them; their beginning tells the fields."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from mediatypes.files.documents import JSON_LONGEST, json_value, whole
from mediatypes.files.paths import base_name
from mediatypes.files.plain import plain_object
from mediatypes.files.reading import Limits, Malformed, Reading, Source, Unsupported
from mediatypes.files.samples import Columns, add_records, sample_of
from mediatypes.files.telling import Telling, present
from mediatypes.record import Provenance

_SPACE: Final = b" \t\r\n\xef\xbb\xbf"
_BETWEEN: Final = re.compile(r"[ \t\r\n,]*")
_NOT_RECORDS: Final = ("modules.json", "added_tokens.json", "vocab.json")


class JsonLines:
    """Reads JSON Lines."""

    name = "jsonl"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether this is named as such files are, and its first line is no list and no text."""
        return path.lower().endswith((".jsonl", ".ndjson")) and head.lstrip(_SPACE)[:1] in (b"{", b"")

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return the fields with their types, and the rows where all of the file is in the sample. Raise Unreadable."""
        content, is_all = sample_of(source, limits)
        if not is_all:
            content = content[: content.rfind(b"\n") + 1]
        return _reading(self.name, path, (json_value(line, limits) for line in _filled(content)), is_all)


class JsonRecords:
    """Reads JSON files that are a list of objects."""

    name = "json"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether this is a JSON file that begins with a list of objects."""
        begin = head.lstrip(_SPACE)
        is_list = begin.startswith(b"[") and begin[1:].lstrip(_SPACE).startswith(b"{")
        return is_list and path.lower().endswith(".json") and base_name(path) not in _NOT_RECORDS

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return the fields with their types, and the rows where the file isn't large. Raise Unreadable."""
        if source.size <= min(JSON_LONGEST, limits.header):
            document = json_value(whole(source, limits, JSON_LONGEST), limits)
            if not isinstance(document, list):
                raise Malformed("is not a list")
            return _reading(self.name, path, iter(document), is_all=True)
        content, _ = sample_of(source, limits)
        return _reading(self.name, path, _first_items(content), is_all=False)


def _reading(name: str, path: str, records: Iterator[Any], is_all: bool) -> Reading:
    columns = Columns()
    count = add_records(columns, records)
    if count and not columns.types:
        raise Unsupported("holds no objects with fields")
    telling = Telling(path, Provenance.HEADER)
    telling.tell("features", columns.features())
    telling.tell("rows", count if is_all else None)
    raw = present(
        rows=count if is_all else None, sampled=None if is_all else count, columns=list(columns.types) or None
    )
    return Reading(name, telling.facts, raw=plain_object(raw))


def _filled(content: bytes) -> Iterator[bytes]:
    return (line for line in content.split(b"\n") if line.strip(_SPACE))


def _first_items(content: bytes) -> Iterator[Any]:
    """Yield the items that a list begins with, up to where the sample cuts one off."""
    text = content.decode("utf-8", "ignore").lstrip("\ufeff \t\r\n")[1:]
    decoder = json.JSONDecoder()
    position = 0
    while True:
        between = _BETWEEN.match(text, position)
        assert between is not None  # It matches nothing, too.
        try:
            item, position = decoder.raw_decode(text, between.end())
        except (ValueError, RecursionError):
            return
        yield item
