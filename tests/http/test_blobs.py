"""end-2: pulling blobs, whole and in part."""

from __future__ import annotations

import os

import pytest

from tests.http.client import Client, Wire, digest_of, refusal
from tests.http.conftest import fresh

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def blob(client: Client, repo: str) -> str:
    """Return the path of a blob of CONTENT."""
    return f"/v2/{repo}/blobs/{client.push_blob(repo, CONTENT)}"


def test_get_returns_the_bytes_with_digest_type_and_length(client: Client, blob: str) -> None:
    answer = client.get(blob)
    assert answer.status_code == 200
    assert answer.content == CONTENT
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Length"] == str(len(CONTENT))
    assert answer.headers["Docker-Content-Digest"] == digest_of(CONTENT)
    assert answer.headers["ETag"] == f'"{digest_of(CONTENT)}"'
    assert answer.headers["Accept-Ranges"] == "bytes"


def test_head_has_the_headers_of_get_and_no_body(client: Client, blob: str) -> None:
    head, get = client.head(blob), client.get(blob)
    assert head.status_code == 200
    assert head.content == b""
    for name in ("Content-Type", "Content-Length", "Docker-Content-Digest", "ETag", "Accept-Ranges"):
        assert head.headers[name] == get.headers[name]


def test_a_blob_of_many_pieces_comes_whole(client: Client, repo: str) -> None:
    content = os.urandom(5 << 20) + b"end"
    digest = client.push_blob(repo, content)
    assert client.get(f"/v2/{repo}/blobs/{digest}").content == content


def test_a_blob_is_served_under_its_sha512_digest(client: Client, repo: str) -> None:
    digest = client.push_blob(repo, CONTENT, "sha512")
    answer = client.get(f"/v2/{repo}/blobs/{digest}")
    assert answer.content == CONTENT
    assert answer.headers["Docker-Content-Digest"] == digest


def test_an_empty_blob_is_served(client: Client, repo: str) -> None:
    digest = client.push_blob(repo, b"")
    answer = client.get(f"/v2/{repo}/blobs/{digest}")
    assert (answer.status_code, answer.content, answer.headers["Content-Length"]) == (200, b"", "0")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_unknown_blob_is_not_found(client: Client, blob: str, repo: str, method: str) -> None:
    missing = digest_of(b"never pushed")
    answer = client.request(method, f"/v2/{repo}/blobs/{missing}")
    assert answer.status_code == 404
    if method == "GET":
        assert refusal(answer, 404, "BLOB_UNKNOWN")["digest"] == missing


def test_a_blob_of_an_unknown_repository_is_not_found(client: Client, repo: str) -> None:
    refusal(client.get(f"/v2/{repo}/blobs/{digest_of(CONTENT)}"), 404, "BLOB_UNKNOWN")


def test_a_blob_pushed_to_another_repository_only_is_not_found(client: Client, blob: str) -> None:
    refusal(client.get(f"/v2/{fresh()}/blobs/{digest_of(CONTENT)}"), 404, "BLOB_UNKNOWN")


RANGES = {
    "bytes=0-0": (0, 1),
    "bytes=0-99": (0, 100),
    "bytes=100-199": (100, 200),
    "bytes=10200-": (10200, 10240),
    "bytes=0-": (0, 10240),
    "bytes=-40": (10200, 10240),
    "bytes=-999999": (0, 10240),
    "bytes=10239-10239": (10239, 10240),
    "bytes=10000-999999999999999999": (10000, 10240),
}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("wanted", RANGES)
def test_a_range_is_answered_with_its_part(client: Client, blob: str, wanted: str, method: str) -> None:
    start, stop = RANGES[wanted]
    answer = client.request(method, blob, headers={"Range": wanted})
    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(CONTENT)}"
    assert answer.headers["Content-Length"] == str(stop - start)
    assert answer.content == (CONTENT[start:stop] if method == "GET" else b"")


@pytest.mark.parametrize("wanted", ["bytes=10240-", "bytes=10240-10250", "bytes=-0", "bytes=9999999999999999999-"])
def test_a_range_that_selects_nothing_is_refused_with_the_size(client: Client, blob: str, wanted: str) -> None:
    answer = client.get(blob, headers={"Range": wanted})
    assert refusal(answer, 416, "SIZE_INVALID")["size"] == len(CONTENT)
    assert answer.headers["Content-Range"] == f"bytes */{len(CONTENT)}"


def test_no_range_of_an_empty_blob_can_be_satisfied(client: Client, repo: str) -> None:
    digest = client.push_blob(repo, b"")
    answer = client.get(f"/v2/{repo}/blobs/{digest}", headers={"Range": "bytes=0-"})
    refusal(answer, 416, "SIZE_INVALID")
    assert answer.headers["Content-Range"] == "bytes */0"


@pytest.mark.parametrize("wanted", ["bytes=0-1,4-5", "lines=0-1", "bytes=a-b", "bytes", "bytes=-", "bytes=--1", ""])
def test_several_ranges_and_unknown_forms_are_ignored(client: Client, blob: str, wanted: str) -> None:
    answer = client.get(blob, headers={"Range": wanted})
    assert answer.status_code == 200
    assert answer.content == CONTENT


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("form", ['"{}"', 'W/"{}"', '"other", "{}"', "*"])
def test_a_known_etag_is_answered_with_not_modified(client: Client, blob: str, form: str, method: str) -> None:
    answer = client.request(method, blob, headers={"If-None-Match": form.format(digest_of(CONTENT))})
    assert answer.status_code == 304
    assert answer.content == b""
    assert answer.headers["ETag"] == f'"{digest_of(CONTENT)}"'


def test_another_etag_is_answered_with_the_bytes(client: Client, blob: str) -> None:
    assert client.get(blob, headers={"If-None-Match": '"other"'}).content == CONTENT


def test_a_known_etag_comes_before_a_range(client: Client, blob: str) -> None:
    headers = {"If-None-Match": f'"{digest_of(CONTENT)}"', "Range": "bytes=0-1"}
    assert client.get(blob, headers=headers).status_code == 304


def test_if_range_with_the_etag_takes_the_part(client: Client, blob: str) -> None:
    answer = client.get(blob, headers={"Range": "bytes=5-9", "If-Range": f'"{digest_of(CONTENT)}"'})
    assert (answer.status_code, answer.content) == (206, CONTENT[5:10])


@pytest.mark.parametrize("condition", ['"other"', 'W/"{}"', "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_if_range_with_anything_else_takes_the_whole(client: Client, blob: str, condition: str) -> None:
    headers = {"Range": "bytes=5-9", "If-Range": condition.format(digest_of(CONTENT))}
    answer = client.get(blob, headers=headers)
    assert (answer.status_code, answer.content) == (200, CONTENT)


def test_an_interrupted_download_is_resumed_by_a_range(client: Client, raw: Wire, repo: str) -> None:
    content = os.urandom(3 << 20)
    path = f"/v2/{repo}/blobs/{client.push_blob(repo, content)}"
    raw.head("GET", path)
    raw.socket.recv(1000)
    raw.vanish()
    rest = client.get(path, headers={"Range": "bytes=1000-"})
    assert (rest.status_code, rest.content) == (206, content[1000:])


@pytest.mark.parametrize("bad", ["sha256:short", "md5:" + "0" * 32, "sha256:" + "A" * 64, "latest", "sha256:", "@"])
def test_what_is_no_digest_is_refused(client: Client, repo: str, bad: str) -> None:
    assert refusal(client.get(f"/v2/{repo}/blobs/{bad}"), 400, "DIGEST_INVALID")["digest"] == bad
