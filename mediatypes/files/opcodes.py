"""A pickle's opcodes with their arguments, by the standard library's table of them (`pickletools.opcodes`).

`pickletools.genops` would read each argument whole, an array of 5 GB too: here what is long is passed over.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from mediatypes.files.ranged import Cursor
from mediatypes.files.reading import Malformed

_TABLE: Final = {ord(opcode.code): opcode for opcode in pickletools.opcodes}
_PREFIXES: Final = {
    pickletools.TAKEN_FROM_ARGUMENT1: (1, False),
    pickletools.TAKEN_FROM_ARGUMENT4: (4, True),
    pickletools.TAKEN_FROM_ARGUMENT4U: (4, False),
    pickletools.TAKEN_FROM_ARGUMENT8U: (8, False),
}
"""How many bytes tell an argument's length, and whether they are signed."""
_KEPT: Final = 16 << 10  # bytes of an argument that is read
_LINE: Final = 64 << 20  # bytes of one line of protocol 0, which may hold an array


@dataclass(frozen=True, slots=True)
class Skipped:
    """An argument that is too long, or of a form that only unpicklers may read: `size` bytes from `position` in the file."""

    size: int
    position: int


def opcodes(cursor: Cursor) -> Iterator[tuple[str, Any]]:
    """Return the opcodes' names and arguments up to STOP. Raise Malformed for what is no pickle.

    Unpicklers take forms of arguments that the table does not (numbers such as 0x10): such a one hides nothing behind it.
    """
    while True:
        position = cursor.position
        code = cursor.take(1)[0]
        opcode = _TABLE.get(code)
        if opcode is None:
            raise Malformed(f"has no opcode of pickle at byte {position}")
        yield opcode.name, None if opcode.arg is None else _argument(opcode.arg, cursor, position)
        if opcode.name == "STOP":
            return


def _argument(kind: Any, cursor: Cursor, position: int) -> Any:
    if kind.n in _PREFIXES:
        length, is_signed = _PREFIXES[kind.n]
        prefix = cursor.take(length)
        size = int.from_bytes(prefix, "little", signed=is_signed)
        if size < 0:
            raise Malformed(f"has an opcode with a negative length at byte {position}")
        if size > _KEPT:
            skipped = Skipped(size, cursor.position)
            cursor.skip(size)
            return skipped
        raw = prefix + cursor.take(size)
    elif kind.n == pickletools.UP_TO_NEWLINE:
        start = cursor.position
        lines = [_line(cursor) for _ in range(2 if kind is pickletools.stringnl_noescape_pair else 1)]
        if cursor.position - start > _KEPT:
            return Skipped(cursor.position - start, start)
        if len(lines) == 2:
            return tuple(line.decode("utf-8", "replace") for line in lines)
        raw = lines[0] + b"\n"
    else:
        raw = cursor.take(kind.n)
    try:
        return kind.reader(io.BytesIO(raw))
    except (ValueError, DeprecationWarning):  # A text of protocol 0 may have escapes that Python warns of.
        return Skipped(len(raw), position + 1)


def _line(cursor: Cursor) -> bytes:
    """Return a line; where the file ends within it, what `pickle.py` takes for one: all but the last byte."""
    try:
        return cursor.line(_LINE)
    except Malformed:
        return cursor.take(cursor.remaining)[:-1]
