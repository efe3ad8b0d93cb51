"""An embedded PostgreSQL with something in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from registry.db.binaries import binaries, installations, run
from registry.db.embedded import EmbeddedPostgres

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
