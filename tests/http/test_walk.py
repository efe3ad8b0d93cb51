"""An id is good in its own repository only: one walk over every route that has one (DESIGN, decision 13)."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from mediatypes.endpoints import ENDPOINTS, Resource
from tests.http.client import IMAGE, Client, descriptor, digest_of, image_of, refusal

WITH_ID = {
    Resource.BLOB: ("/v2/{repo}/blobs/{blob}", "BLOB_UNKNOWN"),
    Resource.MANIFEST: ("/v2/{repo}/manifests/{manifest}", "MANIFEST_UNKNOWN"),
    Resource.UPLOAD: ("/v2/{repo}/blobs/uploads/{upload}?digest={blob}", "BLOB_UPLOAD_UNKNOWN"),
    Resource.REFERRERS: ("/v2/{repo}/referrers/{manifest}", None),
}
"""Where each route that has an id takes it, and what is said where there is none such; None: an empty list."""

BESIDE_REPOSITORIES = {
    Resource.TOKEN,
    Resource.JWKS,
    Resource.DEVICE,
    Resource.DEVICE_TOKEN,
    Resource.REVOKE,
    Resource.KUBERNETES_VALIDATE,
    Resource.KUBERNETES_MUTATE,
}
WITHOUT_ID = {Resource.BASE, Resource.CATALOG, Resource.UPLOADS, Resource.TAGS} | BESIDE_REPOSITORIES
WALK = [(resource, method) for resource, method in ENDPOINTS if resource in WITH_ID]


def test_every_route_has_its_place_in_the_walk() -> None:
    assert {resource for resource, _ in ENDPOINTS} == WITH_ID.keys() | WITHOUT_ID


@dataclass
class Theirs:
    """A repository of somebody else, with one of everything that has an id."""

    repo: str
    blob: str
    manifest: str
    upload: str
    content: bytes
    referrer: str


@pytest.fixture
def theirs(client: Client, other: str) -> Theirs:
    content = client.push_image(other, "v1", b"their layer")
    referrer = client.push_manifest(other, image_of(subject=descriptor(content, IMAGE)))
    location = client.start(other)
    client.chunk(location, b"their bytes", 0)
    client.expect(b"their bytes")
    upload = location.rpartition("/")[2]
    return Theirs(other, digest_of(b"their layer"), digest_of(content), upload, content, referrer)


@pytest.mark.parametrize(("resource", "method"), WALK, ids=lambda value: getattr(value, "value", value))
def test_an_id_of_another_repository_is_not_found(
    client: Client, repo: str, theirs: Theirs, resource: Resource, method: str
) -> None:
    client.push_image(repo, "v1", b"my layer")
    path, code = WITH_ID[resource]
    target = path.format(repo=repo, blob=theirs.blob, manifest=theirs.manifest, upload=theirs.upload)
    # A push of a manifest by its digest is no look-up: what it names must be here.
    body = theirs.content if (resource, method) == (Resource.MANIFEST, "PUT") else b""
    answer = client.request(method, target, data=body, headers={"Content-Type": IMAGE} if body else {})
    if code is None:
        assert method == "HEAD" or answer.json()["manifests"] == []
    elif method == "HEAD":
        assert (answer.status_code, answer.content) == (404, b"")
    else:
        refusal(answer, 404, "MANIFEST_BLOB_UNKNOWN" if body else code)
    untouched(client, theirs)


def untouched(client: Client, theirs: Theirs) -> None:
    """Check that everything of theirs is still there, and works."""
    base = f"/v2/{theirs.repo}"
    assert client.get(f"{base}/blobs/{theirs.blob}").content == b"their layer"
    assert client.get(f"{base}/manifests/v1").content == theirs.content
    assert client.get(f"{base}/manifests/{theirs.manifest}").content == theirs.content
    (referrer,) = client.get(f"{base}/referrers/{theirs.manifest}").json()["manifests"]
    assert referrer["digest"] == theirs.referrer
    assert client.get(f"{base}/blobs/uploads/{theirs.upload}").headers["Range"] == "0-10"
    done = client.finish(f"{base}/blobs/uploads/{theirs.upload}", digest_of(b"their bytes"))
    assert done.status_code == 201


@pytest.mark.parametrize("beside", ["{}/sub", "{}-x", "x{}", "{}/blobs", "{}/manifests", "{}/tags"])
def test_a_name_that_only_resembles_another_is_another(client: Client, theirs: Theirs, beside: str) -> None:
    name = beside.format(theirs.repo)
    refusal(client.get(f"/v2/{name}/blobs/{theirs.blob}"), 404, "BLOB_UNKNOWN")
    refusal(client.get(f"/v2/{name}/manifests/{theirs.manifest}"), 404, "MANIFEST_UNKNOWN")
    refusal(client.delete(f"/v2/{name}/blobs/uploads/{theirs.upload}"), 404, "BLOB_UPLOAD_UNKNOWN")
    refusal(client.get(f"/v2/{name}/tags/list"), 404, "NAME_UNKNOWN")


NESTED = [
    "{}/blobs",
    "{}/blobs/uploads",
    "{}/manifests",
    "{}/tags",
    "{}/tags/list",
    "{}/referrers",
    "{}/uploads",
    "{}/v2",
]


@pytest.mark.parametrize("form", NESTED)
def test_words_of_the_api_may_be_components_of_names(client: Client, repo: str, form: str) -> None:
    name = form.format(repo)
    content = client.push_image(name, "v1", b"layer")
    assert client.get(f"/v2/{name}/manifests/v1").content == content
    assert client.get(f"/v2/{name}/manifests/{digest_of(content)}").content == content
    assert client.get(f"/v2/{name}/blobs/{digest_of(b'layer')}").content == b"layer"
    assert client.get(f"/v2/{name}/tags/list").json() == {"name": name, "tags": ["v1"]}
    assert client.get(f"/v2/{name}/referrers/{digest_of(content)}").json()["manifests"] == []
    client.expect(b"more")
    assert client.finish(client.start(name), digest_of(b"more"), b"more").status_code == 201
    assert client.delete(f"/v2/{name}/manifests/{digest_of(content)}").status_code == 202


def test_a_name_of_one_component_keeps_its_name(client: Client, repo: str) -> None:
    name = repo.replace("/", "-")
    content = client.push_image(name, "v1")
    assert client.get(f"/v2/{name}/manifests/v1").content == content
    refusal(client.get(f"/v2/library/{name}/manifests/v1"), 404, "MANIFEST_UNKNOWN")


def test_a_name_may_have_255_characters(client: Client, repo: str) -> None:
    name = f"{repo}/".ljust(255, "a")
    content = client.push_image(name, "t" * 128)
    assert client.get(f"/v2/{name}/manifests/{'t' * 128}").content == content
    assert client.get("/v2/_catalog", params={"last": name[:-1], "n": "1"}).json()["repositories"] == [name]
