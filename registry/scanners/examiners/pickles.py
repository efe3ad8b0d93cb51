"""What files of models would import, call or run when they are loaded, by the readers that describe artifacts.

Nothing is ever unpickled.
"""

from __future__ import annotations

from typing import Final

from mediatypes.files.readers import reader_of
from mediatypes.files.reading import HEAD, Finding, Limits, Source, Unreadable
from registry.scanners.base import Examination, Severity
from registry.scanners.examiners.loaded import begins_as_pickle, findings_of, unreadable

_SEVERITIES: Final[dict[str, Severity]] = {"suspicious": "medium", "dangerous": "critical"}
_OF_CODE: Final = frozenset(("pickle", "pytorch", "hdf5", "npy", "npz", "savedmodel", "keras"))
"""Readers of files whose loading may run code."""

_OF_PICKLES: Final = ("pickle", "pytorch-legacy")
"""Readers that would tell no more of a file that begins as pickles do than `findings_of` does."""


def examine(path: str, source: Source, limits: Limits, says: Examination) -> bool:
    """Examine a file (see Examiner): as what it says it is, and as the pickle that its users may take it for."""
    found: dict[Finding, None] = {}
    try:
        for one in findings_of(path, source, limits):
            found.setdefault(one)
    except Unreadable as error:
        found.setdefault(unreadable(error))
    reader = reader_of(path, source.read(0, min(HEAD, source.size)))
    is_whole = False
    if reader is not None and not (reader.name in _OF_PICKLES and begins_as_pickle(source)):
        try:
            found |= dict.fromkeys(reader.read(path, source, limits).findings)
            is_whole = reader.name == "pytorch"
        except Unreadable as error:
            if reader.name in _OF_CODE:
                found.setdefault(unreadable(error))
    for one in found:
        says.find(_SEVERITIES[one.level], one.rule, one.message)
    return is_whole
