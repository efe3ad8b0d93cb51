"""Flax's MessagePack (flax/serialization.py): objects in objects, with arrays as extensions of type 1.

MessagePack's libraries read a whole message; here the arrays' bytes are passed over.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from mediatypes.files.dtypes import of_name
from mediatypes.files.ranged import Cursor
from mediatypes.files.reading import Limits, Malformed, Reading, Source, Tensor, TooMuch
from mediatypes.files.telling import Telling
from mediatypes.files.weights import checked_name, count_tensors, elements, weigh
from mediatypes.record import Provenance

_ARRAY: Final = 1  # the extension's type: [shape, the dtype's name, bytes]
_NUMBERS: Final = {
    0xCA: "f",
    0xCB: "d",
    0xCC: "B",
    0xCD: "H",
    0xCE: "I",
    0xCF: "Q",
    0xD0: "b",
    0xD1: "h",
    0xD2: "i",
    0xD3: "q",
}
_LENGTHS: Final = {
    0xC4: ("bytes", 1),
    0xC5: ("bytes", 2),
    0xC6: ("bytes", 4),
    0xC7: ("extension", 1),
    0xC8: ("extension", 2),
    0xC9: ("extension", 4),
    0xD9: ("text", 1),
    0xDA: ("text", 2),
    0xDB: ("text", 4),
    0xDC: ("list", 2),
    0xDD: ("list", 4),
    0xDE: ("map", 2),
    0xDF: ("map", 4),
}
_CONSTANTS: Final = {0xC0: None, 0xC2: False, 0xC3: True}
_VALUES: Final = 5  # values that are looked at, for each entry of `Limits`
_TEXT: Final = 1024  # bytes of a text
_OPTIMIZER: Final = "opt_state"


class FlaxReader:
    """Reads the parameters that Flax saves."""

    name = "flax"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether a file is named .msgpack and begins with a map."""
        return path.lower().endswith(".msgpack") and head[:1] != b"" and (head[0] >> 4 == 8 or head[0] in (0xDE, 0xDF))

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return the arrays by their names, joined with dots. Raise Unreadable."""
        reading = Reading("msgpack")
        telling = Telling(path, Provenance.HEADER, reading.facts)
        _Message(source, limits, reading.tensors).value((), limits.depth)
        telling.tell("format", "msgpack")
        telling.tell("framework", "jax")
        weigh(
            telling, reading.tensors, [tensor for tensor in reading.tensors if not tensor.name.startswith(_OPTIMIZER)]
        )
        return reading


class _Message:
    """One message, of which arrays become tensors as they come."""

    def __init__(self, source: Source, limits: Limits, tensors: list[Tensor]) -> None:
        self._cursor = Cursor(source, limits.header)
        self._limits = limits
        self._left = limits.entries * _VALUES
        self._tensors = tensors

    def value(self, names: tuple[str, ...], depth: int) -> Any:
        """Go over a value, and return it where it is a number, a text or a short list of them."""
        self._left -= 1
        if self._left < 0 or depth == 0:
            raise TooMuch("has too many values, or values in values in values")
        kind, count = self._head()
        if kind == "map":
            for _ in range(count):
                key = self.value(names, 1)
                self.value((*names, str(key)[:200]), depth - 1)
            return None
        if kind == "list":
            found = [self.value((*names, str(index)), depth - 1) for index in range(count)]
            return found if count <= 64 else None
        if kind == "text":
            text = self._cursor.take(min(count, _TEXT)).decode("utf-8", "replace")
            self._cursor.skip(count - min(count, _TEXT))
            return text
        if kind == "extension":
            return self._extension(names, count)
        if kind == "bytes":
            self._cursor.skip(count)
            return None
        return count

    def _head(self) -> tuple[str, Any]:
        """Return what comes next: a kind with a length, or "value" with the value itself (msgpack, spec.md, Formats)."""
        code = self._cursor.take(1)[0]
        if code < 0x80 or code >= 0xE0:
            return "value", code if code < 0x80 else code - 256
        if code < 0xC0:
            return ("text", code & 31) if code >= 0xA0 else ("list" if code >= 0x90 else "map", code & 15)
        if code in _CONSTANTS:
            return "value", _CONSTANTS[code]
        if code in _NUMBERS:
            packed = struct.Struct(">" + _NUMBERS[code])
            return "value", packed.unpack(self._cursor.take(packed.size))[0]
        if 0xD4 <= code <= 0xD8:
            return "extension", 1 << code - 0xD4
        if code not in _LENGTHS:
            raise Malformed(f"has no value of MessagePack before byte {self._cursor.position}")
        kind, width = _LENGTHS[code]
        count = int.from_bytes(self._cursor.take(width), "big")
        if count > self._cursor.remaining:
            raise Malformed(f"ends within a value of {count} parts that begins before byte {self._cursor.position}")
        return kind, count

    def _extension(self, names: tuple[str, ...], size: int) -> None:
        """Add an array, and pass over an extension of another type."""
        kind = self._cursor.take(1)[0]
        end = self._cursor.position + size
        if kind == _ARRAY:
            name = ".".join(names)[:1000].replace("\0", "\ufffd")
            if self._head() != ("list", 3):
                raise Malformed(f"has an array {name!r:.80} that is none")
            said, dtype = self.value((), 2), self.value((), 1)
            known = of_name(dtype) if isinstance(dtype, str) else None
            content, length = self._head()
            if not isinstance(said, list) or known is None or content != "bytes":
                raise Malformed(f"has an array {name!r:.80} without a shape, a known type and bytes")
            shape, count = elements(name, said)
            if count * known[1] != length or self._cursor.position + length != end:
                raise Malformed(
                    f"gives the array {name!r:.80} {length} bytes, and its shape and type need {count * known[1]}"
                )
            self._tensors.append(Tensor(checked_name(name), known[0], shape, self._cursor.position, length))
            count_tensors(len(self._tensors), self._limits)
        self._cursor.skip(end - self._cursor.position)
