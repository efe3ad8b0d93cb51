"""A data directory of an older PostgreSQL serves, moves when it is asked to, and serves on."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from registry.db.binaries import initialise, installations
from tests.lifecycle.artifact import Artifact, assert_served, push
from tests.lifecycle.serving import BLACKLAKE, Registry, environment, eventually, run

OLDEST, NEWEST = min(installations()), max(installations())


@pytest.fixture
def older(tmp_path: Path) -> tuple[Registry, Artifact]:
    """Return a registry on the oldest PostgreSQL that is embedded, stopped, and what was pushed to it."""
    initialise(tmp_path / "data" / "postgres", OLDEST)
    with Registry(tmp_path / "data") as registry:
        registry.start()
        pushed = push(registry.url)
        assert registry.stop() == 0
    assert major(registry) == OLDEST
    return registry, pushed


def major(registry: Registry) -> int:
    return int((registry.data / "postgres" / "PG_VERSION").read_text())


def test_an_older_postgres_serves_and_is_moved_by_command(older: tuple[Registry, Artifact]) -> None:
    registry, pushed = older
    with registry:
        registry.start()
        assert_served(registry.url, pushed)
        refused = run("migrate", "postgres", "--data-dir", registry.data)
        assert refused.returncode == 1
        assert f"is in use by the process with pid {registry.process.pid}" in refused.stderr
        assert registry.stop() == 0
        moved = run("migrate", "postgres", "--data-dir", registry.data)
        assert moved.returncode == 0, moved.stderr
        assert f"the old directory is kept in {registry.data / f'postgres.{OLDEST}.old'}" in moved.stdout
        assert major(registry) == NEWEST
        registry.start()
        assert_served(registry.url, pushed)
        assert_served(registry.url, push(registry.url, "team/after"))
        assert registry.stop() == 0


def test_a_move_that_is_killed_loses_nothing(older: tuple[Registry, Artifact]) -> None:
    registry, pushed = older
    command: list[str | Path] = [BLACKLAKE, "migrate", "postgres", "--data-dir", registry.data]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL) as move:
        eventually((registry.data / "postgres.migrating").exists, "the copy")
        os.kill(move.pid, signal.SIGKILL)
    with registry:
        registry.start()
        assert_served(registry.url, pushed)
        assert registry.stop() == 0
        assert run("migrate", "postgres", "--data-dir", registry.data).returncode == 0
        assert major(registry) == NEWEST
        registry.start()
        assert_served(registry.url, pushed)
        assert registry.stop() == 0
