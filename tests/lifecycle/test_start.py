"""Starts: the first, the second, the refused, the broken off."""

from __future__ import annotations

import re
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lifecycle.artifact import assert_served, push
from tests.lifecycle.conftest import assert_clean_log
from tests.lifecycle.serving import Registry, eventually, run

GREETING = """Blacklake listens on http://127.0.0.1:{port}, data in {data}
Push something:

  oras push --plain-http localhost:{port}/team/bert:v1 model.safetensors
"""


def test_a_start_says_where_it_listens_and_a_second_one_keeps_the_data(tmp_path: Path, server: str) -> None:
    with Registry(tmp_path / "data", server=server) as registry:
        registry.start()
        assert registry.greeting == GREETING.format(port=registry.port, data=tmp_path / "data")
        assert registry.is_ready()
        pushed = push(registry.url)
        assert registry.stop() == 0
        begun = time.monotonic()
        registry.start()
        sys.stdout.write(f"the second start took {time.monotonic() - begun:.2f} s\n")
        assert_served(registry.url, pushed)
        assert registry.stop() == 0


def test_a_second_server_on_the_same_data_directory_or_port_is_refused(registry: Registry, tmp_path: Path) -> None:
    registry.start()
    refused = run("serve", "--port", "0", "--data-dir", registry.data)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert (
        f"the data directory {registry.data} is in use by the process with pid {registry.process.pid}; stop"
        in refused.stderr
    )
    refused = run("serve", "--port", str(registry.port), "--data-dir", tmp_path / "other")
    assert refused.returncode == 1
    assert f"port {registry.port} on 127.0.0.1 is in use by another program" in refused.stderr
    assert registry.is_ready()
    assert registry.stop() == 0


def test_a_port_in_use_is_said_and_the_one_that_is_offered_works(registry: Registry) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        refused = run("serve", "--port", str(taken), "--data-dir", registry.data)
        assert (refused.returncode, refused.stdout) == (1, "")
        offered = re.search(
            rf"port {taken} on 127.0.0.1 is in use by another program; try --port (\d+)", refused.stderr
        )
        assert offered is not None, refused.stderr
        registry.port = int(offered[1])
        registry.start()
        assert f"http://127.0.0.1:{offered[1]}," in registry.greeting
        assert registry.stop() == 0


def postgres_starts(registry: Registry) -> bool:
    return registry.postmaster() is not None


def http_server_starts(registry: Registry) -> bool:
    return registry.http() is not None


@pytest.mark.parametrize(
    ("moment", "asked"),
    [(postgres_starts, signal.SIGTERM), (http_server_starts, signal.SIGINT)],
    ids=["when PostgreSQL starts", "when HTTP starts"],
)
def test_a_start_can_be_broken_off(tmp_path: Path, moment: Callable[[Registry], bool], asked: signal.Signals) -> None:
    with Registry(tmp_path / "data") as registry:
        registry.start(wait=False)
        eventually(lambda: moment(registry), moment.__name__)
        assert registry.stop(asked) == 0
        assert registry.greeting == ""
        registry.start()
        assert registry.is_ready()
        assert registry.stop() == 0
    assert_clean_log(registry)


def test_settings_that_cannot_be_used_are_named_and_nothing_is_made(tmp_path: Path) -> None:
    refused = run("serve", "--data-dir", tmp_path / "data", workers="many")
    assert refused.returncode == 2
    assert "workers: Input should be a valid integer" in refused.stderr
    assert not (tmp_path / "data").exists()
