"""Artifacts that are pushed to be signed, and all that a registry has of one, read over plain HTTP."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests

from signing.evidence import Attached, Evidence
from signing.making.artifacts import Made

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
ARTIFACT = "application/vnd.cncf.model.manifest.v1+json"
PATIENCE = 30


@dataclass(frozen=True)
class Artifact:
    """An artifact in the registry at `host`."""

    host: str
    repository: str
    digest: str
    media_type: str
    content: bytes

    @property
    def reference(self) -> str:
        return f"{self.host}/{self.repository}@{self.digest}"

    @property
    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content)}

    def evidence(self) -> Evidence:
        """Return it with all that is attached to it now."""
        attached = tuple(self._attached())
        return Evidence(digest=self.digest, media_type=self.media_type, content=self.content, attached=attached)

    def attach(self, made: Made) -> None:
        """Push what was made to be attached to it."""
        for blob in made.blobs:
            _push_blob(self.host, self.repository, blob.content)
        _push(self.host, self.repository, made.tag or made.digest, made.media_type, made.content)

    def _attached(self) -> Iterator[Attached]:
        base = f"http://{self.host}/v2/{self.repository}"
        listed = requests.get(f"{base}/referrers/{self.digest}", timeout=PATIENCE)
        listed.raise_for_status()
        for descriptor in listed.json()["manifests"]:
            yield _read(base, descriptor["digest"], "referrer")
        for suffix in ("sig", "att"):
            tag = f"{self.digest.replace(':', '-')}.{suffix}"
            if requests.head(f"{base}/manifests/{tag}", timeout=PATIENCE).status_code == 200:
                yield _read(base, tag, tag)


def _read(base: str, reference: str, origin: str) -> Attached:
    answer = requests.get(f"{base}/manifests/{reference}", timeout=PATIENCE)
    answer.raise_for_status()
    manifest = answer.json()
    blobs = {}
    for descriptor in (*manifest["layers"], manifest["config"]):
        blob = requests.get(f"{base}/blobs/{descriptor['digest']}", timeout=PATIENCE)
        blob.raise_for_status()
        blobs[descriptor["digest"]] = blob.content
    return Attached(origin, _digest(answer.content), answer.headers["Content-Type"], answer.content, blobs)


def pushed_image(host: str, repository: str, *, artifact_type: str = ARTIFACT) -> Artifact:
    """Push an artifact that there is only once."""
    config, layer = (_push_blob(host, repository, content) for content in (b"{}", secrets.token_bytes(1000)))
    document = {
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "artifactType": artifact_type,
        "config": {**config, "mediaType": "application/vnd.oci.empty.v1+json"},
        "layers": [layer],
    }
    return _pushed(host, repository, IMAGE, document)


def pushed_index(host: str, repository: str, *children: Artifact) -> Artifact:
    """Push an index of artifacts of the same repository."""
    platforms = ("amd64", "arm64", "riscv64")
    manifests = [
        {**child.descriptor, "platform": {"os": "linux", "architecture": platform}}
        for child, platform in zip(children, platforms, strict=False)
    ]
    return _pushed(host, repository, INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})


def _pushed(host: str, repository: str, media_type: str, document: dict[str, Any]) -> Artifact:
    content = json.dumps(document).encode()
    digest = _digest(content)
    _push(host, repository, digest, media_type, content)
    return Artifact(host, repository, digest, media_type, content)


def _push_blob(host: str, repository: str, content: bytes) -> dict[str, Any]:
    digest = _digest(content)
    url = f"http://{host}/v2/{repository}/blobs/uploads/"
    requests.post(url, params={"digest": digest}, data=content, timeout=PATIENCE).raise_for_status()
    return {"mediaType": "application/octet-stream", "digest": digest, "size": len(content)}


def _push(host: str, repository: str, reference: str, media_type: str, content: bytes) -> None:
    url = f"http://{host}/v2/{repository}/manifests/{reference}"
    requests.put(url, content, headers={"Content-Type": media_type}, timeout=PATIENCE).raise_for_status()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
