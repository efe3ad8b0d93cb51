"""A database of an older major version moves to the newest one, complete, or stays as it is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.config import Settings
from registry.datadir import DataDirectory
from registry.db.embedded import EmbeddedPostgres, EmbeddedPostgresFailed
from registry.db.major_upgrade import migrate_postgres
from registry.upkeep import UpkeepFailed, move_postgres
from tests.db.postgres import NEWEST, OLDEST, Prepared, committed, running, sql

# A migration that announces each step and goes on when it is told to.
MIGRATION = """
import sys
from pathlib import Path
from registry.datadir import DataDirectory
from registry.db.major_upgrade import migrate_postgres
def say(line):
    print(line, flush=True)
    sys.stdin.readline()
data = DataDirectory(Path(sys.argv[1]))
data.acquire()
migrate_postgres(data, say=say)
"""


@pytest.fixture
def older(prepared: Prepared, tmp_path: Path) -> Path:
    """Return a filled database directory of the oldest major version."""
    return prepared.filled(tmp_path / "postgres", OLDEST)


def migrate(directory: Path, *, say: Callable[[str], None] = lambda line: None) -> Path:
    data = DataDirectory(directory.parent)
    data.acquire()
    try:
        return migrate_postgres(data, say=say)
    finally:
        data.release()


def contents(directory: Path) -> tuple[int, str]:
    with running(EmbeddedPostgres(directory)) as server:
        # The sequence must go on where it stood, too.
        sql(server, "INSERT INTO things (name) VALUES ('probe'); DELETE FROM things WHERE name = 'probe'")
        return server.major, committed(server)


def test_a_directory_of_an_older_major_version_starts_and_migrates(older: Path) -> None:
    major, before = contents(older)
    assert major == OLDEST
    said: list[str] = []
    kept = migrate(older, say=said.append)
    assert kept == older.with_name(f"postgres.{OLDEST}.old")
    assert contents(older) == (NEWEST, before)
    assert contents(kept) == (OLDEST, before)
    assert [line.split()[0] for line in said] == [str(older), "copying", "comparing", "the", "done;"]
    assert migrate(older, say=said.append) == older
    assert said[-1].endswith("the newest version embedded")


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_a_migration_killed_at_any_step_loses_nothing(older: Path, step: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", MIGRATION, str(older.parent)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as migration:
        assert migration.stdin is not None
        assert migration.stdout is not None
        for _ in range(step - 1):
            migration.stdout.readline()
            migration.stdin.write("\n")
            migration.stdin.flush()
        migration.stdout.readline()
        migration.kill()
    migrate(older)
    major, rows = contents(older)
    assert (major, rows.split("|")[0]) == (NEWEST, "500")
    left = {entry.name for entry in older.parent.iterdir()} - {"lock", "run"}
    assert left == {"postgres", f"postgres.{OLDEST}.old"}


@pytest.mark.parametrize("moved", [False, True], ids=["before the old one moves", "between the two moves"])
def test_a_start_completes_a_switch_that_was_interrupted(older: Path, moved: bool, tmp_path: Path) -> None:
    migrated = migrate_copy(older)
    if moved:
        older.rename(older.with_name(f"postgres.{OLDEST}.old"))
    major, rows = contents(older)
    assert (major, rows.split("|")[0]) == (NEWEST, "500")
    assert not migrated.exists()
    assert older.with_name(f"postgres.{OLDEST}.old").exists()


def migrate_copy(directory: Path) -> Path:
    """Migrate, then undo the two renames at the end."""
    kept = migrate(directory)
    migrated = directory.rename(directory.with_name("postgres.migrated"))
    kept.rename(directory)
    return migrated


def test_a_copy_that_differs_never_takes_the_place_of_the_old_one(older: Path) -> None:
    def spoil(line: str) -> None:
        if line.startswith("comparing"):
            sql(EmbeddedPostgres(older.with_name("postgres.migrating")), "UPDATE things SET body = 'x' WHERE id = 7")

    with pytest.raises(
        EmbeddedPostgresFailed, match=r"the copy differs from .*, which stays in use:\npublic.things\|500"
    ):
        migrate(older, say=spoil)
    major, rows = contents(older)
    assert (major, rows.split("|")[0]) == (OLDEST, "500")
    assert not older.with_name("postgres.migrating").exists()


def test_a_migration_is_refused_while_a_server_runs(older: Path) -> None:
    data = DataDirectory(older.parent)
    data.acquire()
    with pytest.raises(UpkeepFailed, match=f"in use by the process with pid {os.getpid()}"):
        move_postgres(Settings(data_dir=older.parent), say=lambda line: None)
    data.release()


def test_there_must_be_something_to_migrate(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedPostgresFailed, match="nothing to migrate"):
        migrate(tmp_path / "postgres")
