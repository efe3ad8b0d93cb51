"""Tensor indexes that a running registry publishes, as oras sees them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from conformance.tools import path_of
from tests.core.test_extraction import WEIGHTS
from tests.http.admin import Api
from tests.http.server import Registry
from tests.lifecycle.serving import eventually
from tests.lifecycle.serving import run as blacklake
from tests.tools import needed

TENSOR_INDEX = "application/vnd.blacklake.tensorindex.v1+json"


def test_oras_discovers_and_pulls_the_tensor_index_of_what_it_pushed(
    registry: Registry, repo: str, tmp_path: Path
) -> None:
    oras = needed(path_of, "oras")
    reference = f"127.0.0.1:{registry.port}/{repo}"

    def run(*arguments: str) -> str:
        command = [str(oras), *arguments, "--plain-http"]
        done = subprocess.run(
            command, cwd=tmp_path, env={"HOME": str(tmp_path)}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def discovered() -> list[dict[str, Any]]:
        tree = json.loads(run("discover", f"{reference}:v1", "--format", "json"))
        found: list[dict[str, Any]] = tree.get("referrers", tree.get("manifests")) or []
        return found

    done = blacklake("admin", "artifacts", "publish", "on", f"{repo}*", data_dir=registry.directory)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"tensor indexes of {repo}* will be published with what is described from now on\n"
    (tmp_path / "model.safetensors").write_bytes(WEIGHTS)
    run("push", f"{reference}:v1", "model.safetensors:application/octet-stream")
    eventually(lambda: bool(discovered()), "a referrer")
    (referrer,) = discovered()
    assert referrer["artifactType"] == TENSOR_INDEX
    (tmp_path / "pulled").mkdir()
    run("pull", f"{reference}@{referrer['digest']}", "--output", "pulled")
    spec = json.loads((tmp_path / "pulled" / "tensor-index.json").read_text())["spec"]
    (file,) = spec["files"]
    assert (spec["tensors"], file["path"]) == (2, "model.safetensors")
    assert [tensor["name"] for tensor in file["tensors"]] == ["embed", "norm"]
    jobs = Api(registry, {}).get("/jobs", params={"repository": repo})["items"]
    assert [(job["kind"], job["state"]) for job in jobs] == [("publish", "done"), ("describe", "done")]
    off = blacklake("admin", "artifacts", "publish", "off", f"{repo}*", data_dir=registry.directory)
    assert off.stdout.endswith("will not be published any more; those that were stay\n")
    wrong = blacklake("admin", "artifacts", "publish", "on", "No", data_dir=registry.directory)
    assert wrong.returncode == 1
    assert "organisation “No” is not lower-case" in wrong.stderr
