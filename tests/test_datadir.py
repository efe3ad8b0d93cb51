"""A data directory belongs to one server; what a killed one left is ended, and nothing else is."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from registry import datadir
from registry.datadir import DataDirectory, DataDirectoryInUse, DataDirectoryUnusable
from registry.processes import Identity, identify, wait_for_end

# A server that takes the directory, starts one child that holds the lock, and waits.
SERVER = """
import subprocess, sys
from pathlib import Path
from registry.datadir import DataDirectory, DataDirectoryInUse
data = DataDirectory(Path(sys.argv[1]))
try:
    data.acquire()
except DataDirectoryInUse as error:
    print("refused", error.pid, flush=True)
    sys.exit()
child = subprocess.Popen(sys.argv[2:], pass_fds=[data.lock_fd], stdout=subprocess.PIPE)
child.stdout.readline()
data.record("worker", child.pid)
print("serving", child.pid, flush=True)
sys.stdin.read()
"""
CHILD = ["sh", "-c", "echo ready; exec sleep 600"]
STUBBORN = ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"]


def start_server(path: Path, child: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SERVER, str(path), *child], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def answer(server: subprocess.Popen[str]) -> tuple[str, int]:
    assert server.stdout is not None
    word, pid = server.stdout.readline().split()
    return word, int(pid)


def kill(server: subprocess.Popen[str]) -> None:
    with server:
        server.kill()


@contextmanager
def serving(path: Path, child: list[str] = CHILD) -> Iterator[tuple[subprocess.Popen[str], Identity]]:
    """Run a server on `path` and yield it with its child, which is ended at last."""
    server = start_server(path, child)
    word, pid = answer(server)
    assert word == "serving"
    worker = identify(pid)
    assert worker is not None
    try:
        yield server, worker
    finally:
        kill(server)
        if worker.alive:
            os.kill(worker.pid, signal.SIGKILL)


@contextmanager
def sleeping(*, holding: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    fds = () if holding is None else (holding,)
    with subprocess.Popen(["sleep", "600"], pass_fds=fds) as process:
        try:
            yield process
        finally:
            process.kill()


def write_ledger(path: Path, *rows: tuple[str, Identity]) -> None:
    (path / "run").mkdir(parents=True)
    entries = [{"role": role, "pid": who.pid, "started": who.started, "boot": who.boot} for role, who in rows]
    (path / "run/processes.json").write_text(json.dumps(entries))


def test_a_new_directory_is_private_and_names_its_server(tmp_path: Path) -> None:
    data = DataDirectory(tmp_path / "deep" / "data")
    data.acquire()
    rows = json.loads((data.run / "processes.json").read_text())
    assert stat.S_IMODE(data.path.stat().st_mode) == 0o700
    assert [(row["role"], row["pid"]) for row in rows] == [("supervisor", os.getpid())]
    assert os.get_inheritable(data.lock_fd)
    assert data.postgres == data.path / "postgres"
    data.release()
    assert json.loads((data.run / "processes.json").read_text()) == []


def test_recorded_processes_are_kept_until_forgotten(tmp_path: Path) -> None:
    data = DataDirectory(tmp_path)
    data.acquire()
    with sleeping() as process:
        data.record("worker", process.pid)
        rows = json.loads((data.run / "processes.json").read_text())
        assert (rows[1]["role"], rows[1]["pid"]) == ("worker", process.pid)
        data.forget(process.pid)
        assert len(json.loads((data.run / "processes.json").read_text())) == 1
    data.release()


def test_a_second_server_is_refused_and_told_the_pid_of_the_first(tmp_path: Path) -> None:
    with serving(tmp_path) as (server, worker):
        with pytest.raises(DataDirectoryInUse, match=rf"{tmp_path} is in use by the process with pid {server.pid};"):
            DataDirectory(tmp_path).acquire()
        assert worker.alive


def test_the_same_process_is_refused_too(tmp_path: Path) -> None:
    first = DataDirectory(tmp_path)
    first.acquire()
    with pytest.raises(DataDirectoryInUse) as refusal:
        DataDirectory(tmp_path).acquire()
    assert refusal.value.pid == os.getpid()
    first.release()
    second = DataDirectory(tmp_path)
    second.acquire()
    second.release()


def test_of_servers_that_start_at_once_one_serves_and_the_others_name_it(tmp_path: Path) -> None:
    servers = [start_server(tmp_path, CHILD) for _ in range(4)]
    answers = {server.pid: answer(server) for server in servers}
    winners = [pid for pid, (word, _) in answers.items() if word == "serving"]
    for server in servers:
        kill(server)
    data = DataDirectory(tmp_path)
    data.acquire()  # ends the winner's child
    data.release()
    assert len(winners) == 1
    assert {pid for word, pid in answers.values() if word == "refused"} == set(winners)


@pytest.mark.parametrize("child", [CHILD, STUBBORN], ids=["obedient", "stubborn"])
def test_what_a_killed_server_left_is_ended(tmp_path: Path, child: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datadir, "_END_PATIENCE", 0.5)
    with serving(tmp_path, child) as (server, worker):
        kill(server)
        assert worker.alive
        data = DataDirectory(tmp_path)
        data.acquire()
        assert wait_for_end([worker], 0) == []
        data.release()


@pytest.mark.parametrize("difference", ["start time", "boot"])
def test_a_process_that_only_has_a_recorded_pid_is_left_alone(tmp_path: Path, difference: str) -> None:
    with sleeping() as bystander:
        who = identify(bystander.pid)
        assert who is not None
        other = (
            Identity(who.pid, who.started - 1, who.boot)
            if difference == "start time"
            else Identity(who.pid, who.started, "another-boot")
        )
        write_ledger(tmp_path, ("supervisor", other), ("worker", other))
        data = DataDirectory(tmp_path)
        data.acquire()
        assert bystander.poll() is None
        data.release()


def test_a_holder_that_nobody_recorded_is_waited_for_and_then_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = DataDirectory(tmp_path)
    first.acquire()
    with sleeping(holding=first.lock_fd) as holder:
        first.release()
        monkeypatch.setattr(datadir, "_LOCK_PATIENCE", 0.2)
        with pytest.raises(DataDirectoryInUse) as refusal:
            DataDirectory(tmp_path).acquire()
        assert refusal.value.pid is None
        assert holder.poll() is None
    second = DataDirectory(tmp_path)
    second.acquire()
    second.release()


@pytest.mark.parametrize("ledger", ["", "[", "{}", '[{"pid": 1}]', "null", "[1]"])
def test_a_damaged_ledger_does_not_keep_a_server_from_starting(tmp_path: Path, ledger: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/processes.json").write_text(ledger)
    data = DataDirectory(tmp_path)
    data.acquire()
    assert len(json.loads((data.run / "processes.json").read_text())) == 1
    data.release()


def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirectoryUnusable, match=r"can't be used: .*--data-dir"):
        DataDirectory(tmp_path / "file").acquire()


@pytest.mark.parametrize("planted", ["a directory for all", "a ledger for all", "a ledger elsewhere"])
def test_a_directory_that_others_may_have_prepared_is_not_believed(tmp_path: Path, planted: str) -> None:
    path = tmp_path / "data"
    with sleeping() as victim:
        first = DataDirectory(path)
        first.acquire()
        first.record("worker", victim.pid)
        os.close(first.lock_fd)
        if planted == "a directory for all":
            path.chmod(0o777)
        elif planted == "a ledger for all":
            (path / "run").chmod(0o777)
        else:
            (path / "run").rename(tmp_path / "run")
            (path / "run").symlink_to(tmp_path / "run")
        with pytest.raises(DataDirectoryUnusable, match=r"others may write there.* \(chmod go-w\)"):
            DataDirectory(path).acquire()
        assert victim.poll() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
@pytest.mark.parametrize("name", [".", "run"])
def test_a_directory_of_another_user_is_not_believed(tmp_path: Path, name: str) -> None:
    path = tmp_path / "data"
    first = DataDirectory(path)
    first.acquire()
    first.release()
    os.chown(path / name, 65534, 65534)
    with pytest.raises(DataDirectoryUnusable, match="belongs to another user"):
        DataDirectory(path).acquire()


def test_a_lock_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataDirectoryUnusable):
        DataDirectory(tmp_path / "data").acquire()
    assert not (tmp_path / "elsewhere").exists()
