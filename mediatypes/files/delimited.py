"""CSV and its kin (RFC 4180, loosely): dialect, header and columns of the file's beginning."""

from __future__ import annotations

import csv
import io
from typing import Final

from mediatypes.files.plain import plain_object
from mediatypes.files.reading import Limits, Malformed, Reading, Source, Unsupported
from mediatypes.files.samples import COLUMNS, Columns, sample_of, text_type
from mediatypes.files.telling import Telling, present
from mediatypes.record import Provenance

_DELIMITERS: Final = (",", "\t", ";", "|")
_TRIED: Final = 50  # lines by which the delimiter is found


class Delimited:
    """Reads CSV and TSV files."""

    name = "csv"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether this is named as such files are, and is text."""
        return path.lower().endswith((".csv", ".tsv")) and b"\0" not in head

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return the columns with their types, and the rows where all of the file is in the sample. Raise Unreadable."""
        content, is_all = sample_of(source, limits)
        lines = _lines(content, is_all)
        delimiter = "\t" if path.lower().endswith(".tsv") else _delimiter(lines)
        rows = _rows(lines, delimiter)
        if not rows:
            return Reading(self.name, raw={"rows": 0} if is_all else {})
        if len(rows[0]) > COLUMNS:
            raise Unsupported(f"has {len(rows[0])} columns, of which {COLUMNS} are read at most")
        has_header = _has_header(rows)
        names = rows[0] if has_header else [f"column_{number}" for number in range(len(rows[0]))]
        body = rows[1:] if has_header else rows
        columns = Columns({name: set() for name in names})
        for row in body:
            for name, cell in zip(names, row, strict=False):
                columns.add(name, text_type(cell))
        telling = Telling(path, Provenance.HEADER)
        telling.tell("features", columns.features())
        count = len(body) if is_all else None
        telling.tell("rows", count)
        raw = present(
            delimiter=delimiter,
            header=has_header,
            columns=names,
            rows=count,
            sampled=None if is_all else len(body),
        )
        return Reading("tsv" if delimiter == "\t" else self.name, telling.facts, raw=plain_object(raw))


def _lines(content: bytes, is_all: bool) -> list[str]:
    """Return the sample's lines; its last one may be cut off and doesn't count."""
    if not is_all:
        content = content[: content.rfind(b"\n") + 1]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")  # Names of columns are mostly ASCII, also where a spreadsheet wrote the file.
    return list(io.StringIO(text, newline=""))


def _rows(lines: list[str], delimiter: str) -> list[list[str]]:
    try:
        return [row for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error as error:
        raise Malformed(f"is not CSV: {error}") from None


def _delimiter(lines: list[str]) -> str:
    """Return the delimiter that splits the first lines into the same number of cells, the more the better."""
    best, most = ",", (0.0, 0)
    for delimiter in _DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(lines[:_TRIED], delimiter=delimiter) if row]
        except csv.Error:
            continue
        if widths and widths[0] > 1:
            found = (sum(width == widths[0] for width in widths) / len(widths), widths[0])
            if found > most:
                best, most = delimiter, found
    return best


def _has_header(rows: list[list[str]]) -> bool:
    """Say whether the first row names columns: texts, none twice, and none empty but the first (an index has no name)."""
    first = rows[0]
    named = [cell.strip() for cell in first]
    if len(set(named)) != len(named) or "" in named[1:] or len(rows) == 1:
        return len(rows) == 1 and all(text_type(cell) == "string" for cell in named)
    return all(text_type(cell) in ("string", "null") for cell in named)
