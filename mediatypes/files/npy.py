"""NumPy's .npy and .npz (NEP 1 and `numpy.lib.format`): an array's header is a literal of Python, which is only read as one."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Any, Final

from mediatypes.files.dtypes import of_numpy
from mediatypes.files.pickled import Pickled
from mediatypes.files.reading import Limits, Malformed, Reading, Source, Tensor, TooMuch, Unsupported
from mediatypes.files.telling import Telling
from mediatypes.files.weights import checked_name, count_tensors, elements, weigh
from mediatypes.files.zips import BEGIN as ZIP
from mediatypes.files.zips import Zip
from mediatypes.record import Provenance

MAGIC: Final = b"\x93NUMPY"
_HEADER: Final = 64 << 10  # bytes of a header; NumPy itself reads 10,000
_PYTHON_2: Final = re.compile(r"(\d)L\b")


@dataclass(frozen=True, slots=True)
class Header:
    """What an array's header says; `begin` is where its bytes begin, `itemsize` the bytes of one element (of objects 0)."""

    dtype: str
    itemsize: int
    shape: tuple[int, ...]
    begin: int

    @property
    def has_objects(self) -> bool:
        """Whether a pickle stands in the place of the elements."""
        return self.dtype == "object"


class NpyReader:
    """Reads the headers of .npy files."""

    name = "npy"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether a file begins as .npy files do."""
        return head.startswith(MAGIC)

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return the array as a tensor without a name. Raise Unreadable."""
        reading = Reading("npy")
        telling = Telling(path, Provenance.HEADER, reading.facts)
        telling.tell("format", "npy")
        header = header_of(source.read(0, min(source.size, _HEADER)))
        _add(reading, "", header, 0, source, limits)
        weigh(telling, reading.tensors)
        return reading


class NpzReader:
    """Reads the headers of the .npy files of .npz archives."""

    name = "npz"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether a file is a zip archive that is named .npz, or whose first entry is an .npy file."""
        name = head[30 : 30 + int.from_bytes(head[26:28], "little")]
        return head.startswith(ZIP) and (path.lower().endswith(".npz") or name.endswith(b".npy"))

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return the arrays as tensors, by their names in the archive. Raise Unreadable."""
        archive = Zip(source, limits)
        arrays = [name for name in archive.entries if name.endswith(".npy")]
        count_tensors(len(arrays), limits)
        reading = Reading("npz")
        telling = Telling(path, Provenance.HEADER, reading.facts)
        telling.tell("format", "npz")
        for name in arrays:
            if archive.is_stored(name):
                entry = archive.opened(name)
                place = archive.place(name)
                # Most headers have 128 bytes.
                header = header_of(entry.read(0, min(entry.size, 256)), entry)
                _add(reading, name[:-4], header, place, entry, limits)
            else:
                header = header_of(archive.begin(name, _HEADER))
                entry_if_pickled = archive.opened(name) if header.has_objects else None
                _add(reading, name[:-4], header, None, entry_if_pickled, limits)
        weigh(telling, reading.tensors)
        return reading


def _add(reading: Reading, name: str, header: Header, place: int | None, entry: Source | None, limits: Limits) -> None:
    """Add an array whose file begins at `place`, and what its pickle imports where it holds objects."""
    shape, count = elements(name, header.shape)
    size = count * header.itemsize
    if header.has_objects:
        assert entry is not None
        pickled = Pickled(entry, limits, f"the array {name!r:.80}" if name else "the array", header.begin)
        pickled.read_each(1)
        size = pickled.position - header.begin
        reading.findings += pickled.findings
    elif entry is not None and header.begin + size > entry.size:
        raise Malformed(f"ends within the array {name!r:.80}")
    offset = None if place is None else place + header.begin
    reading.tensors.append(Tensor(checked_name(name), header.dtype, shape, offset, size))


def header_of(content: bytes, rest: Source | None = None) -> Header:
    """Return what a header says. Where `content` is shorter than it, the rest is read from the file that it begins."""
    if len(content) < 12 or not content.startswith(MAGIC):
        raise Malformed("has no header of an .npy file")
    major = content[6]
    if major not in (1, 2, 3):
        raise Unsupported(f"is of version {major} of .npy, and 1 to 3 are known")
    begin = 10 if major == 1 else 12
    length = int.from_bytes(content[8:begin], "little")
    if length > _HEADER - begin:
        raise TooMuch(f"has an array's header of {length} bytes")
    if len(content) < begin + length:
        if rest is None:
            raise Malformed("ends within an array's header")
        content = rest.read(0, begin + length)
    try:
        text = content[begin : begin + length].decode("latin-1" if major < 3 else "utf-8")
        told = ast.literal_eval(_PYTHON_2.sub(r"\1", text).strip())
        descr, shape = told["descr"], tuple(told["shape"])
    except (ValueError, SyntaxError, TypeError, LookupError, RecursionError, MemoryError) as error:
        raise Malformed(f"has an array's header that is none: {error!s:.100}") from error
    dtype, itemsize = dtype_of(descr)
    return Header(dtype, itemsize, shape, begin + length)


def dtype_of(descr: Any, depth: int = 8) -> tuple[str, int]:
    """Return the word and the bytes of one element of NumPy's description of a type, which is a string or lists fields."""
    if isinstance(descr, str):
        known = of_numpy(descr)
        if known is None:
            raise Unsupported(f"has an array of the type {descr!r:.40}, which is unknown")
        return known
    if not isinstance(descr, list) or not descr or depth == 0:
        raise Malformed(f"has an array of no type: {descr!r:.40}")
    total = 0
    has_objects = False
    for field in descr:
        if not isinstance(field, tuple) or not 2 <= len(field) <= 3:
            raise Malformed(f"has an array whose field is none: {field!r:.40}")
        dtype, size = dtype_of(field[1], depth - 1)
        has_objects = has_objects or dtype == "object"
        extents = field[2] if len(field) == 3 else ()
        total += size * elements("", extents if isinstance(extents, tuple) else (extents,))[1]
    return ("object", 0) if has_objects else ("struct", total)
