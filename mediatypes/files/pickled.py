"""Pickles of anything, and joblib's, which puts arrays as they are behind the opcodes that name them (joblib.numpy_pickle)."""

from __future__ import annotations

import bz2
import contextlib
import lzma
import zlib
from collections.abc import Callable
from typing import Any, Final

from mediatypes.files.estimators import tell_estimator
from mediatypes.files.judgement import dangerous, judged
from mediatypes.files.opcodes import Skipped
from mediatypes.files.pickles import Built, Global, Imports, Instance, Machine
from mediatypes.files.ranged import Cursor, InMemory
from mediatypes.files.reading import (
    Finding,
    Limits,
    Malformed,
    Reading,
    Source,
    Tensor,
    TooMuch,
    Unreadable,
    Unsupported,
)
from mediatypes.files.symbols import Array, attributes, dtype_of, name_of, walk
from mediatypes.files.telling import Telling
from mediatypes.files.weights import checked_name, count_tensors, elements, weigh
from mediatypes.record import Provenance

_NAMES: Final = (".pkl", ".pickle", ".joblib", ".sav", ".p", ".pck", ".dat", ".pt", ".pth", ".bin", ".ckpt", ".model")
_PROTOCOL_0: Final = (".pkl", ".pickle", ".pck")
_COMPRESSED: Final = (".gz", ".z", ".bz2", ".xz", ".lzma", ".lz4")
_WRAPPER: Final = Global("joblib.numpy_pickle", "NumpyArrayWrapper")
_FOLLOWING: Final = 100  # pickles of one file

_Decompressor = Callable[[bytes, int], bytes]
_DECOMPRESSORS: Final[dict[bytes, _Decompressor]] = {
    b"\x1f\x8b": lambda content, most: zlib.decompressobj(31).decompress(content, most),
    b"\x78": lambda content, most: zlib.decompressobj().decompress(content, most),
    b"BZh": lambda content, most: bz2.BZ2Decompressor().decompress(content, most),
    b"\xfd7zXZ\x00": lambda content, most: lzma.LZMADecompressor().decompress(content, most),
    b"\x5d\x00\x00": lambda content, most: lzma.LZMADecompressor().decompress(content, most),
}
"""By how what they compressed begins (joblib.compressor)."""
_LZ4: Final = b"\x04\x22\x4d\x18"


class PickleReader:
    """Reads pickles without loading them."""

    name = "pickle"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether a file begins as pickles of the protocols 2 to 5 do, or is named as pickles are and could be one."""
        name = path.lower()
        bare = name
        for ending in _COMPRESSED:
            bare = bare.removesuffix(ending)
        if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
            return head[2:3] == b"\x95" or bare.endswith(_NAMES)
        if bare.endswith(_PROTOCOL_0):
            return not head.startswith((b"PK\x03\x04", b"\x93NUMPY"))
        return bare.endswith(".joblib") and _decompressor(head) is not None

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return the arrays, the class of what is pickled, and what loading it would import. Raise Unreadable."""
        head = source.read(0, min(16, source.size))
        decompress = None if head.startswith(b"\x80") else _decompressor(head)
        if decompress is not None:
            opened: Source = _decompressed(source, decompress, limits)
            offsets = False
        else:
            opened, offsets = source, True
        pickled = Pickled(opened, limits, "the pickle")
        root = pickled.read()
        is_joblib = pickled.arrays or path.lower().split(".")[-1] == "joblib" or ".joblib." in path.lower()
        reading = Reading("joblib" if is_joblib else "pickle")
        reading.findings = pickled.findings
        telling = Telling(path, Provenance.HEADER, reading.facts)
        telling.tell("format", reading.format)
        for names, array in walk(root, limits):
            if isinstance(array, Array):
                _add(reading, name_of(names), array, limits, has_offset=offsets)
        tell_estimator(reading, telling, root)
        weigh(telling, reading.tensors)
        return reading


class Pickled:
    """A file's pickles from byte `start` on: the symbol of the first, and what is to be known of all."""

    def __init__(self, source: Source, limits: Limits, where: str, start: int = 0) -> None:
        self._cursor = Cursor(source, limits.header, start)
        self._limits = limits
        self._where = where
        self._depth = 0
        self._imports = Imports()
        self._unread: Unreadable | None = None
        self._is_plain = True  # so far joblib and pickle read the same opcodes
        self.arrays = 0
        """How many arrays joblib placed behind opcodes."""

    @property
    def position(self) -> int:
        """Where in the file the last pickle that was read ends."""
        return self._cursor.position

    def read(self) -> Any:
        """Return the first pickle's symbol, None where that is broken but imports something. Raise Unreadable else."""
        roots = self.read_each(_FOLLOWING)
        return roots[0] if roots else None

    def read_each(self, most: int) -> list[Any]:
        """Return the symbols of the pickles that follow one another, of a broken one and those behind it none.

        Raise Unreadable where the first is broken and would import nothing.
        """
        roots: list[Any] = []
        try:
            while len(roots) < most and (not roots or self._follows()):
                roots.append(self._machine().run())
        except Unreadable as error:
            # What comes before the fault would be done, whoever loads it.
            if not roots and not self._imports.globals:
                raise
            self._unread = error
        return roots

    def _follows(self) -> bool:
        """Say whether the next byte begins another pickle."""
        return self._cursor.remaining > 1 and self._cursor.peek() == 0x80

    @property
    def findings(self) -> list[Finding]:
        """What whoever loads the file should know."""
        found = judged(self._imports, self._where)
        if self._unread is not None:
            message = f"{self._where} is not known up to its end: the file {self._unread}"
            found.append(Finding("suspicious", "pickle-unread", message))
        return found

    def _machine(self) -> Machine:
        built: Built = self._built
        return Machine(self._cursor, self._limits, self._imports, built)

    def _built(self, machine: Machine, instance: Instance) -> None:
        """Pass over an array that lies behind the opcode which has just built its wrapper."""
        if instance.made_by != _WRAPPER:
            return
        cursor = machine.cursor
        said = attributes(instance)
        known, shape = dtype_of(said.get("dtype")), said.get("shape")
        if known is None or not isinstance(shape, tuple):
            raise Malformed(f"has an array of joblib without a type and a shape before byte {cursor.position}")
        self.arrays += 1
        count_tensors(self.arrays, self._limits)
        if known[0] == "object":
            self._depth += 1
            if self._depth > self._limits.depth // 2:
                raise TooMuch("has arrays of objects that hold arrays of objects")
            instance.elements = [self._machine().run()]
            self._depth -= 1
            return
        self._read_as_opcodes(machine)
        if said.get("numpy_array_alignment_bytes") is not None:
            cursor.skip(cursor.take(1)[0])
        instance.made_by = Global("numpy._core.numeric", "_frombuffer")
        size = elements("", shape)[1] * known[1]
        instance.args = (Skipped(size, cursor.position), said["dtype"], shape, "C")
        cursor.skip(size)

    def _read_as_opcodes(self, machine: Machine) -> None:
        """Note what is dangerous in the first array for whoever loads the file by pickle, which takes its bytes for opcodes.

        Most arrays are nonsense as opcodes: what else they seem to import says nothing.
        """
        if self._is_plain:
            self._is_plain = False
            imports = Imports()
            start = machine.cursor.position
            with contextlib.suppress(Unreadable):
                machine.fork(Cursor(machine.cursor.source, self._limits.header, start), imports).run()
            for found in dangerous(imports):
                self._imports.add(found)


def _decompressor(head: bytes) -> _Decompressor | None:
    if head.startswith(_LZ4):
        return _refuse_lz4
    return next((decompress for begin, decompress in _DECOMPRESSORS.items() if head.startswith(begin)), None)


def _refuse_lz4(_content: bytes, _most: int) -> bytes:
    raise Unsupported("is compressed by lz4, which isn't read")


def _decompressed(source: Source, decompress: _Decompressor, limits: Limits) -> InMemory:
    """Return what a file that is compressed as a whole becomes. Raise Unreadable."""
    if source.size > limits.buffered:
        raise TooMuch(f"is compressed as a whole and has more than {limits.buffered} bytes")
    most = min(limits.buffered, max(1 << 20, source.size * limits.ratio))
    try:
        content = decompress(source.read(0, source.size), most + 1)
    except (zlib.error, lzma.LZMAError, EOFError, OSError) as error:
        raise Malformed(f"is no sound compressed file: {error}") from error
    if len(content) > most:
        raise TooMuch(f"becomes more than {most} bytes when it is decompressed")
    return InMemory(content)


def _add(reading: Reading, name: str, array: Array, limits: Limits, *, has_offset: bool) -> None:
    shape, count = elements(name, array.shape)
    size = count * array.itemsize
    count_tensors(len(reading.tensors), limits)
    offset = array.position if has_offset else None
    reading.tensors.append(Tensor(checked_name(name), array.dtype, shape, offset, size))
