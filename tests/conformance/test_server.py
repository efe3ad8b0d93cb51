"""Blacklake is run as it is set up, leaves nothing behind, and says why where it doesn't run."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from conformance import server
from conformance.server import PythonMissing, ServerFailed, Setup, program_of, serving


def test_a_setup_is_served_as_it_reads_and_leaves_nothing() -> None:
    with serving(Setup(door="quart", server="hypercorn", storage="memory"), log_level="debug") as running:
        answer = requests.get(f"{running.url}/v2/", timeout=10)
        assert answer.status_code == 200
        assert "granian" not in answer.headers.get("Server", "")
        assert not (running.directory / "data" / "blobs").exists()
        assert '"debug"' in running.log.read_text()
    assert not running.directory.exists()
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{running.url}/v2/", timeout=10)


def test_settings_of_the_caller_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLACKLAKE_STORAGE", "nowhere://")
    with serving() as running:
        assert requests.get(f"{running.url}/ready", timeout=10).status_code == 200


def test_a_server_that_does_not_start_says_why() -> None:
    with (
        pytest.raises(ServerFailed, match=r"(?s)did not start\. Its log ends:.*sparse: Input should be"),
        serving(sparse="x"),
    ):
        pass


def test_a_python_that_is_not_here_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "python3.99").write_text("#!/bin/sh\nexit 127\n")  # as a pyenv shim without its version
    (tmp_path / "python3.99").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(server, "ROOT", tmp_path)
    with pytest.raises(PythonMissing, match=r"python3\.99 is not at hand"):
        program_of("3.99")
