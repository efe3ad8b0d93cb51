"""Digests of tensors as users and operators meet them: a switch beside a running server, a job, the API, `blacklake diff`."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from tests.http.admin import Api
from tests.http.artifacts import LAYER, known, push, safetensors, tar
from tests.http.server import Registry
from tests.lifecycle.serving import environment, eventually, run


@pytest.fixture
def base(repo: str) -> dict[str, bytes]:
    """Return tensors, each of one byte over and over, of which no other test has the blob."""
    return {"embed": b"\x01", "norm": b"\x02", f"of.{repo}": b"\x04", "head": b"\x03"}


@pytest.fixture
def tuned(base: dict[str, bytes]) -> dict[str, bytes]:
    return base | {"head": b"\x09"}


def weights(tensors: Mapping[str, bytes]) -> bytes:
    """Return a file of tensors of 32 bytes, each of one byte over and over."""
    return safetensors(**{name: ("F32", [8], byte) for name, byte in tensors.items()})


def digest(byte: bytes) -> str:
    return f"sha256:{hashlib.sha256(byte * 32).hexdigest()}"


def switch(registry: Registry, word: str, target: str) -> str:
    """Switch digests on or off beside the running server, and return what is said."""
    done = run("admin", "artifacts", "digests", word, target, "--data-dir", registry.directory)
    assert done.returncode == 0, done.stderr
    return done.stdout


def jobs(api: Api, name: str) -> list[dict[str, Any]]:
    found = api.get("/jobs", params={"repository": name})["items"]
    return [job for job in found if job["kind"] == "digest"]


def digested(api: Api, name: str, number: int) -> None:
    """Wait until so many jobs have digested."""
    eventually(lambda: [job["state"] for job in jobs(api, name)] == ["done"] * number, "the digests")


def tensors(api: Api, name: str, reference: str = "v1") -> dict[str, str | None]:
    found = api.get(f"/repositories/{name}/-/artifacts/{reference}/tensors")["items"]
    return {one["name"]: one["digest"] for one in found}


def compared(api: Api, name: str, other: str) -> dict[str, Any]:
    found = api.get(f"/repositories/{name}/-/artifacts/v1/comparison", params={"other": other})
    told: dict[str, Any] = found["tensors"]
    return told


def test_what_a_fine_tuned_model_has_changed_shows_once_it_is_digested(
    registry: Registry, repo: str, base: dict[str, bytes], tuned: dict[str, bytes]
) -> None:
    api = Api(registry, {})

    def pushed(tag: str, values: Mapping[str, bytes]) -> None:
        push(registry, repo, {"m.safetensors": weights(values)}, tag=tag)
        known(api, repo, tag)

    pushed("v1", base)
    pushed("v2", tuned)
    assert tensors(api, repo) == dict.fromkeys(base)
    before = compared(api, repo, "v2")
    assert (before["changed_total"], before["unchanged_total"], before["bytes_compared"]) == (0, 4, False)
    assert "4 have no digest in `before`, 4 in `after`" in before["note"]
    assert "of 2 artifacts that lack digests" in switch(registry, "on", repo)
    digested(api, repo, 2)
    assert {(job["total"], job["progress"]) for job in jobs(api, repo)} == {(size := jobs(api, repo)[0]["total"], size)}
    assert tensors(api, repo) == {name: digest(byte) for name, byte in base.items()}
    after = compared(api, repo, "v2")
    assert (after["unchanged_total"], after["bytes_compared"]) == (3, True)
    (changed,) = after["changed"]
    assert (changed["before"]["digest"], changed["after"]["digest"]) == (digest(b"\x03"), digest(b"\x09"))
    # What is pushed from now on follows by itself, until it is switched off.
    pushed("v3", tuned | {"norm": b"\x08"})
    digested(api, repo, 3)
    assert [one["name"] for one in compared(api, repo, "v3")["changed"]] == ["head", "norm"]
    assert "will not be digested any more" in switch(registry, "off", repo)
    pushed("v4", tuned | {"norm": b"\x07"})
    assert len(jobs(api, repo)) == 3
    late = compared(api, repo, "v4")
    assert (late["changed_total"], late["bytes_compared"]) == (0, False)
    assert "4 have no digest in `before`, 4 in `after`" in late["note"]  # those that there are aren't told any more


def test_digests_are_told_where_they_were_asked_for_and_not_where_the_same_blob_is(
    registry: Registry, repo: str, other: str, base: dict[str, bytes]
) -> None:
    api = Api(registry, {})
    push(registry, repo, {"m.safetensors": weights(base)})
    push(registry, other, {"m.safetensors": weights(base)})
    known(api, repo)
    known(api, other)
    switch(registry, "on", repo)
    digested(api, repo, 1)
    assert tensors(api, repo) == {name: digest(byte) for name, byte in base.items()}
    assert tensors(api, other) == dict.fromkeys(base)
    assert jobs(api, other) == []


def test_tensors_that_lie_compressed_are_said_to_have_no_digests(
    registry: Registry, repo: str, base: dict[str, bytes], tuned: dict[str, bytes]
) -> None:
    api = Api(registry, {})
    for tag, values in (("v1", base), ("v2", tuned)):
        content = tar({"m.safetensors": weights(values)}, is_compressed=True)
        push(registry, repo, {"m.tgz": content}, tag=tag, types={"m.tgz": LAYER + "tar+gzip"})
        known(api, repo, tag)
    assert "of 0 artifacts" in switch(registry, "on", repo)
    assert tensors(api, repo) == dict.fromkeys(base)
    found = compared(api, repo, "v2")
    assert (found["changed_total"], found["bytes_compared"]) == (0, False)
    assert "4 lie in compressed or other places where they are not digested" in found["note"]


def test_a_diff_by_the_command_line_shows_bytes_that_changed(
    registry: Registry, repo: str, base: dict[str, bytes], tuned: dict[str, bytes]
) -> None:
    api = Api(registry, {})
    switch(registry, "on", repo)
    for tag, values in (("v1", base), ("v2", tuned)):
        push(registry, repo, {"m.safetensors": weights(values)}, tag=tag)
    digested(api, repo, 2)
    told = subprocess.run(
        [sys.executable, "-m", "blacklake", "diff", f"{repo}:v1", f"{repo}:v2", "--server", registry.url],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    before, after = (digest(values["head"])[:19] for values in (base, tuned))
    assert f"~ tensor head float32[8] {before} -> {after}" in told
