"""What people push with oras is recognised, and described as the formats' own libraries describe it."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from conformance.tools import path_of
from tests.lifecycle.conftest import assert_clean_log
from tests.lifecycle.packed import CASES, SPDX, Case
from tests.lifecycle.serving import Registry, eventually
from tests.mediatypes.files.libraries import contains
from tests.prepared import clone
from tests.tools import needed


class Client:
    """oras, and what a client asks the registry by HTTP."""

    def __init__(self, oras: Path, registry: Registry, place: Path) -> None:
        self._oras = oras
        self._registry = registry
        self._place = place

    @property
    def host(self) -> str:
        return self._registry.url.removeprefix("http://")

    def oras(self, *arguments: str, within: Path) -> str:
        """Run oras in a directory; it has no configuration of the user's."""
        command = [self._oras, *arguments]
        env = {"HOME": str(self._place), "PATH": "/usr/bin:/bin", "DOCKER_CONFIG": str(self._place)}
        done = subprocess.run(command, cwd=within, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def push(self, case: Case) -> str:
        """Push a case, and return the name of its repository."""
        repository = f"cases/{case.name}"
        place = self._place / case.name
        for path, content in case.files.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_bytes(content)
        if case.manifest_type is not None:
            self._push_manifest(case, repository, place)
            return repository
        arguments = ["push", "--plain-http", "--no-tty", *case.arguments]
        if case.config is not None:
            (self._place / "config.json").write_text(json.dumps(case.config[1]))
            arguments += ["--config", f"../config.json:{case.config[0]}"]
        if case.annotations:
            (self._place / "annotations.json").write_text(json.dumps(case.annotations))
            arguments += ["--annotation-file", "../annotations.json"]
        files = [f"{path}:{case.types[path]}" if path in case.types else path for path in case.pushed or case.files]
        self.oras(*arguments, f"{self.host}/{repository}:v1", *files, within=place)
        return repository

    def _push_manifest(self, case: Case, repository: str, place: Path) -> None:
        assert case.config is not None

        def blob(content: bytes, media_type: str) -> dict[str, Any]:
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
            (place / "blob").write_bytes(content)
            self.oras("blob", "push", "--plain-http", f"{self.host}/{repository}@{digest}", "blob", within=place)
            return {"mediaType": media_type, "digest": digest, "size": len(content)}

        manifest = {
            "schemaVersion": 2,
            "mediaType": case.manifest_type,
            "config": blob(json.dumps(case.config[1]).encode(), case.config[0]),
            "layers": [blob(content, case.types[path]) for path, content in case.files.items()],
        }
        (place / "manifest.json").write_text(json.dumps(manifest))
        arguments = ("--plain-http", "--media-type", str(case.manifest_type), f"{self.host}/{repository}:v1")
        self.oras("manifest", "push", *arguments, "manifest.json", within=place)

    def attach(self, repository: str, name: str, content: bytes, media_type: str) -> None:
        """Attach a file to what is tagged v1."""
        (self._place / name).write_bytes(content)
        subject = f"{self.host}/{repository}:v1"
        arguments = (
            "attach",
            "--plain-http",
            "--no-tty",
            "--artifact-type",
            media_type,
            subject,
            f"{name}:{media_type}",
        )
        self.oras(*arguments, within=self._place)

    def get(self, path: str, **query: str) -> list[dict[str, Any]]:
        answer = requests.get(f"{self._registry.url}/api/v1/{path}", query, timeout=30)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    def wait(self, repository: str, jobs: int = 1) -> None:
        """Wait until what was pushed is described."""

        def is_done() -> bool:
            states = [job["state"] for job in self.get("jobs", repository=repository)]
            assert "failed" not in states
            return states == ["done"] * jobs

        eventually(is_done, f"the description of {repository}")


@pytest.fixture(scope="module")
def client(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Return a client of an open registry, to which all cases were pushed."""
    place = tmp_path_factory.mktemp("formats")
    with Registry(clone(made, place / "data")) as registry:
        registry.start()
        client = Client(needed(path_of, "oras"), registry, place)
        for case in CASES:
            client.push(case)
        yield client
        assert registry.stop() == 0
    assert_clean_log(registry)


def test_there_are_enough_cases() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 25


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_oras_has_pushed_is_found_and_described(client: Client, case: Case) -> None:
    repository = f"cases/{case.name}"
    client.wait(repository)
    [item] = client.get("artifacts", q=f"repo:{repository} {case.query}", limit="10")
    assert (item["repository"], item["tags"], item["kind"], item["format"]) == (
        repository,
        ["v1"],
        case.kind,
        case.format,
    )
    assert item["is_complete"], item
    assert case.expected
    told = {name: item["metadata"].get(name) for name in case.expected}
    assert contains(told, case.expected), (told, case.expected)


def test_an_sbom_that_is_attached_is_found_as_such(client: Client) -> None:
    client.wait("cases/onnx")
    client.attach("cases/onnx", "sbom.spdx.json", json.dumps(SPDX).encode(), "application/spdx+json")
    client.wait("cases/onnx", 2)
    [item] = client.get("artifacts", q="repo:cases/onnx kind:sbom")
    assert (item["kind"], item["format"]) == ("sbom", "spdx")
    [model] = client.get("artifacts", q="repo:cases/onnx kind:model")
    assert model["tags"] == ["v1"]
