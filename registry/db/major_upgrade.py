"""The move of the embedded database to a newer major version of PostgreSQL."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from registry.datadir import DataDirectory
from registry.db.binaries import EmbeddedPostgresFailed, binaries, initialise, installations, run, spawn, sync_directory
from registry.db.embedded import EmbeddedPostgres, beside, finish_switch, major_of


def migrate_postgres(data: DataDirectory, *, say: Callable[[str], None]) -> Path:
    """Move the database of an acquired data directory to the newest embedded version; `say` gets one line for each step.

    The database is copied into a new directory by dump and restore, compared there (schema, and for each table the number
    and the hash of its rows), and only then takes the old one's place. Interrupted at any point, the next start serves the
    old or the new one, complete.

    Returns the directory in which the old version is kept, or the database directory itself when it is of the newest
    version. Raises EmbeddedPostgresFailed.
    """
    directory = data.postgres
    try:
        kept = finish_switch(directory)
        if not (directory / "PG_VERSION").exists():
            raise EmbeddedPostgresFailed(f"there is no embedded database in {directory}; nothing to migrate")
        old, newest = major_of(directory), max(installations())
        if old >= newest:
            say(f"{directory} is of PostgreSQL {old}, the newest version embedded")
        else:
            say(f"{directory} is of PostgreSQL {old}; moving it to PostgreSQL {newest}")
            _copy_checked(data, newest, say)
            kept = finish_switch(directory)
            say(f"done; what was changed in postgresql.conf is not taken over, the old directory is kept in {kept}")
    except OSError as error:
        raise EmbeddedPostgresFailed(
            f"the migration of {directory} stopped: {error}; when that is mended, migrate again, nothing is lost"
        ) from error
    finally:
        shutil.rmtree(beside(directory, "migrating"), ignore_errors=True)
    return kept or directory


def _copy_checked(data: DataDirectory, newest: int, say: Callable[[str], None]) -> None:
    """Make `postgres.migrated` beside the directory: the same database in the newest version, compared with it."""
    directory = data.postgres
    copy = beside(directory, "migrating")
    shutil.rmtree(copy, ignore_errors=True)
    initialise(copy, newest, lock_fd=data.lock_fd)
    source = EmbeddedPostgres(directory, lock_fd=data.lock_fd)
    target = EmbeddedPostgres(copy, lock_fd=data.lock_fd)
    with contextlib.ExitStack() as running:
        for server in (source, target):
            running.callback(server.stop)
            server.start()
            data.record("postgres", server.pid)
        say("copying the database")
        _dump_and_restore(source, target, binaries(newest))
        say("comparing the copy")
        before, after = (_contents(server, binaries(newest)) for server in (source, target))
        if before != after:
            differing = "\n".join(sorted(set(before) ^ set(after))[:10])
            raise EmbeddedPostgresFailed(f"the copy differs from {directory}, which stays in use:\n{differing}")
        say(f"the copy is equal in {len(before)} lines of schema and contents")
    if target.poll() != 0:
        raise EmbeddedPostgresFailed(
            f"the new PostgreSQL on {copy} did not shut down in order; {directory} stays in use"
        )
    copy.rename(beside(directory, "migrated"))
    sync_directory(directory.parent)


def _dump_and_restore(source: EmbeddedPostgres, target: EmbeddedPostgres, tools: Path) -> None:
    with tempfile.TemporaryFile() as errors:
        dump = spawn(
            [tools / "pg_dump", "--format=custom", "--compress=0", f"--dbname={source.url}"],
            farewell=signal.SIGKILL,
            lock_fd=None,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        try:
            with dump:
                run([tools / "pg_restore", "--exit-on-error", f"--dbname={target.url}"], source=dump.stdout)
        finally:
            if dump.returncode > 0:  # Then this is the cause of pg_restore's complaint, if it has one.
                errors.seek(0)
                complaint = errors.read().decode(errors="replace").strip()[-2000:]
                raise EmbeddedPostgresFailed(f"pg_dump failed: {complaint}")
    run([tools / "psql", "-X", "--command=ANALYZE", f"--dbname={target.url}"])


# One line for each table and sequence. The sum of the rows' hashes doesn't depend on their order.
_CONTENTS: Final = r"""
SET timezone = 'UTC';
SELECT format('SELECT %L, count(*), sum(hashtextextended(t::text, 0)::numeric) FROM %I.%I t',
              schemaname || '.' || tablename, schemaname, tablename)
  FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1 \gexec
SELECT format('SELECT %L, last_value, is_called FROM %I.%I', schemaname || '.' || sequencename, schemaname, sequencename)
  FROM pg_sequences ORDER BY 1 \gexec
"""


def _contents(server: EmbeddedPostgres, tools: Path) -> list[str]:
    """Return the schema and a summary of what each table holds, as lines that are equal for equal databases."""
    schema = run([tools / "pg_dump", "--schema-only", f"--dbname={server.url}"]).splitlines()
    # Comments name the server's version, and \restrict a random word.
    lines = [line for line in schema if line and not line.startswith(("--", "\\"))]
    return (
        lines
        + run([tools / "psql", "-XqAt", "--set=ON_ERROR_STOP=1", f"--dbname={server.url}"], said=_CONTENTS).splitlines()
    )
