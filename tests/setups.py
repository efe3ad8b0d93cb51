"""On which servers, and through which doors, tests are tried.

Files of tests that share running servers are tried on all of them. A file that starts servers of its own is tried on one of
the setups, in such a way that each has its share of the files; `make soak` tries every file on all.
"""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Sequence
from typing import Final, TypeVar

T = TypeVar("T")

SERVERS: Final = ("granian", "hypercorn")
DOORS: Final = ("lane", "quart")
SETUPS: Final = (
    (("granian", "lane"), ("hypercorn", "quart"))
    if sys.version_info < (3, 13)
    else (("granian", "quart"), ("hypercorn", "lane"))
)
"""Both servers and both doors; which door goes with which server is another on the newest Python."""

_ALL: Final = "ALL_SETUPS" in os.environ


def share(setups: Sequence[T], file: str) -> Sequence[T]:
    """Return the setups on which a file of tests is tried, which is named as its `__name__` is."""
    return setups if _ALL else [setups[zlib.crc32(file.encode()) % len(setups)]]


def as_settings(server: str, door: str) -> dict[str, str]:
    """Return the settings of a server and a door."""
    return {"server": server, "fast_lane": str(door == "lane").lower()}
