"""An artifact is read from its manifest and config; a config that readers could read differently is none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mediatypes.digest import Digest
from mediatypes.documents import MAX_DEPTH, MAX_SIZE
from mediatypes.models.artifact import parse_artifact
from mediatypes.oci import DOCKER_MANIFEST, IMAGE_INDEX, IMAGE_MANIFEST


def descriptor(media_type: str, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": str(Digest.of(b"x")), "size": 1, **more}


def manifest(**more: Any) -> bytes:
    return json.dumps({"schemaVersion": 2, "config": descriptor("a/config"), "layers": [], **more}).encode()


def config(content: bytes) -> Any:
    return parse_artifact(manifest(), content).config_document


def test_what_a_manifest_names_is_there_with_the_fields_that_only_a_tool_knows() -> None:
    layer = descriptor("a/layer", annotations={"k": "v"}, **{"from": "llama2"})
    found = parse_artifact(
        manifest(layers=[layer], subject=descriptor("a/subject"), annotations={"n": "w"}), b'{"a": 1}'
    )
    assert found.media_type == IMAGE_MANIFEST
    assert found.config is not None
    assert found.config.media_type == "a/config"
    assert [(item.media_type, item.digest, item.size, item.annotations) for item in found.layers] == [
        ("a/layer", str(Digest.of(b"x")), 1, {"k": "v"})
    ]
    assert found.layers[0].document["from"] == "llama2"
    assert found.subject is not None
    assert found.subject.media_type == "a/subject"
    assert found.annotations == {"n": "w"}
    assert found.config_document == {"a": 1}


def test_the_artifact_type_is_the_manifests_own_or_that_of_the_config() -> None:
    assert parse_artifact(manifest(artifactType="a/own"), None).artifact_type == "a/own"
    assert parse_artifact(manifest(artifactType=""), None).artifact_type == "a/config"


def test_an_index_has_manifests_and_no_config() -> None:
    content = json.dumps({"schemaVersion": 2, "manifests": [descriptor(IMAGE_MANIFEST)]}).encode()
    found = parse_artifact(content, None)
    assert found.media_type == IMAGE_INDEX
    assert (found.config, found.artifact_type, found.layers) == (None, None, ())
    assert [child.media_type for child in found.manifests] == [IMAGE_MANIFEST]


def test_a_manifest_that_says_its_media_type_has_that() -> None:
    assert parse_artifact(manifest(mediaType=DOCKER_MANIFEST), None).media_type == DOCKER_MANIFEST


@pytest.mark.parametrize("odd", [None, [], "text", 7, {"k": 1}, {"k": None, "l": []}])
def test_a_descriptors_annotations_that_are_no_texts_are_left_out(odd: object) -> None:
    assert parse_artifact(manifest(layers=[descriptor("a/b", annotations=odd)]), None).layers[0].annotations == {}


def test_a_config_that_nobody_has_is_none() -> None:
    assert parse_artifact(manifest(), None).config_document is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        b"{",
        b'{"a": 1, "a": 1}',
        b'{"a": {"b": 1, "b": 2}}',
        b'{"a": NaN}',
        b"-Infinity",
        b'"\xff"',
        b"\xef\xbb\xbf{}",
        b"1" * 5000,
        b"[" * 100_000,
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        b'{"a":' * MAX_DEPTH + b"{}" + b"}" * MAX_DEPTH,
        b" " * MAX_SIZE + b"1",
    ],
    ids=lambda content: f"{content[:12]!r}",
)
def test_a_config_that_is_no_plain_json_is_none(content: bytes) -> None:
    assert config(content) is None


def test_a_config_may_be_as_deep_and_as_large_as_a_manifest() -> None:
    assert config(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH) is not None
    assert config(b" " * (MAX_SIZE - 1) + b"1") == 1
