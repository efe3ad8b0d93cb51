"""GGUF (ggml's docs/gguf.md), versions 1 to 3, of either byte order: keys with values, tensors' descriptions, their bytes.

The library gguf maps a whole file, so the header is read here. Arrays are counted; of short ones the values are kept.
"""

from __future__ import annotations

import math
import struct
from itertools import pairwise
from typing import Any, Final, Literal

from mediatypes.files.ggml import FILE_TYPES, TYPES
from mediatypes.files.ranged import Cursor
from mediatypes.files.reading import Limits, Malformed, Reading, Source, Tensor, TooMuch, Unsupported
from mediatypes.files.telling import Telling
from mediatypes.files.weights import checked_name, count_tensors, elements, weigh
from mediatypes.models.values import license_name
from mediatypes.record import Provenance

_MAGIC: Final = b"GGUF"
_SCALARS: Final = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING: Final = 8
_ARRAY: Final = 9
_KEPT: Final = 64  # values of an array that are kept
_VALUES: Final = 100_000  # values that are kept of all arrays
_LONGEST: Final = 4096  # bytes of a text that is kept whole; longer ones (chat templates) are cut
_KEYS: Final = 10_000
_TEXTS: Final = 4_000_000  # texts of all arrays, over which the reader has to go one by one
_DIMENSIONS: Final = 4  # ggml's own limit


class GgufReader:
    """Reads the header of GGUF files. Shapes are those of row-major arrays, the reverse of GGML's own order."""

    name = "gguf"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether a file begins as GGUF files do."""
        return head.startswith(_MAGIC)

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return the tensors and the keys. Raise Unreadable."""
        header = _Header(Cursor(source, limits.header))
        reading = Reading("gguf", raw={"version": header.version})
        telling = Telling(path, Provenance.HEADER, reading.facts)
        telling.tell("format", "gguf")
        tensor_count, key_count = header.length(), header.length()
        count_tensors(tensor_count, limits)
        if key_count > _KEYS:
            raise TooMuch(f"has {key_count} keys, of which {_KEYS} are read at most")
        keys: dict[str, Any] = {}
        for _ in range(key_count):
            name = header.name()
            keys[name] = header.value(header.number("I"))
        reading.raw["metadata"] = keys
        reading.tensors = _tensors(header, tensor_count, keys.get("general.alignment", 32))
        _tell_keys(telling, keys)
        weigh(telling, reading.tensors)
        return reading


class _Header:
    """The numbers and texts of a header, in the file's byte order, with lengths as wide as its version has them."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        if cursor.take(4) != _MAGIC:
            raise Malformed("doesn't begin with GGUF")
        version = cursor.take(4)
        # The specification leaves the byte order to the reader; a small version tells it.
        self._order: Literal["little", "big"] = "little" if version[0] or version[1] else "big"
        self.version = int.from_bytes(version, self._order)
        if self.version not in (1, 2, 3):
            raise Unsupported(f"is of version {self.version} of GGUF, and 1 to 3 are known")
        self.width = 4 if self.version == 1 else 8
        self._texts = 0
        self._values = 0

    def number(self, code: str) -> Any:
        """Return a number by its letter in `struct`."""
        packed = struct.Struct(("<" if self._order == "little" else ">") + code)
        return packed.unpack(self.cursor.take(packed.size))[0]

    def length(self) -> int:
        """Return a count, or a length in bytes."""
        return int.from_bytes(self.cursor.take(self.width), self._order)

    def name(self) -> str:
        """Return a key's or a tensor's name."""
        length = self.length()
        if length > 1 << 16:
            raise Malformed(f"has a name of {length} bytes before byte {self.cursor.position}")
        return self._text(length)

    def value(self, kind: int, depth: int = 4) -> Any:
        """Return a value by its type's number: of a long array {"count": …}, of a long text its begin."""
        if kind in _SCALARS:
            number = self.number(_SCALARS[kind])
            return str(number) if isinstance(number, float) and not math.isfinite(number) else number
        if kind == _STRING:
            length = self.length()
            kept = self._text(min(length, _LONGEST))
            self.cursor.skip(length - min(length, _LONGEST))
            return kept
        if kind != _ARRAY:
            raise Malformed(f"has a value of the type {kind} before byte {self.cursor.position}, and 12 is the last")
        inner, count = self.number("I"), self.length()
        if depth == 0:
            raise TooMuch("has arrays in arrays in arrays")
        self._values += count if count <= _KEPT else 0
        if self._values > _VALUES:
            raise TooMuch(f"has more than {_VALUES} values in arrays")
        if count <= _KEPT:
            return [self.value(inner, depth - 1) for _ in range(count)]
        self._skip(inner, count)
        return {"count": count}

    def _skip(self, kind: int, count: int) -> None:
        if kind in _SCALARS:
            self.cursor.skip(count * struct.calcsize("<" + _SCALARS[kind]))
            return
        if kind != _STRING:
            raise Unsupported(f"has an array of {count} arrays before byte {self.cursor.position}")
        if count * self.width > self.cursor.remaining:
            raise Malformed(f"has an array of {count} texts at byte {self.cursor.position}, for which it is too short")
        self._texts += count
        if self._texts > _TEXTS:
            raise TooMuch(f"has arrays of {self._texts} texts, of which {_TEXTS} are passed over at most")
        take, skip, width, order = self.cursor.take, self.cursor.skip, self.width, self._order
        for _ in range(count):
            skip(int.from_bytes(take(width), order))

    def _text(self, length: int) -> str:
        # A key's bytes should be ASCII and a text's UTF-8; what isn't stands for itself as a mark.
        return self.cursor.take(length).decode("utf-8", "replace").replace("\0", "\ufffd")


def _tensors(header: _Header, count: int, alignment: object) -> list[Tensor]:
    if not isinstance(alignment, int) or not 0 < alignment <= 1 << 30:
        raise Malformed(f"aligns its tensors to {alignment!r:.40} bytes")
    found: list[tuple[str, str, tuple[int, ...], int, int]] = []
    for _ in range(count):
        name = checked_name(header.name())
        dimensions = header.number("I")
        if dimensions > _DIMENSIONS:
            raise Malformed(f"gives the tensor {name!r:.80} {dimensions} dimensions, and {_DIMENSIONS} are the most")
        shape, size = elements(name, [header.length() for _ in range(dimensions)])
        kind, offset = header.number("I"), header.number("Q")
        if kind not in TYPES:
            raise Unsupported(f"has a tensor of the type {kind}, which is unknown")
        dtype, block, block_size = TYPES[kind]
        if (shape[0] if shape else 1) % block:
            raise Malformed(f"gives the tensor {name!r:.80} rows that aren't blocks of {block}")
        found.append((name, dtype, shape[::-1], offset, size // block * block_size))
    begin = -(-header.cursor.position // alignment) * alignment
    end = header.cursor.source.size
    for name, _, _, offset, size in found:
        if begin + offset + size > end:
            raise Malformed(f"ends at byte {end}, within or before the tensor {name!r:.80}")
    tensors = [Tensor(name, dtype, shape, begin + offset, size) for name, dtype, shape, offset, size in found]
    tensors.sort(key=lambda tensor: tensor.offset or 0)
    for before, after in pairwise(tensors):
        assert before.offset is not None
        assert after.offset is not None
        if before.offset + before.size > after.offset:
            raise Malformed(f"places the tensors {before.name!r:.80} and {after.name!r:.80} over one another")
    return tensors


_FIELDS: Final = {
    "general.name": "title",
    "general.description": "description",
    "general.version": "version",
    "general.organization": "vendor",
    "general.url": "documentation_url",
    "general.source.url": "source_url",
    "general.architecture": "architecture",
    "general.author": "authors",
    "general.tags": "tags",
    "general.languages": "languages",
}


def _tell_keys(telling: Telling, keys: dict[str, Any]) -> None:
    for key, field in _FIELDS.items():
        telling.tell(field, keys.get(key), f"/{key}")
    telling.tell("family", keys.get("general.architecture"), "/general.architecture")
    licenses = keys.get("general.license")
    telling.tell("licenses", license_name(licenses) if isinstance(licenses, str) else None, "/general.license")
    file_type = keys.get("general.file_type")
    telling.tell(
        "quantization", FILE_TYPES.get(file_type) if isinstance(file_type, int) else None, "/general.file_type"
    )
    key = f"{keys.get('general.architecture')}.context_length"
    telling.tell("context_length", keys.get(key), f"/{key}")
    tokens = keys.get("tokenizer.ggml.tokens")
    size = len(tokens) if isinstance(tokens, list) else tokens.get("count") if isinstance(tokens, dict) else None
    telling.tell("vocabulary_size", size, "/tokenizer.ggml.tokens")
    relation = {"adapter": "adapter"}.get(keys.get("general.type", ""))
    for field, kind in (("base_models", "base_model"), ("datasets", "dataset")):
        found = _references(keys, f"general.{kind}", relation if field == "base_models" else None)
        telling.tell(field, found, f"/general.{kind}")


def _references(keys: dict[str, Any], prefix: str, relation: str | None) -> list[dict[str, str]]:
    """Return what a model is made from, by address where one is told, else by organisation and name."""
    count = keys.get(f"{prefix}.count", 0)
    found: list[dict[str, str]] = []
    for index in range(min(count, 100) if isinstance(count, int) else 0):
        told = {name: keys.get(f"{prefix}.{index}.{name}") for name in ("repo_url", "url", "organization", "name")}
        named = "/".join(text for name in ("organization", "name") if isinstance(text := told[name], str))
        ref = told["repo_url"] or told["url"] or named
        if isinstance(ref, str) and ref:
            found.append({"ref": ref, "relation": relation} if relation else {"ref": ref})
    return found
