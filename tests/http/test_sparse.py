"""BLACKLAKE_SPARSE: which manifests may name content that their repository does not hold."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.http.client import INDEX, Client, descriptor, digest_of, image_of, index_of, refusal
from tests.http.conftest import fresh
from tests.http.server import serving

ABSENT = image_of(annotations={"pushed": "never"})


@pytest.fixture(scope="module")
def allowing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serving(tmp_path_factory.mktemp("allow"), sparse="allow") as registry:
        yield Client(registry)


@pytest.fixture(scope="module")
def indexing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serving(tmp_path_factory.mktemp("index"), sparse="index") as registry:
        yield Client(registry)


@pytest.fixture(params=["indexing", "allowing"])
def sparse(request: pytest.FixtureRequest) -> Client:
    """Return a client of a registry that takes sparse indexes, or every sparse manifest."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Client)
    return found


def test_an_index_may_name_absent_children(sparse: Client) -> None:
    repo = fresh()
    there = sparse.push_image(repo)
    content = index_of(ABSENT, there)
    sparse.push_manifest(repo, content, "all", INDEX)
    assert sparse.get(f"/v2/{repo}/manifests/all").content == content
    refusal(sparse.get(f"/v2/{repo}/manifests/{digest_of(ABSENT)}"), 404, "MANIFEST_UNKNOWN")


def test_a_child_that_was_absent_can_be_pushed_later(sparse: Client) -> None:
    repo = fresh()
    sparse.push_manifest(repo, index_of(ABSENT), "all", INDEX)
    sparse.push_blob(repo, b"{}")
    sparse.push_manifest(repo, ABSENT)
    # From now on it is a child in use.
    refusal(sparse.delete(f"/v2/{repo}/manifests/{digest_of(ABSENT)}"), 403, "DENIED")


def test_where_only_indexes_may_be_sparse_an_image_is_refused(indexing: Client) -> None:
    answer = indexing.put_manifest(fresh(), image_of(b"absent"), "v1")
    assert refusal(answer, 404, "MANIFEST_BLOB_UNKNOWN")["missing"] == [digest_of(b"{}"), digest_of(b"absent")]


def test_where_all_may_be_sparse_an_image_is_taken(allowing: Client) -> None:
    repo, content = fresh(), image_of(b"absent")
    allowing.push_manifest(repo, content, "v1")
    assert allowing.get(f"/v2/{repo}/manifests/v1").content == content


def test_a_sparse_manifest_may_have_a_subject(allowing: Client) -> None:
    repo, content = fresh(), image_of(b"absent", subject=descriptor(ABSENT))
    digest = allowing.push_manifest(repo, content)
    found = allowing.get(f"/v2/{repo}/referrers/{digest_of(ABSENT)}").json()["manifests"]
    assert [item["digest"] for item in found] == [digest]


def test_what_a_sparse_manifest_names_is_checked_in_form_all_the_same(allowing: Client) -> None:
    content = image_of(layers=[{"mediaType": "a/b", "size": 1, "digest": "sha256:x"}])
    refusal(allowing.put_manifest(fresh(), content, "v1"), 400, "MANIFEST_INVALID")
