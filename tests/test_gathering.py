"""What is gathered of an artifact, what is left out, and whether that was all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from blacklake import gathering
from blacklake.gathering import Gathered, gather
from blacklake.locations import LocationOptions, location, opened
from blacklake.oci import connection as connections
from blacklake.oci.contents import Absent
from mediatypes.digest import Digest
from tests.http.client import EMPTY, IMAGE, INDEX, descriptor, digest_of, image_of, index_of
from tests.oci.layouts import Laid
from tests.oci.servers import Reply, Scripted, scripted

NAME = "team/model"
CONTENT = image_of(b"layer")
DIGEST = Digest.of(CONTENT)
SIG = f"sha256-{DIGEST.encoded}.sig"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Scripted]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(connections, "_LONGEST_WAIT", 0.01)
    with scripted() as found:
        found.has_manifest(NAME, CONTENT, "v1")
        yield found


def gathered(registry: Scripted) -> Gathered:
    with opened(location(f"{registry.host}/{NAME}:v1"), LocationOptions()) as (source, reference):
        return gather(source, reference)


def refers(registry: Scripted, *layers: bytes, **more: object) -> bytes:
    """Let a manifest refer to the artifact."""
    content = image_of(*layers, subject=descriptor(CONTENT, IMAGE), **more)  # type: ignore[arg-type]
    for layer in layers:
        registry.has_blob(NAME, layer)
    registry.has_manifest(NAME, content)
    return content


def lists(registry: Scripted, *referrers: bytes) -> None:
    registry.answers["GET", f"/v2/{NAME}/referrers/{DIGEST}"] = Reply(200, index_of(*referrers))


def test_what_nobody_speaks_of_is_whole(registry: Scripted) -> None:
    found = gathered(registry)
    assert found.is_whole
    assert found.evidence.digest == str(DIGEST)
    assert (found.evidence.media_type, found.evidence.content) == (IMAGE, CONTENT)
    assert (found.evidence.attached, found.evidence.problems) == ((), ())
    assert sum(one.path.endswith("/manifests/v1") for one in registry.asked) == 1  # a tag is resolved once


def test_referrers_and_tags_are_gathered_with_their_layers(registry: Scripted) -> None:
    referrer = refers(registry, b"bundle")
    lists(registry, referrer)
    fallback = refers(registry, b"fallback")
    registry.has_manifest(NAME, index_of(fallback, referrer), f"sha256-{DIGEST.encoded}", INDEX)
    tagged = {}
    for suffix in ("sig", "att", "sbom"):
        registry.has_blob(NAME, suffix.encode())
        digest = registry.has_manifest(NAME, image_of(suffix.encode()), f"sha256-{DIGEST.encoded}.{suffix}")
        tagged[digest] = suffix
    evidence, is_whole = gathered(registry)
    assert is_whole
    assert [(one.digest, one.origin.rpartition(".")[2]) for one in evidence.attached] == [
        *sorted(tagged.items()),
        *sorted((digest_of(one), "referrer") for one in (referrer, fallback)),
    ]
    by_content = {one.content: one.blobs for one in evidence.attached}
    assert by_content[referrer] == {digest_of(b"bundle"): b"bundle"}
    assert by_content[fallback] == {digest_of(b"fallback"): b"fallback"}
    assert all(one.missing == {} for one in evidence.attached)


def test_signatures_are_gathered_before_other_referrers(registry: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "MOST_ATTACHED", 1)
    other = refers(registry, b"x")
    signature = refers(registry, b"y", artifactType="application/vnd.dev.sigstore.bundle.v0.3+json")
    index = json.loads(index_of(other, signature))
    index["manifests"][1]["artifactType"] = "application/vnd.dev.sigstore.bundle.v0.3+json"
    registry.answers["GET", f"/v2/{NAME}/referrers/{DIGEST}"] = Reply(200, json.dumps(index).encode())
    found = gathered(registry)
    assert [one.content for one in found.evidence.attached] == [signature]
    assert found.evidence.problems == ("more than 1 manifests speak of it: the rest was not looked at",)
    assert not found.is_whole


def test_a_layer_that_was_changed_is_missing_and_that_is_all(registry: Scripted) -> None:
    lists(registry, refers(registry, b"bundle"))
    registry.answers["GET", f"/v2/{NAME}/blobs/{digest_of(b'bundle')}"] = Reply(200, b"BUNDLE")
    evidence, is_whole = gathered(registry)
    assert is_whole
    assert evidence.attached[0].blobs == {}
    assert "is not what its digest says" in evidence.attached[0].missing[digest_of(b"bundle")]


@pytest.mark.parametrize(
    "place",
    [
        f"/manifests/{SIG}",
        f"/referrers/{DIGEST}",
        f"/manifests/sha256-{DIGEST.encoded}",
        "/blobs/",
        "/manifests/sha256:",
    ],
)
def test_what_is_not_told_now_leaves_it_open(registry: Scripted, place: str) -> None:
    referrer = refers(registry, b"bundle")
    lists(registry, referrer)
    whole = {"/blobs/": f"/blobs/{digest_of(b'bundle')}", "/manifests/sha256:": f"/manifests/{digest_of(referrer)}"}
    registry.answers["GET", f"/v2/{NAME}{whole.get(place, place)}"] = Reply(500)
    evidence, is_whole = gathered(registry)
    assert not is_whole
    assert "status 500" in " ".join(
        [*evidence.problems, *(why for one in evidence.attached for why in one.missing.values())]
    )


def test_a_referrer_of_something_else_is_none(registry: Scripted) -> None:
    stranger = image_of(b"bundle", subject=descriptor(b"other", IMAGE))
    registry.has_manifest(NAME, stranger)
    lists(registry, stranger)
    evidence, is_whole = gathered(registry)
    assert evidence.attached == ()
    assert "refers to something else" in evidence.problems[0]
    assert is_whole


def test_layers_are_bounded_by_number_size_and_sum(registry: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "MOST_BLOBS", 2)
    monkeypatch.setattr(gathering, "LARGEST_BLOB", 10)
    monkeypatch.setattr(gathering, "LARGEST_EVIDENCE", 15)
    lists(
        registry, refers(registry, b"a" * 11, b"b" * 10, b"c"), refers(registry, b"d" * 6), refers(registry, b"e" * 5)
    )
    evidence, is_whole = gathered(registry)
    first, second, third = evidence.attached
    assert list(first.blobs.values()) == [b"b" * 10]
    assert [why.rpartition(": it ")[2] for why in first.missing.values()] == [
        "has more than 10 bytes",
        "is one of more than 2 layers",
    ]
    assert list(second.blobs.values()) == [b"e" * 5]
    assert "has more than 15 bytes" in third.missing[digest_of(b"d" * 6)]
    assert not is_whole


def test_a_layer_of_another_size_than_stated_is_missing(registry: Scripted) -> None:
    layer = {**descriptor(b"bundle"), "size": 5}
    content = json.loads(image_of(subject=descriptor(CONTENT, IMAGE)))
    content["layers"] = [layer]
    registry.has_blob(NAME, b"bundle")
    registry.has_manifest(NAME, json.dumps(content).encode())
    lists(registry, json.dumps(content).encode())
    ((why,),) = [one.missing.values() for one in gathered(registry).evidence.attached]
    assert "it has 6 bytes and not 5" in why


def test_a_layout_tells_the_same_and_what_cosign_saved(tmp_path: Path) -> None:
    laid = Laid(tmp_path / "layout")
    laid.manifest(CONTENT, "v1")
    for layer in (b"bundle", b"old", b"saved", b"{}"):
        laid.blob(layer)
    laid.manifest(image_of(b"bundle", config_type=EMPTY, subject=descriptor(CONTENT, IMAGE)))
    laid.manifest(image_of(b"old"), f"sha256-{DIGEST.encoded}.att")
    laid.manifest(image_of(b"saved"), kind="dev.cosignproject.cosign/sigs")
    with opened(location(f"oci-layout:{laid.directory}:v1"), LocationOptions()) as (source, reference):
        evidence, is_whole = gather(source, reference)
    assert is_whole
    assert {one.origin.rpartition(".")[2]: [*one.blobs.values()] for one in evidence.attached} == {
        "att": [b"old"],
        "sig": [b"saved"],
        "referrer": [b"bundle"],
    }


def test_an_artifact_that_is_not_there_is_said(registry: Scripted) -> None:
    with (
        opened(location(f"{registry.host}/{NAME}:v2"), LocationOptions()) as (source, reference),
        pytest.raises(Absent),
    ):
        gather(source, reference)
