"""Manifests as the world's tools write them, and what each of them names."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import pytest

from mediatypes.digest import Digest
from mediatypes.manifest import parse_manifest
from mediatypes.oci import DOCKER_LIST, DOCKER_MANIFEST, IMAGE_INDEX, IMAGE_MANIFEST

GOLDEN = Path(__file__).with_name("golden")


class Golden(NamedTuple):
    """What a file of `golden/` names; contents by the words whose digests they have there."""

    media_type: str
    artifact_type: str | None = None
    blobs: tuple[str, ...] = ()
    not_required: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    subject: str | None = None
    annotations: int = 0


FILES = {
    "docker-image": Golden(
        DOCKER_MANIFEST,
        "application/vnd.docker.container.image.v1+json",
        blobs=("config", "base", "windows"),
        not_required=("windows",),
    ),
    "docker-list": Golden(DOCKER_LIST, children=("amd64", "arm")),
    "oci-index-with-attestation": Golden(IMAGE_INDEX, children=("amd64", "attestation")),
    "oras-artifact": Golden(
        IMAGE_MANIFEST, "application/vnd.example.model", blobs=("{}", "model.safetensors"), annotations=1
    ),
    "oras-attached-sbom": Golden(
        IMAGE_MANIFEST, "application/spdx+json", blobs=("{}", "sbom"), subject="image", annotations=1
    ),
    "cosign-signature": Golden(
        IMAGE_MANIFEST, "application/vnd.oci.image.config.v1+json", blobs=("cosign-config", "payload")
    ),
    "helm-chart": Golden(
        IMAGE_MANIFEST, "application/vnd.cncf.helm.config.v1+json", blobs=("helm-config", "chart"), annotations=2
    ),
    "modelpack": Golden(
        IMAGE_MANIFEST, "application/vnd.cncf.model.manifest.v1+json", blobs=("model-config", "weights", "readme")
    ),
    "ollama-model": Golden(
        DOCKER_MANIFEST,
        "application/vnd.docker.container.image.v1+json",
        blobs=("ollama-config", "gguf", "template", "license"),
    ),
}


def named(*words: str) -> tuple[Digest, ...]:
    return tuple(Digest("sha256", hashlib.sha256(word.encode()).hexdigest()) for word in words)


def test_every_file_has_its_expectation() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == FILES.keys()


@pytest.mark.parametrize("name", FILES)
def test_a_manifest_of_a_known_tool_is_read(name: str) -> None:
    expected = FILES[name]
    found = parse_manifest((GOLDEN / f"{name}.json").read_bytes(), expected.media_type)
    assert found.artifact_type == expected.artifact_type
    assert found.blobs == named(*expected.blobs)
    assert found.required == set(found.blobs) - set(named(*expected.not_required))
    assert found.children == named(*expected.children)
    assert found.subject == (named(expected.subject)[0] if expected.subject else None)
    assert len(found.annotations) == expected.annotations
