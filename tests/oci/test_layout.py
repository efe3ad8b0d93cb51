"""Layouts on disk, also those that somebody has prepared."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from blacklake.oci.contents import Absent, OciFailed, Unavailable, Unsound
from blacklake.oci.layout import Layout
from mediatypes.digest import Digest
from tests.http.client import IMAGE, INDEX, descriptor, image_of, index_of
from tests.oci.layouts import Laid

CONTENT = image_of(b"layer")
DIGEST = Digest.of(CONTENT)


@pytest.fixture
def laid(tmp_path: Path) -> Laid:
    found = Laid(tmp_path / "layout")
    found.manifest(CONTENT, "v1")
    return found


def test_an_artifact_is_found_by_its_tag_its_digest_or_alone(laid: Laid) -> None:
    layout = Layout(laid.directory)
    found = layout.manifest("v1")
    assert (found.digest, found.media_type, found.content) == (DIGEST, IMAGE, CONTENT)
    assert layout.manifest(str(DIGEST)) == found
    assert layout.only() == str(DIGEST)
    with pytest.raises(Absent, match="no tag v2"):
        layout.manifest("v2")


def test_signatures_do_not_count_where_the_artifact_is_alone(laid: Laid) -> None:
    laid.manifest(image_of(b"sig", subject=descriptor(CONTENT, IMAGE)))
    laid.manifest(image_of(b"old"), f"sha256-{DIGEST.encoded}.sig")
    laid.manifest(image_of(b"saved"), kind="dev.cosignproject.cosign/sigs")
    assert Layout(laid.directory).only() == str(DIGEST)
    laid.manifest(image_of(b"another"), "v2")
    with pytest.raises(Unavailable, match=r"holds 2 artifacts: name one by a tag \(.*v1, v2\)"):
        Layout(laid.directory).only()


def test_referrers_are_found_by_their_subject_wherever_they_are_listed(laid: Laid) -> None:
    near = image_of(b"near", subject=descriptor(CONTENT, IMAGE), artifactType="application/x")
    far = image_of(b"far", subject=descriptor(CONTENT, IMAGE), mediaType=None)
    laid.manifest(near)
    laid.manifest(image_of(b"of another", subject=descriptor(b"another", IMAGE)))
    laid.blob(far)
    laid.manifest(index_of(far), f"sha256-{DIGEST.encoded}", INDEX)
    found = {one.digest: one.artifact_type for one in Layout(laid.directory).referrers(DIGEST)}
    assert found.keys() == {Digest.of(near), Digest.of(far)}
    assert found[Digest.of(near)] == "application/x"


def test_a_manifest_that_does_not_say_what_it_is_is_what_the_index_says(laid: Laid) -> None:
    silent = image_of(b"silent", mediaType=None)
    laid.blob(silent)
    laid.manifest(index_of(silent), "many", INDEX)
    assert Layout(laid.directory).manifest(str(Digest.of(silent))).media_type == IMAGE


def test_what_was_changed_is_told(laid: Laid) -> None:
    laid.path(str(DIGEST)).write_bytes(CONTENT + b" ")
    with pytest.raises(Unsound, match="is not what its digest says"):
        Layout(laid.directory).manifest("v1")
    laid.path(str(DIGEST)).unlink()
    with pytest.raises(Absent, match="is not there"):
        Layout(laid.directory).manifest("v1")


def test_nothing_is_waited_for_and_nothing_else_is_read(laid: Laid) -> None:
    digest = Digest.of(b"x")
    path = laid.path(str(digest))
    os.mkfifo(path)
    layout = Layout(laid.directory)
    with pytest.raises(Unavailable, match="is no file"):
        layout.blob(digest, 10)
    path.unlink()
    path.symlink_to("/etc/passwd")
    with pytest.raises(Unsound):
        layout.blob(digest, 1 << 20)
    path.unlink()
    path.mkdir()
    with pytest.raises(Unavailable, match=r"can't be read|is no file"):
        layout.blob(digest, 10)


@pytest.mark.parametrize("digest", ["sha256:../../../../etc/passwd", "../x", "", "sha256:" + "0" * 63 + "/"])
def test_no_digest_leads_out_of_the_layout(laid: Laid, digest: str) -> None:
    laid.index(
        {"mediaType": IMAGE, "digest": digest, "size": 1, "annotations": {"org.opencontainers.image.ref.name": "e"}}
    )
    layout = Layout(laid.directory)
    with pytest.raises(Absent):
        layout.manifest("e")
    with pytest.raises(OciFailed):
        layout.manifest(digest or ":")


def test_a_tag_of_two_artifacts_names_none(laid: Laid) -> None:
    laid.manifest(image_of(b"other"), "v1")
    with pytest.raises(Unsound, match="names 2 artifacts by the tag v1"):
        Layout(laid.directory).manifest("v1")


def test_a_type_that_the_bytes_contradict_is_told(laid: Laid) -> None:
    laid.manifest(index_of(CONTENT), "odd", IMAGE)
    with pytest.raises(Unsound, match="but was sent as"):
        Layout(laid.directory).manifest("odd")


def test_indexes_in_a_circle_or_without_number_come_to_an_end(laid: Laid, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blacklake.oci.layout._MOST_MANIFESTS", 5)
    children = [image_of(b"%d" % number) for number in range(6)]
    laid.manifest(index_of(*children), "many", INDEX)
    with pytest.raises(Unavailable, match="more than 5 manifests"):
        list(Layout(laid.directory).referrers(DIGEST))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("oci-layout", None, "is not there"),
        ("oci-layout", b"{}", "no OCI image layout"),
        ("oci-layout", b'{"imageLayoutVersion": "2.0.0"}', "no OCI image layout"),
        ("index.json", None, "is not there"),
        ("index.json", b"[]", "is no index"),
        ("index.json", b'{"manifests": {}}', "is no index"),
        ("index.json", b'{"manifests": [], "manifests": []}', "is no index"),
        ("index.json", b" " * ((4 << 20) + 1), "more than is read"),
    ],
)
def test_what_is_no_layout_is_said(laid: Laid, name: str, content: bytes | None, said: str) -> None:
    path = laid.directory / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(OciFailed, match=said):
        Layout(laid.directory)


@pytest.mark.parametrize("entry", [7, {}, {"digest": 7}, {"digest": str(DIGEST), "annotations": 7, "mediaType": 7}])
def test_odd_entries_are_nothing(laid: Laid, entry: object) -> None:
    document = json.loads((laid.directory / "index.json").read_text())
    document["manifests"].insert(0, entry)
    (laid.directory / "index.json").write_text(json.dumps(document))
    layout = Layout(laid.directory)
    assert layout.manifest("v1").digest == DIGEST
    assert list(layout.referrers(DIGEST)) == []
