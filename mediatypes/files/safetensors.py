"""safetensors (huggingface/safetensors, README “Format”): a header's length, a header in JSON, and the tensors' bytes.

The library itself maps a whole file and reads no ranges, so the header is read here, by the same rules.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from mediatypes.files.dtypes import BITS, SAFETENSORS
from mediatypes.files.reading import Limits, Malformed, Reading, Source, Tensor, TooMuch, Unsupported
from mediatypes.files.weights import checked_name, count_tensors, elements, tell, weigh

_HEADER: Final = 100_000_000  # bytes of a header that the library reads
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
        reading = Reading("safetensors")
        tell(reading, "format", "safetensors", path)
        metadata, entries = _parsed(source.read(8, 8 + length))
        count_tensors(len(entries), limits)
        reading.tensors = _placed(entries, 8 + length, source.size)
        if metadata:
            reading.raw = {"metadata": metadata}
            _tell_metadata(reading, metadata, path)
        weigh(reading, path)
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


def _tell_metadata(reading: Reading, metadata: dict[str, str], path: str) -> None:
    at = f"{path}#/{_METADATA}"
    framework = _FRAMEWORKS.get(metadata.get("format", ""))
    if framework:
        tell(reading, "framework", framework, at)
    named: dict[str, Any] = {
        "title": metadata.get("modelspec.title"),
        "architecture": metadata.get("modelspec.architecture"),
        "description": metadata.get("modelspec.description"),
        "created": metadata.get("modelspec.date"),
    }
    for field, value in named.items():
        tell(reading, field, value, at)
    if metadata.get("modelspec.license"):
        tell(reading, "licenses", [metadata["modelspec.license"]], at)
    if metadata.get("modelspec.author"):
        tell(reading, "authors", [metadata["modelspec.author"]], at)
