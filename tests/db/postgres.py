"""An embedded PostgreSQL with something in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from registry.db.binaries import binaries, initialise, installations, run
from registry.db.embedded import EmbeddedPostgres
from tests.prepared import clone, with_schema

OLDEST: Final = min(installations())
NEWEST: Final = max(installations())


def sql(server: EmbeddedPostgres, statement: str) -> str:
    """Return what psql prints."""
    psql = binaries(NEWEST) / "psql"
    return run([psql, "-XqAt", "--set=ON_ERROR_STOP=1", f"--dbname={server.url}"], said=statement).strip()


@contextmanager
def running(server: EmbeddedPostgres) -> Iterator[EmbeddedPostgres]:
    """Let a PostgreSQL run as long as the block does."""
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Prepared:
    """Database directories of servers that have ended, each made when a copy of it is first asked for."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def copy(self, directory: Path, major: int = NEWEST) -> Path:
        """Make a directory as `initialise` does."""
        return clone(self._empty(major), directory)

    def filled(self, directory: Path, major: int = NEWEST) -> Path:
        """Make a directory in which `fill` was done."""
        original = self._place / f"filled-{major}"
        if not original.exists():
            with running(EmbeddedPostgres(self.copy(original, major))) as server:
                fill(server)
        return clone(original, directory)

    def migrated(self, directory: Path) -> Path:
        """Make a directory with the schema of this version. What is written into it need not outlive the machine."""
        original = self._place / "migrated"
        if not original.exists():
            with running(EmbeddedPostgres(clone(with_schema(), original))) as server:
                sql(server, "ALTER SYSTEM SET wal_keep_size = '128MB'")  # for a replica that begins with another copy
                # Reads of what is not frozen write hints into the log, which a replica has to follow.
                sql(server, "VACUUM FREEZE")
        return clone(original, directory)

    def _empty(self, major: int) -> Path:
        original = self._place / f"empty-{major}"
        if not original.exists():
            initialise(original, major)
        return original


def fill(server: EmbeddedPostgres) -> None:
    """Make a table of 500 rows of many types, with a sequence."""
    sql(
        server,
        """
        CREATE TABLE things (id bigserial PRIMARY KEY, name text COLLATE "C" NOT NULL UNIQUE, body bytea, meta jsonb);
        INSERT INTO things (name, body, meta)
        SELECT 'thing ü ' || n, decode(repeat(md5(n::text), 40), 'hex'), jsonb_build_object('n', n)
          FROM generate_series(1, 500) AS n;
        """,
    )


def committed(server: EmbeddedPostgres) -> str:
    """Return the number and a hash of the rows that `fill` has made."""
    return sql(server, "SELECT count(*), md5(string_agg(t::text, '' ORDER BY id)) FROM things t")
