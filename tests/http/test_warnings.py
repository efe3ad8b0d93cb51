"""No answer carries a Warning but where a schema is bound to warn (test_schemas.py), so none can break the rules for them."""

from __future__ import annotations

import pytest

from tests.http.client import Client, digest_of, image_of

REQUESTS = [
    ("GET", "/v2/", 200),
    ("GET", "/v2/{repo}/manifests/v1", 200),
    ("HEAD", "/v2/{repo}/manifests/v1", 200),
    ("GET", "/v2/{repo}/manifests/none", 404),
    ("GET", "/v2/{repo}/blobs/{blob}", 200),
    ("GET", "/v2/{repo}/blobs/sha256:none", 400),
    ("GET", "/v2/{repo}/tags/list", 200),
    ("GET", "/v2/{repo}/referrers/{blob}", 200),
    ("POST", "/v2/{repo}/blobs/uploads/", 202),
    ("POST", "/v2/{repo}/blobs/uploads/?mount={blob}", 201),
    ("PUT", "/v2/{repo}/manifests/v1", 415),
    ("DELETE", "/v2/{repo}/blobs/{blob}", 403),
    ("DELETE", "/v2/{repo}/manifests/v1", 202),
    ("GET", "/nowhere", 404),
    ("PATCH", "/v2/", 405),
]


@pytest.mark.parametrize(("method", "path", "status"), REQUESTS, ids=str)
def test_no_answer_carries_a_warning(client: Client, repo: str, method: str, path: str, status: int) -> None:
    client.push_image(repo, "v1")
    answer = client.request(method, path.format(repo=repo, blob=digest_of(b"{}")))
    assert answer.status_code == status
    assert "Warning" not in answer.headers


def test_a_push_of_what_is_deprecated_carries_no_warning_either(client: Client, repo: str) -> None:
    client.push_blob(repo, b"{}")
    deprecated = "application/vnd.oci.image.layer.nondistributable.v1.tar"
    layer = {"mediaType": deprecated, "digest": digest_of(b"elsewhere"), "size": 9}
    answer = client.put_manifest(repo, image_of(layers=[layer]), "v1")
    assert answer.status_code == 201
    assert "Warning" not in answer.headers
