"""HTTP itself: connections stay in step whatever was refused, and nobody smuggles a request."""

from __future__ import annotations

import os
import socket

import pytest

from tests.http.client import IMAGE, LIMIT, Client, Closed, Wire, digest_of, image_of, refusal

BLOB = os.urandom(1000)
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def is_in_step(connection: Wire) -> bool:
    """Say whether the connection answers another request; False where the server has closed it in order."""
    try:
        answer = connection.request("GET", "/v2/")
    except (Closed, ConnectionError):
        return False
    assert answer.json() == {}
    return True


# Bodies that are refused

REFUSED_BODIES = [
    ("PUT", "/v2/a/manifests/v1", 415, "MANIFEST_INVALID"),
    ("PUT", "/v2/A/manifests/v1", 400, "NAME_INVALID"),
    ("PATCH", "/v2/a/blobs/uploads/none", 404, "BLOB_UPLOAD_UNKNOWN"),
    ("POST", "/v2/a/blobs/uploads/?digest=x", 400, "DIGEST_INVALID"),
    ("PUT", "/v2/", 405, "UNSUPPORTED"),
    ("POST", "/v2/nowhere", 404, "UNSUPPORTED"),
    ("DELETE", "/v2/a/manifests/v1", 404, "MANIFEST_UNKNOWN"),
    ("POST", "/nowhere", 404, "UNSUPPORTED"),
]


@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
@pytest.mark.parametrize(("method", "target", "status", "code"), REFUSED_BODIES)
def test_after_a_refused_body_the_connection_is_in_step(
    raw: Wire, method: str, target: str, status: int, code: str, size: int
) -> None:
    refusal(raw.request(method, target, body=b"G" * size), status, code)
    assert is_in_step(raw)


@pytest.mark.parametrize(("method", "target", "status", "code"), REFUSED_BODIES)
def test_after_a_refused_body_in_chunks_the_connection_is_in_step(
    raw: Wire, method: str, target: str, status: int, code: str
) -> None:
    raw.head(method, target, [("Transfer-Encoding", "chunked")])
    raw.send(b"5\r\nhello\r\n" * 100 + b"0\r\n\r\n")
    refusal(raw.answer(), status, code)
    assert is_in_step(raw)


@pytest.mark.parametrize("length", [LIMIT + 1, 12 << 20])
def test_a_manifest_that_is_too_large_is_read_and_refused(raw: Wire, length: int) -> None:
    answer = raw.request("PUT", "/v2/a/manifests/v1", [("Content-Type", IMAGE)], b" " * length)
    refusal(answer, 413, "SIZE_INVALID")
    assert is_in_step(raw)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("target", ["/v2/", "/v2/a/manifests/v1", "/v2/a/tags/list", "/health"])
def test_a_body_that_a_read_brings_is_ignored(raw: Wire, method: str, target: str) -> None:
    raw.head(method, target, [("Content-Length", str(len(SMUGGLED)))])
    raw.send(SMUGGLED)
    raw.answer(method)
    is_in_step(raw)  # or closed: a server needn't wait for a body that nobody wants


def test_a_connection_serves_many_requests_of_every_kind(raw: Wire, client: Client, repo: str) -> None:
    client.expect(BLOB, b"{}")
    for number in range(5):
        digest = digest_of(BLOB)
        assert raw.request("POST", f"/v2/{repo}/blobs/uploads/?digest={digest}", body=BLOB).status == 201
        assert raw.request("GET", f"/v2/{repo}/blobs/{digest}").body == BLOB
        assert raw.request("HEAD", f"/v2/{repo}/blobs/{digest}").status == 200
        assert raw.request("GET", f"/v2/{repo}/blobs/{digest}", [("Range", "bytes=9000-")]).status == 416
        location = raw.request("POST", f"/v2/{repo}/blobs/uploads/").headers["location"]
        assert raw.request("PATCH", location, body=b"{}").status == 202
        assert raw.request("GET", location).status == 204
        assert raw.request("PUT", f"{location}?digest={digest_of(b'{}')}", body=b"").status == 201
        manifest = image_of(annotations={"n": str(number)})
        answer = raw.request("PUT", f"/v2/{repo}/manifests/v1", [("Content-Type", IMAGE)], manifest)
        assert answer.status == 201
        etag = raw.request("GET", f"/v2/{repo}/manifests/v1").headers["etag"]
        assert raw.request("GET", f"/v2/{repo}/manifests/v1", [("If-None-Match", etag)]).status == 304
        assert raw.request("DELETE", f"/v2/{repo}/manifests/v1").status == 202


# Pipelines


def test_requests_sent_at_once_are_answered_in_order(raw: Wire, client: Client, repo: str) -> None:
    contents = [os.urandom(10 + number) for number in range(5)]
    digests = [client.push_blob(repo, content) for content in contents]
    for digest in digests:
        raw.head("GET", f"/v2/{repo}/blobs/{digest}")
    assert [raw.answer().body for _ in digests] == contents


# Framing that two readers could read differently


@pytest.fixture
def location(client: Client, repo: str) -> str:
    return client.start(repo)


def answers(connection: Wire, *, half_close: bool = False) -> list[int]:
    """Return the statuses of all answers until the server closes; `half_close` tells it that nothing follows."""
    if half_close:
        connection.socket.shutdown(socket.SHUT_WR)
    found = []
    while True:
        try:
            found.append(connection.answer().status)
        except Closed:
            return found


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param("Content-Length: 5\r\nContent-Length: 6", b"hello" + SMUGGLED, id="two lengths"),
        pytest.param("Content-Length: 5, 6", b"hello" + SMUGGLED, id="two lengths in one"),
        pytest.param("Content-Length: +5", b"hello" + SMUGGLED, id="a sign"),
        pytest.param("Content-Length: 0x5", b"hello" + SMUGGLED, id="hexadecimal"),
        pytest.param("Content-Length: -1", SMUGGLED, id="negative"),
        pytest.param("Content-Length: five", b"hello" + SMUGGLED, id="no number"),
        pytest.param("Content-Length: 99999999999999999999999", SMUGGLED, id="beyond 64 bits"),
        pytest.param("Transfer-Encoding: chunked, identity", b"0\r\n\r\n" + SMUGGLED, id="chunked not last"),
        pytest.param("Transfer-Encoding: gzip", SMUGGLED, id="not chunked"),
        pytest.param("Transfer-Encoding: xchunked", b"0\r\n\r\n" + SMUGGLED, id="nearly chunked"),
        pytest.param("Transfer-Encoding : chunked", b"0\r\n\r\n" + SMUGGLED, id="a space before the colon"),
        pytest.param("Transfer-Encoding: chunked", b"-1\r\n\r\n" + SMUGGLED, id="a negative chunk"),
        pytest.param("Transfer-Encoding: chunked", b"zz\r\nhello\r\n0\r\n\r\n" + SMUGGLED, id="a chunk without size"),
        pytest.param(
            "Transfer-Encoding: chunked", b"5\r\nhelloXX0\r\n\r\n" + SMUGGLED, id="a chunk longer than it says"
        ),
        pytest.param("Transfer-Encoding: chunked", b"fffffffffffffffff\r\nx" + SMUGGLED, id="a chunk beyond 64 bits"),
        pytest.param("Content-Length: 5\r\n X: folded", b"hello" + SMUGGLED, id="a folded line"),
        pytest.param("Content-Length: 5\r\nBad Name: x", b"hello" + SMUGGLED, id="a space in a name"),
        pytest.param("Content-Length: 5\r\nX: a\x00b", b"hello" + SMUGGLED, id="a NUL in a value"),
    ],
)
def test_broken_framing_smuggles_no_request_and_acknowledges_nothing(
    client: Client, raw: Wire, location: str, headers: str, body: bytes
) -> None:
    head = f"PATCH {location} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n"
    raw.send(head.encode("latin-1") + body)
    found = answers(raw, half_close=True)
    assert len(found) <= 1, found
    assert all(400 <= status < 500 or status == 501 for status in found)
    # What came before the framing broke may be kept for resuming, as when a client vanishes.
    assert client.get(location).status_code == 204


def test_with_length_and_chunks_both_no_request_is_smuggled(client: Client, raw: Wire, location: str) -> None:
    head = f"PATCH {location} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    raw.send(head.encode() + b"0\r\n\r\n" + LAST)
    # Either refused, or read as chunks, and then what follows is a request; never is it part of the body.
    assert answers(raw) in ([400], [400, 200], [202], [202, 200])
    assert client.get(location).headers["Range"] == "0-0"


@pytest.mark.parametrize("ending", [b"", b"5\r\nhel", b"5\r\nhello\r\n", b"5\r\nhello\r\n0\r\n"])
def test_chunks_without_an_end_are_no_whole_body(client: Client, raw: Wire, repo: str, ending: bytes) -> None:
    digest = digest_of(b"hello")
    raw.head("POST", f"/v2/{repo}/blobs/uploads/?digest={digest}", [("Transfer-Encoding", "chunked")])
    raw.send(ending)
    assert all(status >= 400 for status in answers(raw, half_close=True))
    refusal(client.get(f"/v2/{repo}/blobs/{digest}"), 404, "BLOB_UNKNOWN")


def test_fewer_bytes_than_announced_are_no_whole_body(client: Client, raw: Wire, repo: str) -> None:
    digest = digest_of(b"hello")
    raw.head("POST", f"/v2/{repo}/blobs/uploads/?digest={digest}", [("Content-Length", "6")])
    raw.send(b"hello")
    assert all(status >= 400 for status in answers(raw, half_close=True))
    refusal(client.get(f"/v2/{repo}/blobs/{digest}"), 404, "BLOB_UNKNOWN")


def test_a_manifest_cut_short_is_not_stored(client: Client, raw: Wire, repo: str) -> None:
    client.push_blob(repo, b"{}")
    content = image_of()
    head = [("Content-Type", IMAGE), ("Content-Length", str(len(content) + 1))]
    raw.head("PUT", f"/v2/{repo}/manifests/v1", head)
    raw.send(content)
    assert all(status >= 400 for status in answers(raw, half_close=True))
    refusal(client.get(f"/v2/{repo}/manifests/v1"), 404, "MANIFEST_UNKNOWN")


def test_trailers_and_chunk_extensions_are_ignored(client: Client, raw: Wire, repo: str) -> None:
    client.expect(b"hello")
    raw.head("POST", f"/v2/{repo}/blobs/uploads/?digest={digest_of(b'hello')}", [("Transfer-Encoding", "chunked")])
    raw.send(b"5;ext=1\r\nhello\r\n0\r\nDigest: none\r\n\r\n")
    assert raw.answer().status == 201
    assert is_in_step(raw)


@pytest.mark.parametrize("form", ["http://{host}{path}", "HTTP://{host}{path}", "http://other.example{path}"])
@pytest.mark.parametrize("path", ["/v2/", "/v2/_catalog?n=1", "/health"])
def test_the_absolute_form_of_a_target_is_understood(raw: Wire, form: str, path: str) -> None:
    assert raw.request("GET", form.format(host="localhost", path=path)).status == 200


def test_the_absolute_form_reaches_what_the_fast_lane_serves(raw: Wire, client: Client, repo: str) -> None:
    path = f"/v2/{repo}/blobs/{client.push_blob(repo, BLOB)}"
    assert raw.request("GET", f"http://localhost{path}").body == BLOB


@pytest.mark.parametrize(
    "start",
    [
        b"GET /v2/\xff HTTP/1.1",
        b"GET /v2/ x HTTP/1.1",
        b"GET HTTP/1.1",
        b"/v2/",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"G\x00T /v2/ HTTP/1.1",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1",
        b"GET /v2/ HTTP/1.1\r\nX: " + b"a" * 2_000_000,
    ],
    ids=lambda start: repr(start[:20]),
)
def test_what_is_no_request_is_refused_and_the_connection_closed(raw: Wire, client: Client, start: bytes) -> None:
    try:
        raw.send(start + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        found = answers(raw)
    except ConnectionError:  # closed while we were sending
        found = []
    assert all(400 <= status < 500 or status == 505 for status in found), found
    assert client.get("/v2/").status_code == 200


def test_a_request_without_host_is_refused(raw: Wire) -> None:
    raw.send(b"GET /v2/ HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert set(answers(raw)) <= {400, 403}


def test_http_1_0_is_answered_and_closed(raw: Wire) -> None:
    raw.send(b"GET /v2/ HTTP/1.0\r\nHost: localhost\r\n\r\n")
    assert raw.answer().json() == {}
    assert raw.is_closed()


def test_a_client_that_asks_for_it_gets_its_connection_closed(raw: Wire) -> None:
    assert raw.request("GET", "/v2/", [("Connection", "close")]).status == 200
    assert raw.is_closed()
