"""The pickles in a file, whatever the file says it is.

Those of the protocols 0 and 1 have no header by which they could be recognised: a file is a candidate by its name, by which its
users load it, and the opcodes decide. Who loads a pickle does all that comes before the first byte that is no opcode.
Unpicklers differ in what else they refuse, so that nothing else ends one here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from mediatypes.files.opcodes import Skipped, opcodes
from mediatypes.files.pickled import Pickled
from mediatypes.files.ranged import Cursor
from mediatypes.files.reading import Finding, Limits, Malformed, Source, TooMuch, Unreadable
from mediatypes.files.zips import BEGIN as ZIP

_PROTOCOLS: Final = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_NAMES: Final = (
    *(".bin", ".pt", ".pth", ".ckpt", ".ptl", ".pkl", ".pickle", ".pck", ".p", ".joblib", ".dill", ".sav"),
    *(".dat", ".data", ".model"),
)
_NAMING: Final = ("GLOBAL", "INST")
_IMPORTING: Final = (*_NAMING, "EXT1", "EXT2", "EXT4")
_TEXTS: Final = (
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("GET", "BINGET", "LONG_BINGET"),
)
"""Opcodes that may give STACK_GLOBAL its texts, without any import before."""
_CALLING: Final = ("REDUCE", "NEWOBJ", "NEWOBJ_EX", "OBJ", "BUILD")
_USUAL: Final = re.compile(r"[\w\-]+(?:\.[\w\-]+)*")  # names of modules and of their members
_MOST: Final = 1000  # pickles of one file


class _Importing(NamedTuple):
    """A pickle that would import something: where it begins, and up to where unusual names are known for imports."""

    begin: int
    known: int


def begins_as_pickle(source: Source) -> bool:
    """Say whether a file begins as pickles of the protocols 2 to 5 do."""
    return source.read(0, min(2, source.size)) in _PROTOCOLS


def is_pickle(path: str, source: Source, limits: Limits) -> bool:
    """Say whether a file would import something as a pickle, where its users load it as one. Raise TooMuch."""
    return _is_candidate(path, source) and _next(source, limits, 0) is not None


def findings_of(path: str, source: Source, limits: Limits) -> Iterator[Finding]:
    """Yield what is to be known of the pickles in a file, where its users load it as such. Raise Unreadable."""
    if not _is_candidate(path, source):
        return
    has_header = begins_as_pickle(source)
    importing = _Importing(0, 0) if has_header else _next(source, limits, 0)
    for _ in range(_MOST):
        if importing is None:
            return
        pickled = Pickled(source, limits, "the pickle", importing.begin)
        try:
            pickled.read_each(1)
        except Malformed as error:  # it names nothing: it is none where it has no header either
            if has_header and importing.begin == 0:
                yield unreadable(error)
        else:
            yield from pickled.findings
        importing = _next(source, limits, pickled.position, importing.known)
    raise TooMuch(f"has more than {_MOST} pickles behind one another")


def unreadable(error: Unreadable) -> Finding:
    """Return the finding that a file can't be read."""
    message = f"the file could run code when it is loaded, and can't be read: it {error}"
    return Finding("suspicious", "unreadable", message)


def _is_candidate(path: str, source: Source) -> bool:
    if begins_as_pickle(source):
        return True
    return path.lower().endswith(_NAMES) and source.read(0, min(len(ZIP), source.size)) != ZIP


def _next(source: Source, limits: Limits, start: int, known: int = 0) -> _Importing | None:
    """Return the next pickle from `start` on that would import something; None where there is none. Raise TooMuch.

    Raw data and texts may begin as an import of an unusual name does. Some modules have members of any name: such an import
    counts before the byte `known`, and where something is imported by a usual name, or called, behind it.
    """
    cursor = Cursor(source, limits.header, start)
    unusual: int | None = None  # where the first pickle begins that has such a name
    texts = marked = False
    try:
        while cursor.remaining:
            begin = cursor.position
            for name, argument in opcodes(cursor):
                texts = texts or name in _TEXTS
                marked = marked or name == "MARK"
                if name in _NAMING and not _is_usual(argument):
                    unusual = begin if unusual is None else unusual
                    is_hit = cursor.position <= known or (name == "INST" and marked)
                elif name == "STACK_GLOBAL":
                    is_hit = texts
                else:
                    is_hit = name in _IMPORTING or (unusual is not None and name in _CALLING)
                if is_hit:
                    return _Importing(begin if unusual is None else unusual, max(known, cursor.position))
    except Malformed:
        pass
    return None


def _is_usual(argument: Any) -> bool:
    return not isinstance(argument, Skipped) and all(_USUAL.fullmatch(one) for one in argument)
