"""Artifacts for tests of the API: pushed as ORAS does, and waited for until it is known what they are."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import struct
import tarfile
from collections.abc import Mapping
from typing import Any

import requests

from tests.http.admin import Api
from tests.http.client import PATIENCE
from tests.http.server import Registry
from tests.lifecycle.serving import eventually

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
TITLE = "org.opencontainers.image.title"
LAYER = "application/vnd.oci.image.layer.v1."
SIZES = {"F32": 4, "BF16": 2}


def safetensors(**tensors: tuple[str, list[int], bytes]) -> bytes:
    """Return a file of tensors, each of a dtype and a shape, with one byte over and over."""
    header: dict[str, object] = {"__metadata__": {"format": "pt", "license": "mit"}}
    content = b""
    for name, (dtype, shape, byte) in tensors.items():
        size = SIZES[dtype]
        for length in shape:
            size *= length
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(content), len(content) + size]}
        content += byte * size
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + content


def tar(files: Mapping[str, bytes], *, is_compressed: bool = False) -> bytes:
    """Return an archive."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(made.getvalue()) if is_compressed else made.getvalue()


def push_blob(registry: Registry, name: str, content: bytes, **headers: str) -> dict[str, Any]:
    """Push a blob and return its descriptor."""
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    url = f"{registry.url}/v2/{name}/blobs/uploads/?digest={digest}"
    answer = requests.post(url, content, headers=headers, timeout=PATIENCE)
    assert answer.status_code == 201, answer.text
    registry.blobs.add(digest.removeprefix("sha256:"))
    return {"mediaType": "application/octet-stream", "digest": digest, "size": len(content)}


def push_manifest(registry: Registry, name: str, tag: str, document: dict[str, Any], **headers: str) -> str:
    """Push a manifest and return its digest."""
    url = f"{registry.url}/v2/{name}/manifests/{tag}"
    answer = requests.put(
        url, json.dumps(document), headers=headers | {"Content-Type": document["mediaType"]}, timeout=PATIENCE
    )
    assert answer.status_code == 201, answer.text
    return answer.headers["Docker-Content-Digest"]


def push(
    registry: Registry,
    name: str,
    files: Mapping[str, bytes],
    *,
    tag: str = "v1",
    types: Mapping[str, str] | None = None,
    config: bytes = b"{}",
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> str:
    """Push files as ORAS does, each a layer with its title, and return the manifest's digest; `types` are media types."""
    given = dict(headers or {})
    layers = []
    for path, content in files.items():
        layer = push_blob(registry, name, content, **given)
        layers.append(layer | {"annotations": {TITLE: path}, "mediaType": (types or {}).get(path, layer["mediaType"])})
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": "application/vnd.example.model",
        "config": push_blob(registry, name, config, **given) | {"mediaType": "application/vnd.example.config+json"},
        "layers": layers,
        **more,
    }
    return push_manifest(registry, name, tag, document, **given)


def known(api: Api, name: str, reference: str = "v1") -> dict[str, Any]:
    """Return an artifact, when it is known what it is."""
    path = f"/repositories/{name}/-/artifacts/{reference}"
    eventually(lambda: api.get(path)["kind"] is not None, f"{name} is described")
    found: dict[str, Any] = api.get(path)
    return found
