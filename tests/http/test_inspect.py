"""`blacklake inspect`, `files` and `diff` of a registry with users: by a key, by a login, and as nobody."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest

from blacklake.cli import app
from blacklake.docker_config import DockerConfig
from blacklake.references import Named, named
from blacklake.settings import Refused
from tests.http.admin import Governed, token
from tests.http.artifacts import known, push, safetensors

CARD = b"---\nlicense: mit\n---\n# A model\n"


@pytest.fixture
def name(governed: Governed) -> str:
    found = f"acme/models/{uuid4().hex[:12]}"
    access = token(governed.registry, "root", f"repository:{found}:pull,push").json()["token"]
    files = {"m.safetensors": safetensors(a=("F32", [2], b"\x01")), "README.md": CARD}
    push(governed.registry, found, files, headers={"Authorization": f"Bearer {access}"})
    known(governed.by("root"), found)
    return found


def run(*words: str) -> None:
    app(list(words), exit_on_error=False, print_error=False)


@pytest.mark.parametrize("way", ["by a key", "by a login"])
def test_who_may_pull_is_shown_an_artifact(
    governed: Governed,
    name: str,
    way: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    host = governed.registry.url.removeprefix("http://")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    if way == "by a key":
        monkeypatch.setenv("BLACKLAKE_API_KEY", governed.keys["alice"])
    else:
        given = token(governed.registry, "alice", offline_token="true", client_id="blacklake").json()
        DockerConfig.of_user().store(host, "alice", given["refresh_token"])
    run("inspect", f"{host}/{name}:v1")
    assert json.loads(capfdbinary.readouterr().out)["metadata"]["parameters"] == 2
    run("files", f"{host}/{name}:v1", "README.md")
    assert capfdbinary.readouterr().out == CARD
    run("files", f"{name}:v1", "--server", governed.registry.url, "--json")
    assert [json.loads(line)["path"] for line in capfdbinary.readouterr().out.splitlines()] == [
        "README.md",
        "m.safetensors",
    ]
    run("diff", f"{host}/{name}:v1", f"{host}/{name}:v1", "--json")
    assert json.loads(capfdbinary.readouterr().out)["tensors"]["unchanged_total"] == 1


def test_who_may_not_is_told_that_there_is_none(
    governed: Governed, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    host = governed.registry.url.removeprefix("http://")
    with pytest.raises(Refused, match="is not in repository"):
        run("inspect", f"{host}/{name}:v1")
    with pytest.raises(Refused, match="no registry is named"):
        run("inspect", f"{name}:v1")
    with pytest.raises(Refused, match="of one registry"):
        run("diff", f"one.example/{name}:v1", f"two.example/{name}:v1")


def test_references_are_those_of_other_clients() -> None:
    digest = f"sha256:{'0' * 64}"
    assert named("registry.example/team/model:v1") == Named("registry.example", "team/model", "v1")
    assert named("localhost:5000/model") == Named("localhost:5000", "model", "latest")
    assert named(f"host:1/a/b:v1@{digest}") == Named("host:1", "a/b", digest)
    assert named("team/model:v1") == Named(None, "team/model", "v1")
    assert named("[::1]:5000/a/b") == Named("[::1]:5000", "a/b", "latest")
    assert named("Team/model") == Named("team", "model", "latest")
    for odd in ("", "team/Model", "team//model:", "https://registry.example/a/b", "a:b:c"):
        with pytest.raises(Refused, match="names no artifact"):
            named(odd)
