"""`blacklake admin storage`: what it prints, and its exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.s3_servers import REGION, S3Server


def storage(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "blacklake", "admin", "storage", *arguments]
    return subprocess.run(command, env=os.environ | variables, check=False, capture_output=True, text=True)


def url_of(server: S3Server, bucket: str | None = None) -> str:
    where = server.make_bucket()
    return f"s3://{bucket or where.bucket}/p?endpoint={where.endpoint}&region={REGION}&path_style=true"


def test_check_tells_each_step_of_a_good_bucket(s3_server: S3Server) -> None:
    done = storage("check", BLACKLAKE_STORAGE=url_of(s3_server))
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert all(line.startswith("ok ") for line in lines)
    assert len(lines) == 11


def test_check_tells_what_is_wrong_and_fails(s3_server: S3Server) -> None:
    done = storage("check", BLACKLAKE_STORAGE=url_of(s3_server, "not-there"))
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines()[-1] == "FAILED  bucket       there is no such bucket in S3: make it first"


def test_setup_tells_what_it_has_set(s3_server: S3Server) -> None:
    done = storage("setup", BLACKLAKE_STORAGE=url_of(s3_server))
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["lifecycle", "versioning"]


def test_check_tries_a_directory_too(tmp_path: Path) -> None:
    done = storage("check", "--data-dir", str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "ok      probe        written, read back and deleted\n"), done.stderr


def test_there_is_nothing_to_set_up_in_a_directory() -> None:
    done = storage("setup", BLACKLAKE_STORAGE="memory:")
    assert (done.returncode, done.stdout) == (2, "")
    assert "names no bucket" in done.stderr
