"""A disk that is full or may only be read: `/ready` names the storage, a push is told, and nothing stays behind."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from registry.storage.filesystem import FilesystemStore
from tests.lifecycle.artifact import Artifact, assert_served, digest, push
from tests.lifecycle.conftest import assert_clean_log
from tests.lifecycle.serving import Registry, eventually
from tests.prepared import clone

ROOM = 4 << 20
"""Bytes of the disk for blobs."""

# The server runs where only it sees the small disk; "$0" is the disk's directory.
SMALL_DISK = f'mount -t tmpfs -o size={ROOM} tmpfs "$0" && exec "$@"'


@pytest.fixture
def registry(made: Path, tmp_path: Path) -> Iterator[Registry]:
    disk = tmp_path / "disk"
    disk.mkdir()
    wrapper = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", SMALL_DISK, str(disk))
    with Registry(clone(made, tmp_path / "data"), wrapper=wrapper, storage=f"file://{disk}") as registry:
        yield registry.start()
        assert registry.stop() == 0
    assert_clean_log(registry)


def inside(registry: Registry, *command: str) -> str:
    """Run a command where the server sees the disk."""
    entered = ["nsenter", f"--target={registry.process.pid}", "--user", "--mount", "--preserve-credentials", *command]
    return subprocess.run(entered, capture_output=True, text=True, check=True).stdout


def files(registry: Registry) -> list[str]:
    return inside(registry, "find", str(registry.data.parent / "disk"), "-type", "f").splitlines()


def push_too_much(registry: Registry) -> requests.Response:
    data = random.randbytes(2 * ROOM)
    return requests.post(f"{registry.url}/v2/team/large/blobs/uploads/?digest={digest(data)}", data)


def assert_storage_unavailable(answer: requests.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) > 0
    assert "storage" in answer.json()["errors"][0]["message"]


def assert_still_works(registry: Registry, before: Artifact) -> None:
    assert registry.is_ready()
    assert_served(registry.url, before)
    assert_served(registry.url, push(registry.url, "team/after"))


def test_a_push_that_fills_the_disk_is_told_and_leaves_nothing(registry: Registry) -> None:
    before = push(registry.url)
    kept = files(registry)
    assert_storage_unavailable(push_too_much(registry))
    assert files(registry) == kept
    assert_still_works(registry, before)


def test_a_full_disk_is_named_by_ready_and_pulls_go_on(registry: Registry) -> None:
    before = push(registry.url)
    ballast = str(registry.data.parent / "disk" / "ballast")
    inside(registry, "sh", "-c", f"head -c {2 * ROOM} /dev/zero >'{ballast}' 2>/dev/null || true")
    ready = requests.get(f"{registry.url}/ready")
    assert (ready.status_code, ready.json()["storage"]) == (503, "the file system failed: the disk is full")
    assert ready.json()["database"] == "ok"
    assert_storage_unavailable(push_too_much(registry))
    assert_served(registry.url, before)
    inside(registry, "rm", ballast)
    assert_still_works(registry, before)


def test_a_disk_that_may_only_be_read_is_named_by_ready_and_pulls_go_on(registry: Registry) -> None:
    before = push(registry.url)
    disk = str(registry.data.parent / "disk")
    inside(registry, "mount", "-o", "remount,ro", disk)
    ready = requests.get(f"{registry.url}/ready")
    assert (ready.status_code, ready.json()["storage"]) == (503, "the file system failed: Read-only file system")
    kept = files(registry)
    assert_storage_unavailable(push_too_much(registry))
    assert files(registry) == kept
    assert_served(registry.url, before)
    inside(registry, "mount", "-o", "remount,rw", disk)
    assert_still_works(registry, before)


@pytest.mark.parametrize("fast_lane", ["true", "false"])
def test_a_blob_that_ends_too_early_breaks_off_its_answer_and_is_told_in_the_log(
    made: Path, tmp_path: Path, server: str, fast_lane: str
) -> None:
    with Registry(clone(made, tmp_path / "data"), server=server, fast_lane=fast_lane) as registry:
        artifact = push(registry.start().url, size=6 << 20)
        [blob] = [found for found in (registry.data / "blobs").rglob("*") if found.is_file()]
        os.truncate(blob, 5 << 20)
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            requests.get(registry.url + artifact.layer_path)
        [told] = [line for line in registry.log() if line["event"] == "storage failed in the middle of an answer"]
        assert (told["level"], told["error"]) == ("error", "an object ends at byte 5242880, before its recorded size")
        assert registry.stop() == 0
    assert_clean_log(registry)


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def test_what_a_check_leaves_that_is_killed_is_gone_after_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FilesystemStore(tmp_path)
    with monkeypatch.context() as killed:
        killed.setattr(Path, "unlink", lambda *_, **__: None)
        await store.check()
    assert names(tmp_path) != []
    await store.check()
    assert names(tmp_path) == []


def test_credentials_that_cannot_be_used_are_told_in_words(
    made: Path, tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    with Registry(clone(made, tmp_path / "data"), server=server, storage="s3://bucket?region=us-east-1") as registry:
        registry.start(wait=False)
        told = "this worker can't serve: S3 can't be spoken to: The config profile (nowhere) could not be found"
        eventually(lambda: told in registry.log_text(), "the reason is in the log")
        assert "Traceback" not in registry.log_text()
        registry.stop()
