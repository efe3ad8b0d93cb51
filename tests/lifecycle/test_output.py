"""Nobody need listen to what a server says: it serves and stops as well when its output leads nowhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import requests


def test_a_server_whose_readers_have_gone_serves_and_stops(server: str, tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "blacklake", "serve", "--port", "0", "--data-dir", tmp_path / "data"]
    process = subprocess.Popen(
        [*command, "--server", server], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        port = process.stdout.readline().partition("127.0.0.1:")[2].partition(",")[0]
        process.stdout.close()
        process.stderr.close()
        url = f"http://127.0.0.1:{port}/v2/team/bert"
        assert requests.put(f"{url}/manifests/v1", b"{}").status_code == 415
        digest = "sha256:" + "0" * 64
        assert (
            requests.post(f"{url}/blobs/uploads/?digest={digest}", b"x").json()["errors"][0]["code"] == "DIGEST_INVALID"
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def test_a_greeting_that_nobody_reads_is_no_failure(tmp_path: Path) -> None:
    """Standard output is closed before the server greets."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    log = tmp_path / "log"
    command = [sys.executable, "-m", "blacklake", "serve", "--port", "0", "--data-dir", tmp_path / "data"]
    reading, writing = os.pipe()
    os.close(reading)
    with log.open("wb") as errors:
        process = subprocess.Popen(command, env=env, stdout=writing, stderr=errors)
    os.close(writing)
    try:
        while '"event":"ready"' not in log.read_text():
            assert process.poll() is None, log.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert "BrokenPipe" not in log.read_text()
    finally:
        process.kill()
        process.wait()
