"""Headers that every answer has, and those that clients follow."""

from __future__ import annotations

import pytest

from tests.http.client import IMAGE, Client, Wire, digest_of, image_of

API_VERSION = "Docker-Distribution-Api-Version"
UPLOAD = "00000000-0000-4000-8000-000000000000"

REQUESTS = [
    ("GET", "/v2/", 200),
    ("HEAD", "/v2/", 200),
    ("GET", "/v2/_catalog", 200),
    ("GET", "/v2/{repo}/manifests/v1", 200),
    ("HEAD", "/v2/{repo}/manifests/v1", 200),
    ("GET", "/v2/{repo}/manifests/none", 404),
    ("HEAD", "/v2/{repo}/manifests/none", 404),
    ("GET", "/v2/{repo}/blobs/{blob}", 200),
    ("HEAD", "/v2/{repo}/blobs/{blob}", 200),
    ("GET", "/v2/{repo}/blobs/none", 400),
    ("GET", "/v2/{repo}/tags/list", 200),
    ("GET", "/v2/{repo}/tags/list?n=x", 400),
    ("GET", "/v2/{repo}/referrers/{blob}", 200),
    ("POST", "/v2/{repo}/blobs/uploads/", 202),
    ("POST", "/v2/{repo}/blobs/uploads/?mount={blob}", 201),
    ("GET", "/v2/{repo}/blobs/uploads/" + UPLOAD, 404),
    ("PUT", "/v2/{repo}/manifests/v1", 415),
    ("DELETE", "/v2/{repo}/blobs/{blob}", 403),
    ("DELETE", "/v2/{repo}/manifests/v1", 202),
    ("PATCH", "/v2/", 405),
    ("OPTIONS", "/v2/{repo}/tags/list", 405),
    ("GET", "/v2/nowhere", 404),
    ("GET", "/nowhere", 404),
]


@pytest.mark.parametrize(("method", "path", "status"), REQUESTS, ids=str)
def test_every_answer_names_the_api_and_its_request(
    client: Client, repo: str, method: str, path: str, status: int
) -> None:
    client.push_image(repo, "v1")
    answer = client.request(method, path.format(repo=repo, blob=digest_of(b"{}")))
    assert answer.status_code == status
    assert answer.headers[API_VERSION] == "registry/2.0"
    assert answer.headers["X-Request-ID"]


@pytest.mark.parametrize(("method", "path", "status"), REQUESTS, ids=str)
def test_every_answer_says_its_length_and_leaves_the_connection_in_step(
    client: Client, raw: Wire, repo: str, method: str, path: str, status: int
) -> None:
    client.push_image(repo, "v1")
    answer = raw.request(method, path.format(repo=repo, blob=digest_of(b"{}")))
    if "docker-upload-uuid" in answer.headers:
        client.registry.uploads.add(answer.headers["location"])
    assert answer.status == status
    assert "transfer-encoding" not in answer.headers
    assert answer.headers["content-length"].isdigit()
    assert raw.request("GET", "/v2/").status == 200


@pytest.mark.parametrize("name", ["X-Powered-By", "Set-Cookie", "Via"])
def test_no_answer_tells_of_the_software_behind_it(client: Client, name: str) -> None:
    for path in ("/v2/", "/v2/a/manifests/x", "/nowhere", "/health"):
        assert name not in client.get(path).headers


def test_locations_are_relative_and_lead_to_what_was_pushed(client: Client, repo: str) -> None:
    client.push_blob(repo, b"{}")
    begun = client.post(f"/v2/{repo}/blobs/uploads/")
    continued = client.patch(begun.headers["Location"], data=b"abc")
    asked = client.get(begun.headers["Location"])
    finished = client.finish(asked.headers["Location"], digest_of(b"abc"))
    client.expect(b"abc")
    pushed = client.put_manifest(repo, image_of(), "v1")
    for answer in (begun, continued, asked, finished, pushed):
        assert answer.headers["Location"].startswith(f"/v2/{repo}/")
    assert client.get(finished.headers["Location"]).content == b"abc"
    assert client.get(pushed.headers["Location"]).content == image_of()


def test_a_location_has_no_query_that_clients_could_drop(client: Client, repo: str) -> None:
    assert "?" not in client.start(repo)
    assert "?" not in client.start(repo, **{"digest-algorithm": "sha512"})


def test_a_location_does_not_depend_on_the_host_that_was_asked(raw: Wire, client: Client, repo: str) -> None:
    answer = raw.request("POST", f"/v2/{repo}/blobs/uploads/", [("Host", "a.localhost:1234")])
    assert answer.headers["location"].startswith("/v2/")
    client.registry.uploads.add(answer.headers["location"])


def test_forwarded_headers_are_not_believed(client: Client, repo: str) -> None:
    forwarded = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "Forwarded": "host=evil.example"}
    answer = client.post(f"/v2/{repo}/blobs/uploads/", headers=forwarded)
    assert answer.headers["Location"].startswith("/v2/")


def test_a_type_given_twice_is_no_type(raw: Wire, client: Client, repo: str) -> None:
    client.push_blob(repo, b"{}")
    twice = [("Content-Type", IMAGE), ("Content-Type", IMAGE)]
    assert raw.request("PUT", f"/v2/{repo}/manifests/v1", twice, image_of()).status == 415
