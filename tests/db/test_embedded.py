"""The embedded PostgreSQL keeps what was committed, whatever is killed."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from registry.datadir import DataDirectory
from registry.db import embedded
from registry.db.binaries import binaries
from registry.db.embedded import EmbeddedPostgres, EmbeddedPostgresFailed
from registry.processes import Identity, identify, running_in, wait_for_end
from tests.db.postgres import NEWEST, OLDEST, Prepared, committed, fill, running, sql

# What a supervisor does: it starts PostgreSQL, says its pid, and lives on.
PARENT = """
import sys
from pathlib import Path
from registry.db.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
sys.stdin.read()
"""


def kill_process(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def identity(pid: int) -> Identity:
    found = identify(pid)
    assert found is not None
    return found


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_the_first_start_makes_a_database_and_later_starts_keep_it(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "data" / "postgres")
    with running(server):
        assert server.major == NEWEST
        assert server.poll() is None
        assert sql(
            server, "SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname='blacklake'"
        )
        fill(server)
        before = committed(server)
    assert server.poll() == 0
    for _ in range(2):
        with running(server):
            assert committed(server) == before
    with running(EmbeddedPostgres(tmp_path / "data" / "postgres")) as other:
        assert committed(other) == before


def test_the_database_speaks_utf8_and_sorts_by_bytes(tmp_path: Path) -> None:
    with running(EmbeddedPostgres(tmp_path / "postgres")) as server:
        found = sql(
            server, "SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname='blacklake'"
        )
    assert found == "UTF8|C"


def test_nobody_but_the_owner_can_reach_it(tmp_path: Path) -> None:
    with running(EmbeddedPostgres(tmp_path / "postgres")) as server:
        assert sql(server, "SHOW listen_addresses") == ""
        assert stat.S_IMODE((tmp_path / "postgres").stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "postgres/.s.PGSQL.5432").stat().st_mode) == 0o700


async def test_asyncpg_and_sqlalchemy_understand_the_url(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "1")
    server = EmbeddedPostgres(prepared.copy(tmp_path / "an ü % & + path" / "postgres"))
    with running(server):
        connection = await asyncpg.connect(server.url)
        assert await connection.fetchval("SELECT current_database()") == "blacklake"
        await connection.close()
        engine = create_async_engine(server.url.replace("postgresql:", "postgresql+asyncpg:"))
        async with engine.connect() as other:
            assert (await other.execute(text("SELECT current_user"))).scalar() == "blacklake"
        await engine.dispose()


@pytest.mark.parametrize("name", ["x" * 100, "a,b"], ids=["too long", "with a comma"])
def test_a_path_that_no_socket_can_have_gets_a_private_one(prepared: Prepared, tmp_path: Path, name: str) -> None:
    server = EmbeddedPostgres(prepared.copy(tmp_path / name / "postgres"))
    server.start()
    sockets = Path(parse_qs(urlsplit(server.url).query)["host"][0])
    fill(server)
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    assert not sockets.is_relative_to(tmp_path)
    url = server.url
    kill_process(server.pid)
    for _ in ("after the crash", "after a stop"):
        with running(server):
            assert server.url == url
            assert committed(server).startswith("500|")
        assert not sockets.exists()
    sockets.mkdir(mode=0o755)  # somebody else's now: not to be trusted
    with running(server):
        assert server.url != url
        assert committed(server).startswith("500|")
    sockets.rmdir()


def test_committed_rows_survive_a_kill_of_the_postmaster_while_a_backend_is_busy(
    prepared: Prepared, tmp_path: Path
) -> None:
    server = EmbeddedPostgres(prepared.copy(tmp_path / "postgres"))
    server.start()
    fill(server)
    before = committed(server)
    # A backend in a loop doesn't notice that its postmaster has gone, and holds on to the shared memory.
    loop = "DO $$ BEGIN LOOP END LOOP; END $$"
    busy = subprocess.Popen([binaries(NEWEST) / "psql", "-Xqc", loop, server.url], stderr=subprocess.DEVNULL)
    active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO %' AND state = 'active'"
    wait_until(lambda: sql(server, active) == "1")
    postmaster = identity(server.pid)
    kill_process(server.pid)
    assert wait_for_end([postmaster], 10) == []
    assert running_in(tmp_path / "postgres", "postgres") != []
    with running(server):
        assert server.pid != postmaster.pid
        assert committed(server) == before
    assert busy.wait() != 0


@pytest.mark.parametrize("victims", ["parent", "parent and postmaster"])
def test_postgres_ends_with_its_parent_and_keeps_what_was_committed(
    prepared: Prepared, tmp_path: Path, victims: str
) -> None:
    directory = prepared.copy(tmp_path / "postgres")
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        postmaster = identity(int(parent.stdout.readline()))
        fill(EmbeddedPostgres(directory))
        before = committed(EmbeddedPostgres(directory))
        parent.kill()
        if victims != "parent":
            kill_process(postmaster.pid)
    assert wait_for_end([postmaster], 30) == []
    with running(EmbeddedPostgres(directory)) as server:
        assert committed(server) == before


def test_a_start_that_is_killed_while_it_makes_the_directory_is_healed_by_the_next(tmp_path: Path) -> None:
    directory = tmp_path / "postgres"
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        wait_until((tmp_path / "postgres.new").exists)
        parent.kill()
    assert not directory.exists()
    with running(EmbeddedPostgres(directory)) as server:
        fill(server)
    assert [entry.name for entry in tmp_path.iterdir()] == ["postgres"]


def test_stale_lock_files_whose_pid_is_in_use_again_are_not_believed(prepared: Prepared, tmp_path: Path) -> None:
    directory = prepared.copy(tmp_path / "postgres")
    server = EmbeddedPostgres(directory)
    server.start()
    fill(server)
    kill_process(server.pid)
    # PostgreSQL tells its own pid and its parent's from a rival's, but not a bystander's.
    with subprocess.Popen(["sleep", "600"]) as bystander:
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            lines = (directory / name).read_text().splitlines()
            (directory / name).write_text("\n".join([str(bystander.pid), *lines[1:], ""]))
        with running(server):
            assert committed(server).startswith("500|")
        assert bystander.poll() is None
        bystander.kill()


def test_a_second_postgres_on_the_directory_is_refused(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_LEAVE_LIMIT", 0.2)
    with running(EmbeddedPostgres(prepared.copy(tmp_path / "postgres"))) as first:
        with pytest.raises(EmbeddedPostgresFailed, match=f"another PostgreSQL with pid {first.pid} runs on"):
            EmbeddedPostgres(tmp_path / "postgres").start()
        assert sql(first, "SELECT 1") == "1"


def test_a_foreign_directory_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres/letter").write_text("dear")
    with pytest.raises(EmbeddedPostgresFailed, match="holds something else than a database"):
        EmbeddedPostgres(tmp_path / "postgres").start()
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["postgres", "postgres/letter"]


def test_a_directory_of_a_version_that_is_not_embedded_is_refused(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres/PG_VERSION").write_text("99\n")
    with pytest.raises(EmbeddedPostgresFailed, match=f"belongs to PostgreSQL 99, .* {OLDEST}, {NEWEST}; use"):
        EmbeddedPostgres(tmp_path / "postgres").start()


def test_a_postgres_that_does_not_start_says_why(prepared: Prepared, tmp_path: Path) -> None:
    directory = prepared.copy(tmp_path / "postgres")
    with (directory / "postgresql.conf").open("a") as settings:
        settings.write("no_such_setting = 1\n")
    with pytest.raises(EmbeddedPostgresFailed, match='unrecognized configuration parameter "no_such_setting"'):
        EmbeddedPostgres(directory).start()


def test_the_log_is_kept_in_bounds_while_postgres_runs(prepared: Prepared, tmp_path: Path) -> None:
    log = tmp_path / "postgres/postgres.log"
    with running(EmbeddedPostgres(prepared.copy(tmp_path / "postgres"))) as server:
        with log.open("a") as file:
            file.write("x" * (5 << 20))
        assert server.poll() is None
        assert log.stat().st_size == 0
        with pytest.raises(EmbeddedPostgresFailed):
            sql(server, "SELECT no_such_column")
        assert b"no_such_column" in log.read_bytes()
        assert b"\0" not in log.read_bytes()
    assert (tmp_path / "postgres/postgres.log.1").stat().st_size > 5 << 20


def test_every_process_of_postgres_holds_the_data_directory(prepared: Prepared, tmp_path: Path) -> None:
    data = DataDirectory(tmp_path)
    data.acquire()
    server = EmbeddedPostgres(prepared.copy(data.postgres), lock_fd=data.lock_fd)
    with running(server):
        data.record("postgres", server.pid)
        lock = (tmp_path / "lock").stat().st_ino
        family = running_in(data.postgres, "postgres")
        assert len(family) > 3
        for process in family:
            held = [file.stat().st_ino for file in Path(f"/proc/{process.pid}/fd").iterdir() if file.exists()]
            assert lock in held
    data.release()


def test_a_postgres_whose_server_was_killed_is_ended_by_the_next(prepared: Prepared, tmp_path: Path) -> None:
    # The thread that PostgreSQL is tied to is this one and lives on, so only the ledger can end it.
    data = DataDirectory(tmp_path)
    data.acquire()
    server = EmbeddedPostgres(prepared.copy(data.postgres), lock_fd=data.lock_fd)
    server.start()
    data.record("postgres", server.pid)
    fill(server)
    ledger = json.loads((tmp_path / "run/processes.json").read_text())
    data.release()
    (tmp_path / "run/processes.json").write_text(json.dumps([row for row in ledger if row["role"] != "supervisor"]))
    again = DataDirectory(tmp_path)
    again.acquire()
    assert server.poll() is not None
    with running(EmbeddedPostgres(again.postgres, lock_fd=again.lock_fd)) as other:
        assert committed(other).startswith("500|")
    again.release()


def test_where_user_namespaces_are_off_root_is_told_the_way_out(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from registry.db.embedded import *\n"
        "try: EmbeddedPostgres(Path(sys.argv[1])).start()\n"
        "except EmbeddedPostgresFailed as error: print(error)"
    )
    off = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"'
    said = subprocess.run(
        [
            "unshare",
            "--user",
            "--map-root-user",
            "sh",
            "-c",
            off,
            "sh",
            sys.executable,
            "-c",
            code,
            tmp_path / "postgres",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "user namespaces are off" in said
    assert "run as another user than root, or set BLACKLAKE_DATABASE_URL" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_that_roots_postgres_cannot_reach_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "home"
    closed.mkdir(mode=0o700)
    os.chown(closed, 4711, 4711)
    with pytest.raises(EmbeddedPostgresFailed, match=f"{closed} is closed to other users than its owner"):
        EmbeddedPostgres(closed / "data" / "postgres").start()
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
