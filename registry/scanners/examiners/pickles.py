"""What files of models would import, call or run when they are loaded, by the readers that describe artifacts.

Nothing is ever unpickled.
"""

from __future__ import annotations

from typing import Final

from mediatypes.files.pickled import PickleReader
from mediatypes.files.readers import reader_of
from mediatypes.files.reading import HEAD, Limits, Source, Unreadable
from registry.scanners.base import Examination, Severity

_SEVERITIES: Final[dict[str, Severity]] = {"suspicious": "medium", "dangerous": "critical"}
_OF_CODE: Final = frozenset(("pickle", "pytorch", "hdf5", "npy", "npz", "savedmodel", "keras"))
"""Readers of files whose loading may run code."""
_PICKLE: Final = PickleReader()
_PROTOCOLS: Final = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def examine(path: str, source: Source, limits: Limits, says: Examination) -> bool:
    """Examine a file (see Examiner)."""
    head = source.read(0, min(HEAD, source.size))
    reader = reader_of(path, head)
    if reader is None and head.startswith(_PROTOCOLS):  # whatever it is called, somebody may load it
        reader = _PICKLE
    if reader is None:
        return False
    try:
        reading = reader.read(path, source, limits)
    except Unreadable as error:
        if reader.name in _OF_CODE:
            says.find(
                "medium", "unreadable", f"the file could run code when it is loaded, and can't be read: it {error}"
            )
        return False
    for one in reading.findings:
        says.find(_SEVERITIES[one.level], one.rule, one.message)
    return reader.name == "pytorch"
