"""The setups in which the official suite runs: every door on every server on every Python, on both storage drivers.

And clusters, in which two nodes of either kind take turns on each S3 server, with every setting of redirects.
"""

from __future__ import annotations

from itertools import product
from typing import Final, get_args

from conformance.cluster import ClusterSetup, Redirect, S3Name
from conformance.server import NEWEST_PYTHON, THIS_PYTHON, Auth, Door, HttpServer, Setup

_DOORS: Final[tuple[Door, ...]] = ("lane", "quart")
_SERVERS: Final[tuple[HttpServer, ...]] = ("granian", "hypercorn")
_S3_SERVERS: Final[tuple[S3Name, ...]] = get_args(S3Name)
_AUTHS: Final[tuple[Auth, ...]] = ("token", "open")
_REDIRECTS: Final[tuple[Redirect, ...]] = ("auto", "never", "always")

_PAIRWISE: Final = (
    (0, 0, 0, 0, 0),
    (1, 0, 1, 1, 1),
    (0, 1, 0, 1, 1),
    (1, 1, 1, 0, 0),
    (0, 2, 1, 0, 1),
    (1, 2, 0, 1, 0),
)
"""Six rows in which every two columns hold every two values; the second has three. A sixth column can only repeat one: `auth`
goes with Python, which has least to do with it, and meets all the others so."""


def setups(pythons: tuple[str, ...] = (THIS_PYTHON, NEWEST_PYTHON), *, turned: bool = False) -> list[Setup]:
    """Return the full product of door, server and Python, half of it on files and half in memory.

    The storage alternates so that every three choices of the four meet once. `turned` gives each setup the other storage:
    a run of both lists is the full product of all four. Half of each list asks who clients are; every two choices meet with
    that and without, those of a storage in the two lists together.
    """
    found = []
    for door, server, python in product(_DOORS, _SERVERS, dict.fromkeys(pythons)):
        odd = (door == "quart") ^ (server == "hypercorn") ^ (python != pythons[0])
        found.append(Setup(door, server, python, "memory" if odd ^ turned else "file", "open" if odd else "token"))
    return found


def clusters(pythons: tuple[str, ...] = (THIS_PYTHON, NEWEST_PYTHON)) -> list[ClusterSetup]:
    """Return clusters in which every two choices of S3 server, redirects, door, server and Python meet, half with tokens."""
    rows = [
        ClusterSetup(_S3_SERVERS[a], _REDIRECTS[b], _DOORS[c], _SERVERS[d], pythons[e], _AUTHS[e])
        for a, b, c, d, e in _PAIRWISE
    ]
    return list(dict.fromkeys(rows))
