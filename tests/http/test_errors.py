"""Every bad request gets the status, the code and the document that the specification defines; never HTML, never a 500."""

from __future__ import annotations

import re

import pytest

from tests.http.client import IMAGE, INDEX, LIMIT, Client, Wire, digest_of, image_of, index_of, refusal, wait_until

DIGEST = digest_of(b"some content")
UPLOAD = "00000000-0000-4000-8000-000000000000"
LONG = "a" * 256

# What is done, and what comes of it: method, target, status, code.
REFUSED = [
    # Names outside the grammar
    ("GET", "/v2/UPPER/manifests/v1", 400, "NAME_INVALID"),
    ("GET", "/v2/-a/manifests/v1", 400, "NAME_INVALID"),
    ("GET", "/v2/a-/manifests/v1", 400, "NAME_INVALID"),
    ("GET", "/v2/a..b/manifests/v1", 400, "NAME_INVALID"),
    ("GET", "/v2/a___b/manifests/v1", 400, "NAME_INVALID"),
    ("GET", "/v2/a//b/manifests/v1", 400, "NAME_INVALID"),
    ("GET", "/v2//a/manifests/v1", 400, "NAME_INVALID"),
    ("GET", "/v2/a/.b/manifests/v1", 400, "NAME_INVALID"),
    ("GET", "/v2/caf%C3%A9/manifests/v1", 400, "NAME_INVALID"),
    ("GET", "/v2/a%20b/manifests/v1", 400, "NAME_INVALID"),
    ("GET", "/v2/a%0Ab/manifests/v1", 400, "NAME_INVALID"),
    ("GET", "/v2/a%0A/manifests/v1", 400, "NAME_INVALID"),
    ("GET", f"/v2/{LONG}/manifests/v1", 400, "NAME_INVALID"),
    ("GET", f"/v2/{LONG}/blobs/{DIGEST}", 400, "NAME_INVALID"),
    ("DELETE", f"/v2/{LONG}/blobs/{DIGEST}", 400, "NAME_INVALID"),
    ("DELETE", "/v2/A/manifests/v1", 400, "NAME_INVALID"),
    ("GET", "/v2/A/tags/list", 400, "NAME_INVALID"),
    ("GET", f"/v2/A/referrers/{DIGEST}", 400, "NAME_INVALID"),
    ("POST", "/v2/A/blobs/uploads/", 400, "NAME_INVALID"),
    ("POST", f"/v2/a/blobs/uploads/?mount={DIGEST}&from=A", 400, "NAME_INVALID"),
    ("GET", f"/v2/A/blobs/uploads/{UPLOAD}", 400, "NAME_INVALID"),
    ("PATCH", f"/v2/A/blobs/uploads/{UPLOAD}", 400, "NAME_INVALID"),
    ("PUT", f"/v2/A/blobs/uploads/{UPLOAD}?digest={DIGEST}", 400, "NAME_INVALID"),
    ("DELETE", f"/v2/A/blobs/uploads/{UPLOAD}", 400, "NAME_INVALID"),
    ("PUT", "/v2/A/manifests/v1", 400, "NAME_INVALID"),
    # Tags outside the grammar
    ("GET", "/v2/a/manifests/.hidden", 400, "TAG_INVALID"),
    ("GET", "/v2/a/manifests/-flag", 400, "TAG_INVALID"),
    ("GET", "/v2/a/manifests/a%20b", 400, "TAG_INVALID"),
    ("GET", "/v2/a/manifests/v1%0A", 400, "TAG_INVALID"),
    ("GET", "/v2/a/manifests/%E2%82%AC", 400, "TAG_INVALID"),
    ("GET", f"/v2/a/manifests/{'x' * 129}", 400, "TAG_INVALID"),
    ("PUT", "/v2/a/manifests/v1@latest", 400, "TAG_INVALID"),
    ("DELETE", "/v2/a/manifests/+", 400, "TAG_INVALID"),
    ("PUT", "/v2/a/manifests/v1?tag=a%2Fb", 400, "TAG_INVALID"),
    ("PUT", "/v2/a/manifests/v1?tag=", 400, "TAG_INVALID"),
    # Digests that are none
    ("GET", "/v2/a/blobs/sha256:abc", 400, "DIGEST_INVALID"),
    ("GET", "/v2/a/blobs/latest", 400, "DIGEST_INVALID"),
    ("DELETE", "/v2/a/blobs/sha256:", 400, "DIGEST_INVALID"),
    ("GET", "/v2/a/manifests/sha256:abc", 400, "DIGEST_INVALID"),
    ("PUT", "/v2/a/manifests/sha384:abc", 400, "DIGEST_INVALID"),
    ("GET", f"/v2/a/manifests/{DIGEST.upper()}", 400, "DIGEST_INVALID"),
    ("GET", f"/v2/a/blobs/{DIGEST}%0A", 400, "DIGEST_INVALID"),
    ("GET", "/v2/a/referrers/v1", 400, "DIGEST_INVALID"),
    ("GET", f"/v2/a/referrers/{DIGEST}?last=x", 400, "DIGEST_INVALID"),
    ("POST", "/v2/a/blobs/uploads/?digest=sha256:abc", 400, "DIGEST_INVALID"),
    ("POST", "/v2/a/blobs/uploads/?digest=", 400, "DIGEST_INVALID"),
    ("POST", "/v2/a/blobs/uploads/?mount=abc&from=b", 400, "DIGEST_INVALID"),
    ("POST", "/v2/a/blobs/uploads/?digest-algorithm=md5", 400, "DIGEST_INVALID"),
    ("PUT", f"/v2/a/blobs/uploads/{UPLOAD}", 400, "DIGEST_INVALID"),
    ("PUT", f"/v2/a/blobs/uploads/{UPLOAD}?digest=abc", 400, "DIGEST_INVALID"),
    # What is not there
    ("GET", f"/v2/nobody/here/blobs/{DIGEST}", 404, "BLOB_UNKNOWN"),
    ("DELETE", f"/v2/nobody/here/blobs/{DIGEST}", 404, "BLOB_UNKNOWN"),
    ("GET", "/v2/nobody/here/manifests/v1", 404, "MANIFEST_UNKNOWN"),
    ("GET", f"/v2/nobody/here/manifests/{DIGEST}", 404, "MANIFEST_UNKNOWN"),
    ("DELETE", "/v2/nobody/here/manifests/v1", 404, "MANIFEST_UNKNOWN"),
    ("GET", "/v2/nobody/here/tags/list", 404, "NAME_UNKNOWN"),
    ("GET", f"/v2/nobody/here/blobs/uploads/{UPLOAD}", 404, "BLOB_UPLOAD_UNKNOWN"),
    ("PATCH", f"/v2/nobody/here/blobs/uploads/{UPLOAD}", 404, "BLOB_UPLOAD_UNKNOWN"),
    ("PUT", f"/v2/nobody/here/blobs/uploads/{UPLOAD}?digest={DIGEST}", 404, "BLOB_UPLOAD_UNKNOWN"),
    ("DELETE", f"/v2/nobody/here/blobs/uploads/{UPLOAD}", 404, "BLOB_UPLOAD_UNKNOWN"),
    # Queries that can't be read
    ("GET", "/v2/_catalog?n=-1", 400, "UNSUPPORTED"),
    ("GET", "/v2/_catalog?last=%00", 400, "UNSUPPORTED"),
    ("GET", "/v2/_catalog?last=%FF", 400, "UNSUPPORTED"),
    ("GET", "/v2/_catalog?last=%ED%A0%80", 400, "UNSUPPORTED"),
    ("GET", "/v2/a/tags/list?n=1e3", 400, "UNSUPPORTED"),
    ("GET", "/v2/a/tags/list?" + "&".join(["x=1"] * 300), 400, "UNSUPPORTED"),
    ("GET", f"/v2/a/referrers/{DIGEST}?artifactType=%00", 400, "UNSUPPORTED"),
    ("POST", "/v2/a/blobs/uploads/?mount=%FF", 400, "UNSUPPORTED"),
    ("PUT", "/v2/a/manifests/v1?tag=%FF", 400, "UNSUPPORTED"),
    # Bodies that are none
    ("PUT", "/v2/a/manifests/v1", 415, "MANIFEST_INVALID"),
    # Paths that the specification does not have
    ("GET", "/", 404, "UNSUPPORTED"),
    ("GET", "/index.html", 404, "UNSUPPORTED"),
    ("GET", "/favicon.ico", 404, "UNSUPPORTED"),
    ("GET", "/v1/", 404, "UNSUPPORTED"),
    ("GET", "/v2foo", 404, "UNSUPPORTED"),
    ("GET", "/v2//", 404, "UNSUPPORTED"),
    ("GET", "//v2/", 404, "UNSUPPORTED"),
    ("GET", "/V2/", 404, "UNSUPPORTED"),
    ("GET", "/v2/a", 404, "UNSUPPORTED"),
    ("GET", "/v2/a/", 404, "UNSUPPORTED"),
    ("GET", "/v2/a/manifests", 404, "UNSUPPORTED"),
    ("GET", "/v2/a/manifests/", 404, "UNSUPPORTED"),
    ("GET", "/v2/manifests/v1", 404, "UNSUPPORTED"),
    ("GET", "/v2/a/blobs/", 404, "UNSUPPORTED"),
    ("GET", "/v2/a/tags", 404, "UNSUPPORTED"),
    ("GET", "/v2/a/tags/list/", 404, "UNSUPPORTED"),
    ("GET", "/v2/a/tags/other", 404, "UNSUPPORTED"),
    ("GET", "/v2/_catalog/", 404, "UNSUPPORTED"),
    ("GET", "/v2/a/referrers/", 404, "UNSUPPORTED"),
    ("GET", f"/v2/a/blobs/uploads/{UPLOAD}/more", 404, "UNSUPPORTED"),
    ("DELETE", "/v2/a", 404, "UNSUPPORTED"),
    ("POST", "/v2/a/manifests", 404, "UNSUPPORTED"),
    ("PUT", "/nowhere", 404, "UNSUPPORTED"),
    ("OPTIONS", "/nowhere", 404, "UNSUPPORTED"),
    ("GET", "/health/", 404, "UNSUPPORTED"),
]


@pytest.mark.parametrize(("method", "target", "status", "code"), REFUSED, ids=lambda value: str(value)[:60])
def test_a_bad_request_is_refused(raw: Wire, method: str, target: str, status: int, code: str) -> None:
    refusal(raw.request(method, target), status, code)


READS = [(target, status) for method, target, status, _ in REFUSED if method == "GET"]


@pytest.mark.parametrize(("target", "status"), READS, ids=lambda value: str(value)[:60])
def test_an_error_to_head_has_the_headers_of_get_and_no_body(raw: Wire, target: str, status: int) -> None:
    get, head = raw.request("GET", target), raw.request("HEAD", target)
    assert (head.status, head.body) == (status, b"")
    assert head.headers["content-type"] == "application/json"
    assert head.headers.get("content-length", str(len(get.body))) == str(len(get.body))
    # The connection is where it should be: no body followed.
    assert raw.request("GET", "/v2/").status == 200


# Methods

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
ALLOWED = {
    "/v2/": "GET, HEAD",
    "/v2/_catalog": "GET, HEAD",
    "/v2/a/manifests/v1": "GET, HEAD, PUT, DELETE",
    f"/v2/a/blobs/{DIGEST}": "GET, HEAD, DELETE",
    "/v2/a/blobs/uploads/": "POST",
    f"/v2/a/blobs/uploads/{UPLOAD}": "PATCH, PUT, GET, HEAD, DELETE",
    "/v2/a/tags/list": "GET, HEAD",
    f"/v2/a/referrers/{DIGEST}": "GET, HEAD",
    "/health": "GET, HEAD",
    "/ready": "GET, HEAD",
    "/metrics": "GET, HEAD",
}
UNSUPPORTED = [(method, path) for path, allowed in ALLOWED.items() for method in METHODS if method not in allowed]


@pytest.mark.parametrize(("method", "path"), UNSUPPORTED)
def test_a_method_that_a_resource_does_not_have_is_refused_naming_those_it_has(
    raw: Wire, method: str, path: str
) -> None:
    answer = raw.request(method, path)
    if method == "HEAD":
        assert (answer.status, answer.body) == (405, b"")
    else:
        assert refusal(answer, 405, "UNSUPPORTED")["allowed"] == answer.headers["allow"].split(", ")
    assert set(answer.headers["allow"].split(", ")) == set(ALLOWED[path].split(", "))


# Traversal and worse, in every parameter

PLACES = [
    "GET /v2/{}/manifests/v1",
    "GET /v2/{}/b/manifests/v1",
    "GET /v2/a/{}/manifests/v1",
    "GET /v2/a/manifests/{}",
    "PUT /v2/a/manifests/{}",
    "DELETE /v2/a/manifests/{}",
    f"GET /v2/{{}}/blobs/{DIGEST}",
    "GET /v2/a/blobs/{}",
    "GET /v2/a/blobs/sha256:{}",
    "DELETE /v2/a/blobs/{}",
    "POST /v2/{}/blobs/uploads/",
    "POST /v2/a/blobs/uploads/?digest={}",
    "POST /v2/a/blobs/uploads/?mount={}",
    f"POST /v2/a/blobs/uploads/?mount={DIGEST}&from={{}}",
    "POST /v2/a/blobs/uploads/?digest-algorithm={}",
    "GET /v2/a/blobs/uploads/{}",
    "PATCH /v2/a/blobs/uploads/{}",
    f"PUT /v2/a/blobs/uploads/{{}}?digest={DIGEST}",
    f"PUT /v2/a/blobs/uploads/{UPLOAD}?digest={{}}",
    "DELETE /v2/a/blobs/uploads/{}",
    f"DELETE /v2/{{}}/blobs/uploads/{UPLOAD}",
    "GET /v2/{}/tags/list",
    "GET /v2/a/tags/list?n={}",
    "GET /v2/_catalog?n={}",
    f"GET /v2/{{}}/referrers/{DIGEST}",
    "GET /v2/a/referrers/{}",
    f"GET /v2/a/referrers/{DIGEST}?last={{}}",
    "GET /v2/{}",
    "GET /{}",
]
EVIL = {
    "dots": "..",
    "dots encoded": "%2e%2e",
    "a way up": "../../../etc/passwd",
    "a way up encoded": "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "a way up encoded twice": "%252e%252e%252fetc",
    "a way up in the middle": "a/../../b",
    "backslashes": "%5c..%5c..",
    "an absolute path": "%2Fetc%2Fpasswd",
    "a NUL": "%00",
    "a NUL inside": "a%00b",
    "a new line": "a%0d%0aX-Injected:%20yes",
    "a lone surrogate": "%ED%A0%80",
    "no UTF-8": "%FF%FE",
    "a broken escape": "%zz%",
    "an emoji": "%F0%9F%92%A9",
    "SQL": "%27%3B%20DROP%20TABLE%20blobs%3B--",
    "markup": "%3Cscript%3Ealert(1)%3C/script%3E",
    "very long": "a" * 5000 + "!",
    "a template": "%7B%7B7*7%7D%7D",
}
CODES = re.compile(r"[A-Z_]+_(INVALID|UNKNOWN)|UNSUPPORTED")


@pytest.mark.parametrize("evil", EVIL.values(), ids=EVIL)
def test_what_no_parameter_may_be_is_refused_wherever_it_stands(client: Client, raw: Wire, evil: str) -> None:
    before = client.registry.stored()
    for place in PLACES:
        method, target = place.format(evil).split(" ", 1)
        answer = raw.request(method, target)
        assert answer.status in (400, 404, 415), (target, answer)
        code = answer.json()["errors"][0]["code"]
        assert CODES.fullmatch(code), (target, answer)
        refusal(answer, answer.status, code)
        assert "x-injected" not in answer.headers
        assert len(answer.body) < 4000
    assert set(client.registry.stored()) <= set(before)


@pytest.mark.parametrize("evil", EVIL.values(), ids=EVIL)
def test_any_text_may_be_where_a_list_goes_on(raw: Wire, evil: str) -> None:
    answer = raw.request("GET", f"/v2/_catalog?n=1&last={evil}")
    assert answer.status in (200, 400)
    if answer.status == 400:
        refusal(answer, 400, "UNSUPPORTED")


# Request ids


@pytest.mark.parametrize("given", ["abc", "a" * 128, "0af7651916cd43dd8448eb211c80319c", "a.b:c/d+e=f-g_h"])
@pytest.mark.parametrize("path", ["/v2/a/manifests/v1", "/v2/a/tags/list?n=x", "/v2/nope", "/nope"])
def test_the_clients_request_id_stands_in_header_and_detail(client: Client, path: str, given: str) -> None:
    answer = client.get(path, headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] == given
    assert answer.json()["errors"][0]["detail"]["request_id"] == given


@pytest.mark.parametrize("given", ["", "a" * 129, 'a"b', "<b>", "a b", "a,b", "\xff"])
@pytest.mark.parametrize("path", ["/v2/a/manifests/v1", "/v2/a/tags/list?n=x", "/v2/nope", "/nope"])
def test_an_unfit_request_id_is_replaced(raw: Wire, path: str, given: str) -> None:
    answer = raw.request("GET", path, [("X-Request-ID", given)])
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])
    assert answer.json()["errors"][0]["detail"]["request_id"] == answer.headers["x-request-id"]


def test_every_request_has_an_id_of_its_own(client: Client) -> None:
    assert len({client.get("/v2/").headers["X-Request-ID"] for _ in range(20)}) == 20


def test_the_log_tells_the_request_id_of_what_was_refused(client: Client, repo: str) -> None:
    answer = client.put_manifest(repo, index_of(image_of()), "v1", INDEX)
    detail = refusal(answer, 404, "MANIFEST_BLOB_UNKNOWN")
    wait_until(lambda: detail["request_id"] in client.registry.log.read_text())


def test_refusing_a_large_manifest_tells_the_limit_in_words(client: Client, repo: str) -> None:
    answer = client.put_manifest(repo, b" " * (LIMIT + 1), "v1", IMAGE)
    assert str(LIMIT) in answer.json()["errors"][0]["message"]
