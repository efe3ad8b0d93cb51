"""end-11: blobs mounted from other repositories."""

from __future__ import annotations

import os

import pytest

from tests.http.client import Client, digest_of, refusal

CONTENT = os.urandom(5000)
DIGEST = digest_of(CONTENT)


@pytest.fixture(autouse=True)
def source(client: Client, other: str) -> str:
    """Return the name of a repository that holds CONTENT."""
    client.push_blob(other, CONTENT)
    return other


def test_a_blob_is_mounted_from_the_repository_that_holds_it(client: Client, repo: str, source: str) -> None:
    answer = client.post(f"/v2/{repo}/blobs/uploads/", params={"mount": DIGEST, "from": source})
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/v2/{repo}/blobs/{DIGEST}"
    assert answer.headers["Docker-Content-Digest"] == DIGEST
    assert client.get(answer.headers["Location"]).content == CONTENT


@pytest.mark.parametrize("params", [{}, {"from": ""}], ids=["absent", "empty"])
def test_without_from_a_blob_is_mounted_from_wherever_it_is(client: Client, repo: str, params: dict[str, str]) -> None:
    answer = client.post(f"/v2/{repo}/blobs/uploads/", params={"mount": DIGEST, **params})
    assert answer.status_code == 201
    assert client.get(f"/v2/{repo}/blobs/{DIGEST}").content == CONTENT


def test_a_mounted_blob_stays_when_its_source_deletes_it(client: Client, repo: str, source: str) -> None:
    client.post(f"/v2/{repo}/blobs/uploads/", params={"mount": DIGEST, "from": source})
    assert client.delete(f"/v2/{source}/blobs/{DIGEST}").status_code == 202
    assert client.get(f"/v2/{repo}/blobs/{DIGEST}").content == CONTENT


def test_mounting_a_blob_that_is_mounted_already_succeeds(client: Client, repo: str, source: str) -> None:
    for _ in range(2):
        answer = client.post(f"/v2/{repo}/blobs/uploads/", params={"mount": DIGEST, "from": source})
        assert answer.status_code == 201


def test_a_mount_is_enough_for_a_manifest(client: Client, repo: str, source: str) -> None:
    client.post(f"/v2/{repo}/blobs/uploads/", params={"mount": DIGEST, "from": source})
    client.push_image(repo, "v1", CONTENT)


@pytest.mark.parametrize("given", ["nobody/has/this", None], ids=["unknown source", "no source"])
def test_mounting_a_missing_blob_begins_an_upload_that_works(client: Client, repo: str, given: str | None) -> None:
    content = os.urandom(100)
    client.expect(content)
    params = {"mount": digest_of(content)} | ({"from": given} if given else {})
    answer = client.post(f"/v2/{repo}/blobs/uploads/", params=params)
    assert answer.status_code == 202
    assert client.finish(answer.headers["Location"], digest_of(content), content).status_code == 201
    assert client.get(f"/v2/{repo}/blobs/{digest_of(content)}").content == content


def test_a_blob_that_the_named_source_does_not_hold_is_not_mounted(client: Client, repo: str) -> None:
    answer = client.post(f"/v2/{repo}/blobs/uploads/", params={"mount": DIGEST, "from": f"{repo}/empty"})
    assert answer.status_code == 202
    refusal(client.get(f"/v2/{repo}/blobs/{DIGEST}"), 404, "BLOB_UNKNOWN")


def test_a_deleted_blob_is_not_mounted_from_where_it_was(client: Client, repo: str, source: str) -> None:
    client.delete(f"/v2/{source}/blobs/{DIGEST}")
    answer = client.post(f"/v2/{repo}/blobs/uploads/", params={"mount": DIGEST, "from": source})
    assert answer.status_code == 202


def test_mounting_what_is_no_digest_is_refused(client: Client, repo: str) -> None:
    answer = client.post(f"/v2/{repo}/blobs/uploads/", params={"mount": "sha256:nonsense"})
    refusal(answer, 400, "DIGEST_INVALID")


def test_mounting_from_what_is_no_name_is_refused(client: Client, repo: str) -> None:
    answer = client.post(f"/v2/{repo}/blobs/uploads/", params={"mount": DIGEST, "from": "../etc"})
    assert refusal(answer, 400, "NAME_INVALID")["name"] == "../etc"
