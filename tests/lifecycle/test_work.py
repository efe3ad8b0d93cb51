"""Background work as an operator meets it: in the server, by nodes of their own, and from one to the other."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from tests.lifecycle.artifact import push
from tests.lifecycle.conftest import assert_clean_log
from tests.lifecycle.serving import BLACKLAKE, Registry, all_gone, environment, eventually, run
from tests.prepared import clone


def jobs(registry: Registry) -> list[dict[str, Any]]:
    answer = requests.get(f"{registry.url}/api/v1/jobs", timeout=30)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def states(registry: Registry) -> list[str]:
    """Return the states of all jobs, the oldest first."""
    return [job["state"] for job in reversed(jobs(registry))]


@contextlib.contextmanager
def node(log: Path, **settings: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run `blacklake work`; it must end with code 0 when it is asked to."""
    with (
        log.open("ab") as errors,
        subprocess.Popen(
            [BLACKLAKE, "work"], env=environment(**settings), stdin=subprocess.DEVNULL, stderr=errors
        ) as process,
    ):
        try:
            yield process
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                assert process.wait(60) == 0, log.read_text()
        finally:
            process.kill()


def test_a_server_does_its_work_itself_and_another_worker_goes_on_when_one_is_killed(
    made: Path, tmp_path: Path
) -> None:
    with Registry(clone(made, tmp_path / "data"), workers=2) as registry:
        registry.start()
        push(registry.url, "team/first")
        eventually(lambda: states(registry) == ["done"], "the first job")
        for number, victim in enumerate(registry.workers()):
            below = victim.children(recursive=True)
            victim.kill()
            registry.heal(victim, 2)
            all_gone(below)  # its sandbox
            push(registry.url, f"team/next{number}")
            eventually(lambda: states(registry)[-1] == "done", "the next job")
        assert registry.stop() == 0
    assert_clean_log(registry)


def test_nodes_do_the_work_of_a_server_that_does_none(empty_database_url: str, tmp_path: Path) -> None:
    storage = f"file://{tmp_path / 'blobs'}"
    shared = {"database_url": empty_database_url, "storage": storage}
    log = tmp_path / "work.log"
    with Registry(tmp_path / "data", jobs="off", **shared) as registry:
        registry.start()
        push(registry.url, "team/one")
        assert jobs(registry) == []
        with node(log, **shared, data_dir=tmp_path / "first"):
            eventually(lambda: states(registry) == ["done"], "the job")
        with node(log, **shared) as process:
            process.kill()
            process.wait()
            push(registry.url, "team/two")
        with node(log, **shared):
            eventually(lambda: states(registry) == ["done", "done"], "the second job")
        assert registry.stop() == 0
    assert_clean_log(registry)
    assert "exception" not in log.read_text()


def test_work_without_a_database_to_share_says_what_to_do(tmp_path: Path) -> None:
    done = run("work", "--data-dir", tmp_path)
    assert done.returncode == 1
    assert "set BLACKLAKE_DATABASE_URL" in done.stderr
