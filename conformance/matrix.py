"""The setups in which the official suite runs: every door on every server on every Python, on both storage drivers."""

from __future__ import annotations

from itertools import product
from typing import Final

from conformance.server import NEWEST_PYTHON, THIS_PYTHON, Door, HttpServer, Setup

_DOORS: Final[tuple[Door, ...]] = ("lane", "quart")
_SERVERS: Final[tuple[HttpServer, ...]] = ("granian", "hypercorn")


def setups(pythons: tuple[str, ...] = (THIS_PYTHON, NEWEST_PYTHON), *, turned: bool = False) -> list[Setup]:
    """Return the full product of door, server and Python, half of it on files and half in memory.

    The storage alternates so that every three choices of the four meet once. `turned` gives each setup the other storage:
    a run of both lists is the full product of all four.
    """
    found = []
    for door, server, python in product(_DOORS, _SERVERS, dict.fromkeys(pythons)):
        odd = (door == "quart") ^ (server == "hypercorn") ^ (python != pythons[0]) ^ turned
        found.append(Setup(door, server, python, "memory" if odd else "file"))
    return found
