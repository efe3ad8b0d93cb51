"""Messages of Protocol Buffers field by field (protobuf.dev, Encoding), from ranges: what isn't asked for isn't read.

The library protobuf parses whole messages only, with their embedded weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from mediatypes.files.ranged import Cursor
from mediatypes.files.reading import Malformed, TooMuch

VARINT: Final = 0
FIXED_64: Final = 1
BYTES: Final = 2
FIXED_32: Final = 5


@dataclass(slots=True)
class Budget:
    """How many fields of a file are looked at."""

    fields: int

    def spend(self) -> None:
        """Count a field. Raise TooMuch where there are more than are looked at."""
        self.fields -= 1
        if self.fields < 0:
            raise TooMuch("has more fields than are read")


class Field(NamedTuple):
    """A field: of the wire type BYTES `size` bytes that begin at `start` in the file, else a number."""

    number: int
    wire: int
    value: int
    start: int = 0
    size: int = 0


class Message:
    """A message that lies in a file from where a cursor stands up to `stop`. Fields are read once, in their order."""

    def __init__(self, cursor: Cursor, stop: int, budget: Budget) -> None:
        if stop > cursor.source.size:
            raise Malformed(f"ends before byte {stop}, where a message would end")
        self._cursor = cursor
        self._stop = stop
        self._budget = budget

    def fields(self) -> Iterator[Field]:
        """Return the fields, and pass over what was left of each. Raise Malformed."""
        cursor = self._cursor
        while cursor.position < self._stop:
            self._budget.spend()
            position = cursor.position
            key = varint(cursor)
            number, wire = key >> 3, key & 7
            if number == 0:
                raise Malformed(f"has a field without a number at byte {position}")
            if wire == VARINT:
                yield Field(number, wire, varint(cursor))
            elif wire in (FIXED_64, FIXED_32):
                yield Field(number, wire, int.from_bytes(cursor.take(8 if wire == FIXED_64 else 4), "little"))
            elif wire == BYTES:
                size = varint(cursor)
                start = cursor.position
                if start + size > self._stop:
                    raise Malformed(f"has a field of {size} bytes at byte {position}, and its message ends before")
                yield Field(number, wire, 0, start, size)
                cursor.skip(start + size - cursor.position)
            else:
                raise Malformed(f"has a field of the wire type {wire} at byte {position}")
        if cursor.position != self._stop:
            raise Malformed(f"has a message that ends at byte {self._stop}, within a field")

    def inner(self, field: Field) -> Message:
        """Return the message in the field that was read last."""
        self._expect(field)
        return Message(self._cursor, field.start + field.size, self._budget)

    def text(self, field: Field, longest: int = 4096) -> str:
        """Return the text in the field that was read last, cut after `longest` bytes."""
        self._expect(field)
        return self._cursor.take(min(field.size, longest)).decode("utf-8", "replace").replace("\0", "\ufffd")

    def numbers(self, field: Field) -> list[int]:
        """Return the numbers in the field that was read last: one, or packed ones."""
        if field.wire == VARINT:
            return [signed(field.value)]
        self._expect(field)
        found: list[int] = []
        while self._cursor.position < field.start + field.size:
            self._budget.spend()
            found.append(signed(varint(self._cursor)))
        return found

    @staticmethod
    def _expect(field: Field) -> None:
        if field.wire != BYTES:
            raise Malformed(f"has the field {field.number} as a number, which is none")


def varint(cursor: Cursor) -> int:
    """Return a number of up to 64 bits."""
    value = 0
    for shift in range(0, 70, 7):
        byte = cursor.take(1)[0]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1
    raise Malformed(f"has a number of more than ten bytes before byte {cursor.position}")


def signed(value: int) -> int:
    """Return an int64 by its 64 bits."""
    return value - (1 << 64) if value >> 63 else value
