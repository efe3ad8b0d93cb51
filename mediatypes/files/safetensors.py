"""safetensors (huggingface/safetensors, README “Format”): a header's length, a header in JSON, and the tensors' bytes.

The library itself maps a whole file and reads no ranges, so the header is read here, by the same rules.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from mediatypes.files.dtypes import BITS, SAFETENSORS
from mediatypes.files.plain import plain
from mediatypes.files.reading import Limits, Malformed, Reading, Source, Tensor, TooMuch, Unsupported
from mediatypes.files.telling import Telling
from mediatypes.files.weights import checked_name, count_tensors, elements, weigh
from mediatypes.models.values import license_name
from mediatypes.record import Provenance

_HEADER: Final = 100_000_000  # bytes of a header that the library reads
_COLONS: Final = 8  # that a tensor's entry has at most: four, and as many in a name and in metadata
_METADATA: Final = "__metadata__"
_BEGIN: Final = re.compile(rb'.{8}\{\s*("|\})', re.DOTALL)
_FRAMEWORKS: Final = {
    "pt": "pytorch",
    "tf": "tensorflow",
    "flax": "jax",
    "np": "numpy",
    "mlx": "mlx",
    "paddle": "paddle",
}


class _Entry(msgspec.Struct):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


class SafetensorsReader:
    """Reads the header of safetensors files."""

    name = "safetensors"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether a file is named so, or begins with a length and an object in JSON that begin such a file."""
        if path.lower().endswith(".safetensors"):
            return True
        return _BEGIN.match(head) is not None and int.from_bytes(head[:8], "little") <= _HEADER

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return the tensors and the metadata of the header. Raise Unreadable."""
        if source.size < 8:
            raise Malformed("is shorter than the length of its header")
        length = int.from_bytes(source.read(0, 8), "little")
        if length > source.size - 8:
            raise Malformed(f"says that its header has {length} bytes, and has {source.size - 8}")
        if length > min(limits.header, _HEADER):
            raise TooMuch(f"has a header of {length} bytes, of which {min(limits.header, _HEADER)} are read at most")
        header = source.read(8, 8 + length)
        if header.count(b":") > limits.entries * _COLONS:
            raise TooMuch(f"has a header of more than {limits.entries} tensors")
        metadata, entries = _parsed(header)
        reading = Reading("safetensors")
        telling = Telling(path, Provenance.HEADER, reading.facts)
        telling.tell("format", "safetensors")
        count_tensors(len(entries), limits)
        reading.tensors = _placed(entries, 8 + length, source.size)
        if metadata:
            reading.raw = {"metadata": plain(metadata)}
            _tell_metadata(telling, metadata)
        weigh(telling, reading.tensors)
        return reading


def _parsed(header: bytes) -> tuple[dict[str, str], dict[str, _Entry]]:
    try:
        parts = msgspec.json.decode(header, type=dict[str, msgspec.Raw])
        metadata = parts.pop(_METADATA, None)
        entries = {checked_name(name): msgspec.json.decode(part, type=_Entry) for name, part in parts.items()}
        told = msgspec.json.decode(metadata, type=dict[str, str]) if metadata is not None else {}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"has a header that isn't that of safetensors: {error}") from error
    return told, entries


def _placed(entries: dict[str, _Entry], begin: int, end: int) -> list[Tensor]:
    """Return the tensors in the order of their bytes, which follow one another without gap or overlap up to the end."""
    tensors: list[Tensor] = []
    place = 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1].data_offsets):
        start, stop = entry.data_offsets
        if start != place or stop < start:
            raise Malformed(f"places the tensor {name!r:.80} at the bytes {start} to {stop}, where {place} is next")
        dtype = SAFETENSORS.get(entry.dtype)
        if dtype is None:
            raise Unsupported(f"has a tensor of the type {entry.dtype!r:.40}, which is unknown")
        shape, count = elements(name, entry.shape)
        if (count * BITS[dtype] + 7) // 8 != stop - start:
            raise Malformed(f"gives the tensor {name!r:.80} {stop - start} bytes, and its shape and type need others")
        tensors.append(Tensor(name, dtype, shape, begin + start, stop - start))
        place = stop
    if begin + place != end:
        raise Malformed(f"ends at byte {end}, and its tensors end at byte {begin + place}")
    return tensors


def _tell_metadata(telling: Telling, metadata: dict[str, str]) -> None:
    license_said = metadata.get("modelspec.license")
    named: dict[str, Any] = {
        "framework": _FRAMEWORKS.get(metadata.get("format", "")),
        "title": metadata.get("modelspec.title"),
        "architecture": metadata.get("modelspec.architecture"),
        "description": metadata.get("modelspec.description"),
        "created": metadata.get("modelspec.date"),
        "licenses": license_name(license_said) if license_said else None,
        "authors": metadata.get("modelspec.author"),
    }
    for field, value in named.items():
        telling.tell(field, value, f"/{_METADATA}")
