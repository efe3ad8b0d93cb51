"""end-9, end-10: tags, manifests and blobs are deleted; what is in use is not."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.http.client import IMAGE, INDEX, Client, descriptor, digest_of, image_of, index_of, refusal
from tests.http.conftest import fresh
from tests.http.server import serving


def test_a_deleted_tag_is_gone_and_its_manifest_stays(client: Client, repo: str) -> None:
    content = client.push_image(repo, "v1")
    client.push_manifest(repo, content, "v2")
    answer = client.delete(f"/v2/{repo}/manifests/v1")
    assert answer.status_code == 202
    refusal(client.get(f"/v2/{repo}/manifests/v1"), 404, "MANIFEST_UNKNOWN")
    assert client.get(f"/v2/{repo}/manifests/v2").content == content
    assert client.get(f"/v2/{repo}/manifests/{digest_of(content)}").content == content
    assert client.get(f"/v2/{repo}/tags/list").json()["tags"] == ["v2"]


def test_a_deleted_manifest_is_gone_with_its_tags(client: Client, repo: str) -> None:
    content = client.push_image(repo, "v1")
    client.push_manifest(repo, content, "v2")
    assert client.delete(f"/v2/{repo}/manifests/{digest_of(content)}").status_code == 202
    for reference in ("v1", "v2", digest_of(content)):
        refusal(client.get(f"/v2/{repo}/manifests/{reference}"), 404, "MANIFEST_UNKNOWN")
        assert client.head(f"/v2/{repo}/manifests/{reference}").status_code == 404
    assert client.get(f"/v2/{repo}/tags/list").json()["tags"] == []


def test_a_deleted_manifest_can_be_pushed_again(client: Client, repo: str) -> None:
    content = client.push_image(repo, "v1")
    client.delete(f"/v2/{repo}/manifests/{digest_of(content)}")
    client.push_manifest(repo, content, "v1")
    assert client.get(f"/v2/{repo}/manifests/v1").content == content


def test_a_deleted_blob_is_gone_and_can_be_pushed_again(client: Client, repo: str) -> None:
    path = f"/v2/{repo}/blobs/{client.push_blob(repo, b'short-lived')}"
    assert client.delete(path).status_code == 202
    refusal(client.get(path), 404, "BLOB_UNKNOWN")
    assert client.head(path).status_code == 404
    client.push_blob(repo, b"short-lived")
    assert client.get(path).content == b"short-lived"


def test_what_is_deleted_already_is_not_found(client: Client, repo: str) -> None:
    content = client.push_image(repo, "v1", b"layer")
    for path, code in (
        (f"manifests/{digest_of(content)}", "MANIFEST_UNKNOWN"),
        (f"blobs/{digest_of(b'layer')}", "BLOB_UNKNOWN"),
    ):
        assert client.delete(f"/v2/{repo}/{path}").status_code == 202
        refusal(client.delete(f"/v2/{repo}/{path}"), 404, code)


def test_deleting_in_an_unknown_repository_finds_nothing(client: Client, repo: str) -> None:
    refusal(client.delete(f"/v2/{repo}/manifests/latest"), 404, "MANIFEST_UNKNOWN")
    refusal(client.delete(f"/v2/{repo}/manifests/{digest_of(b'')}"), 404, "MANIFEST_UNKNOWN")
    refusal(client.delete(f"/v2/{repo}/blobs/{digest_of(b'')}"), 404, "BLOB_UNKNOWN")


def test_a_blob_in_use_is_not_deleted_and_its_users_are_named(client: Client, repo: str) -> None:
    client.push_blob(repo, b"{}")
    client.push_blob(repo, b"shared")
    users = [client.push_manifest(repo, image_of(b"shared", annotations={"n": str(n)})) for n in range(12)]
    answer = client.delete(f"/v2/{repo}/blobs/{digest_of(b'shared')}")
    assert refusal(answer, 403, "DENIED")["used_by"] == sorted(users)[:10]
    assert client.get(f"/v2/{repo}/blobs/{digest_of(b'shared')}").content == b"shared"


def test_a_config_in_use_is_not_deleted(client: Client, repo: str) -> None:
    content = client.push_image(repo, "v1")
    answer = client.delete(f"/v2/{repo}/blobs/{digest_of(b'{}')}")
    assert refusal(answer, 403, "DENIED")["used_by"] == [digest_of(content)]


def test_a_blob_is_deleted_once_its_users_are(client: Client, repo: str) -> None:
    content = client.push_image(repo, "v1", b"layer")
    client.delete(f"/v2/{repo}/manifests/{digest_of(content)}")
    assert client.delete(f"/v2/{repo}/blobs/{digest_of(b'layer')}").status_code == 202


def test_use_in_another_repository_does_not_matter(client: Client, repo: str, other: str) -> None:
    client.push_image(other, "v1", b"layer")
    client.push_blob(repo, b"layer")
    assert client.delete(f"/v2/{repo}/blobs/{digest_of(b'layer')}").status_code == 202
    assert client.get(f"/v2/{other}/blobs/{digest_of(b'layer')}").content == b"layer"


def test_a_child_of_an_index_is_not_deleted_and_the_index_is_named(client: Client, repo: str) -> None:
    child = client.push_image(repo, "child")
    index = client.push_manifest(repo, index_of(child), "all", INDEX)
    answer = client.delete(f"/v2/{repo}/manifests/{digest_of(child)}")
    assert refusal(answer, 403, "DENIED")["used_by"] == [index]
    assert client.get(f"/v2/{repo}/manifests/child").content == child


def test_the_tag_of_a_child_is_deleted_all_the_same(client: Client, repo: str) -> None:
    child = client.push_image(repo, "child")
    client.push_manifest(repo, index_of(child), "all", INDEX)
    assert client.delete(f"/v2/{repo}/manifests/child").status_code == 202


def test_a_child_is_deleted_once_the_index_is(client: Client, repo: str) -> None:
    child = client.push_image(repo, "child")
    index = client.push_manifest(repo, index_of(child), "all", INDEX)
    client.delete(f"/v2/{repo}/manifests/{index}")
    assert client.delete(f"/v2/{repo}/manifests/{digest_of(child)}").status_code == 202


def test_a_subject_is_deleted_although_it_has_referrers(client: Client, repo: str) -> None:
    subject = client.push_image(repo, "v1")
    client.push_manifest(repo, image_of(subject=descriptor(subject, IMAGE)))
    assert client.delete(f"/v2/{repo}/manifests/{digest_of(subject)}").status_code == 202


def test_of_many_that_delete_at_once_one_succeeds(client: Client, repo: str) -> None:
    content = client.push_image(repo, "v1")

    def delete(_: int) -> int:
        mine = Client(client.registry)
        with mine.session:
            return mine.delete(f"/v2/{repo}/manifests/{digest_of(content)}").status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(delete, range(8))) == [202] + [404] * 7


def test_a_push_and_a_deletion_of_what_it_needs_never_leave_a_manifest_without_its_blob(
    client: Client, repo: str
) -> None:
    content = image_of(b"contested")
    for _ in range(10):
        client.push_blob(repo, b"{}")
        client.push_blob(repo, b"contested")
        with ThreadPoolExecutor(2) as pool:
            mine = Client(client.registry)
            pushing = pool.submit(client.put_manifest, repo, content, "v1")
            deleting = pool.submit(mine.delete, f"/v2/{repo}/blobs/{digest_of(b'contested')}")
            statuses = pushing.result().status_code, deleting.result().status_code
        mine.session.close()
        assert statuses in {(201, 403), (404, 202), (201, 202)}
        if client.head(f"/v2/{repo}/manifests/v1").status_code == 200:
            assert client.head(f"/v2/{repo}/blobs/{digest_of(b'contested')}").status_code == 200
            client.delete(f"/v2/{repo}/manifests/{digest_of(content)}")


# With other settings


@pytest.fixture(scope="module")
def forcing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serving(tmp_path_factory.mktemp("force"), delete="force") as registry:
        yield Client(registry)


@pytest.fixture(scope="module")
def keeping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serving(tmp_path_factory.mktemp("off"), delete="off") as registry:
        yield Client(registry)


def test_forced_deletion_takes_a_blob_in_use(forcing: Client) -> None:
    repo = fresh()
    content = forcing.push_image(repo, "v1", b"layer")
    assert forcing.delete(f"/v2/{repo}/blobs/{digest_of(b'layer')}").status_code == 202
    refusal(forcing.get(f"/v2/{repo}/blobs/{digest_of(b'layer')}"), 404, "BLOB_UNKNOWN")
    assert forcing.get(f"/v2/{repo}/manifests/v1").content == content


def test_forced_deletion_takes_a_child_in_use(forcing: Client) -> None:
    repo = fresh()
    child = forcing.push_image(repo, "child")
    forcing.push_manifest(repo, index_of(child), "all", INDEX)
    assert forcing.delete(f"/v2/{repo}/manifests/{digest_of(child)}").status_code == 202
    refusal(forcing.get(f"/v2/{repo}/manifests/child"), 404, "MANIFEST_UNKNOWN")


@pytest.mark.parametrize("what", ["manifests/v1", "manifests/{}", "blobs/{}", "manifests/unknown"])
def test_where_deletion_is_off_nothing_is_deleted(keeping: Client, what: str) -> None:
    repo = fresh()
    content = keeping.push_image(repo, "v1", b"layer")
    digest = digest_of(content if what.startswith("manifests") else b"layer")
    refusal(keeping.delete(f"/v2/{repo}/{what.format(digest)}"), 405, "UNSUPPORTED")
    assert keeping.get(f"/v2/{repo}/manifests/v1").content == content
    assert keeping.get(f"/v2/{repo}/blobs/{digest_of(b'layer')}").content == b"layer"


def test_where_deletion_is_off_an_upload_can_be_cancelled_all_the_same(keeping: Client) -> None:
    assert keeping.delete(keeping.start(fresh())).status_code == 204
