"""The pickles in a file, whatever the file says it is.

Those of the protocols 0 and 1 have no header by which they could be recognised: a file is a candidate by its name, by which its
users load it, and the opcodes decide. Who loads a pickle does all that comes before the first byte that is no opcode.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from mediatypes.files.opcodes import Skipped, opcodes
from mediatypes.files.pickled import Pickled
from mediatypes.files.ranged import Cursor
from mediatypes.files.reading import Finding, Limits, Malformed, Source, TooMuch
from mediatypes.files.zips import BEGIN as ZIP

_PROTOCOLS: Final = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_NAMES: Final = (
    *(".bin", ".pt", ".pth", ".ckpt", ".ptl", ".pkl", ".pickle", ".pck", ".p", ".joblib", ".dill", ".sav"),
    *(".dat", ".data", ".model"),
)
_NAMING: Final = ("GLOBAL", "INST")
_IMPORTING: Final = (*_NAMING, "STACK_GLOBAL", "EXT1", "EXT2", "EXT4")
_IMPORTED: Final = re.compile(r"[\w\-]+(?:\.[\w\-]+)*")  # modules and their members: no other name can be imported
_MOST: Final = 1000  # pickles of one file


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
    begin = 0 if begins_as_pickle(source) else _next(source, limits, 0)
    for _ in range(_MOST):
        if begin is None:
            return
        pickled = Pickled(source, limits, "the pickle", begin)
        try:
            roots = pickled.read_each(1)
        except Malformed:
            if begin == 0 and begins_as_pickle(source):
                raise
            return  # nobody can load it, and nothing is imported before that shows
        yield from pickled.findings
        begin = _next(source, limits, pickled.position) if roots else None
    raise TooMuch(f"has more than {_MOST} pickles behind one another")


def _is_candidate(path: str, source: Source) -> bool:
    if begins_as_pickle(source):
        return True
    return path.lower().endswith(_NAMES) and source.read(0, min(len(ZIP), source.size)) != ZIP


def _next(source: Source, limits: Limits, start: int) -> int | None:
    """Return where the next pickle begins that would import something; None where none can be loaded. Raise TooMuch."""
    cursor = Cursor(source, limits.header, start)
    try:
        while cursor.remaining:
            begin = cursor.position
            for name, argument in opcodes(cursor):
                if name in _NAMING and not _can_be_imported(argument):
                    return None
                if name in _IMPORTING:
                    return begin
    except Malformed:
        pass
    return None


def _can_be_imported(argument: Any) -> bool:
    return isinstance(argument, Skipped) or all(_IMPORTED.fullmatch(one) for one in argument)
