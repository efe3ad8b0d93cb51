"""A data directory that somebody has started a server on before: a start on a copy of it takes half of the time.

It is made once in each process of a run. What a first start does is tried on directories that weren't there.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from registry.db import migrate
from registry.db.embedded import EmbeddedPostgres
from tests.cluster import Cluster

_OF_A_START: Final = ("run", "lock", "postgres.log", "socket-directory")  # each makes its own


def directory() -> Path:
    """Return a new directory that is removed when this process ends."""
    made = Path(tempfile.mkdtemp(prefix="blacklake-prepared-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def clone(template: Path, to: Path) -> Path:
    """Make `to` a copy of the data directory, or of a part of it, of a server that has ended; return it."""
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return shutil.copytree(template, to, symlinks=True, ignore=shutil.ignore_patterns(*_OF_A_START))


def clone_schema(data: Path) -> None:
    """Make a data directory with an embedded PostgreSQL that has the schema, and nothing in it."""
    clone(with_schema(), data / "postgres")


@cache
def with_schema() -> Path:
    """Return the directory of a PostgreSQL that has ended, with the schema, and nothing in it."""
    server = EmbeddedPostgres(directory() / "postgres")
    server.start()
    try:
        migrate.upgrade(server.url)
        Cluster(server.url).execute("ALTER SYSTEM SET fsync = off")  # its data needn't outlive a crash of the machine
    finally:
        server.stop()
    return server.directory
