"""The parts of an artifact that schemas speak of."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

APPLIES_TO: Final = "x-applies-to"
"""The keyword, at the top of a schema, that says of which one it speaks."""

LARGEST_DOCUMENT: Final = 256 << 10
"""Bytes of a document that is judged, as JSON."""


class AppliesTo(StrEnum):
    """What a schema speaks of."""

    ANNOTATIONS = "annotations"
    CONFIG = "config"
    RECORD = "record"
