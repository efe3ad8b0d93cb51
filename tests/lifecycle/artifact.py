"""One pushed artifact, to see later whether it is still served."""

from __future__ import annotations

import hashlib
import json
import random
from typing import NamedTuple

import requests

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Artifact(NamedTuple):
    """A repository with a tag `v1`, whose manifest has one layer."""

    repository: str
    manifest: bytes
    layer: bytes

    @property
    def layer_path(self) -> str:
        return f"/v2/{self.repository}/blobs/{digest(self.layer)}"


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def push(url: str, repository: str = "team/bert", size: int = 100_000) -> Artifact:
    """Push an artifact with a random layer of `size` bytes."""
    layer = random.randbytes(size)
    described = {"mediaType": "application/octet-stream", "digest": digest(layer), "size": size}
    manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "a/b", "config": described, "layers": [described]}
    ).encode()
    requests.post(f"{url}/v2/{repository}/blobs/uploads/?digest={digest(layer)}", layer).raise_for_status()
    headers = {"Content-Type": MANIFEST}
    requests.put(f"{url}/v2/{repository}/manifests/v1", manifest, headers=headers).raise_for_status()
    return Artifact(repository, manifest, layer)


def assert_served(url: str, artifact: Artifact) -> None:
    """Pull the artifact by its tag and compare every byte."""
    pulled = requests.get(f"{url}/v2/{artifact.repository}/manifests/v1")
    assert (pulled.status_code, pulled.content) == (200, artifact.manifest)
    layer = requests.get(url + artifact.layer_path)
    assert layer.status_code == 200
    assert layer.content == artifact.layer
