"""Which licence a licence file is."""

from __future__ import annotations

from typing import Final

from mediatypes.files.licenses import License
from mediatypes.files.reading import HEAD, Limits, Source
from registry.scanners.base import Examination

_READER: Final = License()


def examine(path: str, source: Source, limits: Limits, says: Examination) -> bool:
    """Tell a licence file's {"title", "license"} (see Examiner). Raise Unreadable."""
    if _READER.recognises(path, source.read(0, min(HEAD, source.size))):
        says.tell(_READER.read(path, source, limits).raw)
    return False
