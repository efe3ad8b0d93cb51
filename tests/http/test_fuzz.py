"""Whatever bytes come, the answer is one that the specification knows: no 500, no HTML, no connection out of step."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.http.client import DOCKER_IMAGE, DOCKER_LIST, IMAGE, INDEX, Answer, Client, Wire, digest_of, wire
from tests.http.server import Registry

# A fixture per test is what is wanted here: connections live as long as the examples.
few = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

TYPES = st.sampled_from([IMAGE, INDEX, DOCKER_IMAGE, DOCKER_LIST])
METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
SEGMENTS = st.sampled_from(
    [
        "",
        "a",
        "B",
        "..",
        ".",
        "_",
        "v2",
        "blobs",
        "manifests",
        "tags",
        "list",
        "uploads",
        "referrers",
        "_catalog",
        "%00",
        "*",
        "sha256:" + "0" * 64,
        "sha512:" + "f" * 128,
        "00000000-0000-4000-8000-000000000000",
        "a" * 300,
        "%2F",
        "%0A",
        "~",
    ]
)
PATHS = st.one_of(
    st.lists(SEGMENTS, max_size=8).map(lambda parts: "/v2/" + "/".join(parts)),
    st.text().map(lambda text: "/" + quote(text, safe="/%")),
    st.binary(max_size=40).map(lambda raw: "/v2/" + quote(raw)),
)
PARAMETERS = st.sampled_from(["n", "last", "digest", "mount", "from", "tag", "artifactType", "digest-algorithm", "x"])
QUERIES = st.lists(st.tuples(PARAMETERS, st.text(max_size=20))).map(
    lambda pairs: "&".join(f"{name}={quote(value.encode('utf-8', 'surrogatepass'))}" for name, value in pairs)
)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=30)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            ["Range", "Content-Range", "If-None-Match", "If-Range", "Accept", "Content-Type", "X-Request-ID"]
        ),
        VALUES,
    ),
    max_size=4,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
DESCRIPTORS = st.fixed_dictionaries(
    {},
    optional={
        "mediaType": st.sampled_from([IMAGE, "a/b", "", 1, None]),
        "digest": st.sampled_from([digest_of(b"{}"), "sha256:", "x", 5, None]),
        "size": st.integers() | JSON,
        "data": JSON,
        "annotations": JSON,
    },
)
ALMOST = st.fixed_dictionaries(
    {"schemaVersion": st.just(2) | JSON},
    optional={
        "mediaType": TYPES | JSON,
        "config": DESCRIPTORS | JSON,
        "layers": st.lists(DESCRIPTORS, max_size=3) | JSON,
        "manifests": st.lists(DESCRIPTORS, max_size=3) | JSON,
        "subject": DESCRIPTORS | JSON,
        "annotations": st.dictionaries(st.text(), st.text(), max_size=3) | JSON,
        "artifactType": st.text() | JSON,
    },
).map(lambda document: json.dumps(document).encode())


def assert_known(answer: Any, method: str) -> None:
    """Check that an answer is a success without a body to speak of, or an error document."""
    assert answer.status < 500, answer
    assert "html" not in answer.headers.get("content-type", "")
    if answer.status >= 400 and method != "HEAD":
        assert answer.headers["content-type"] == "application/json"
        (error,) = answer.json()["errors"]
        assert error["detail"]["request_id"] == answer.headers["x-request-id"]


def tidy(registry: Registry, answer: Answer) -> Answer:
    """Note an upload that was begun by accident, for whoever checks the storage."""
    if "docker-upload-uuid" in answer.headers:
        registry.uploads.add(answer.headers["location"])
    return answer


@few
@given(method=METHODS, path=PATHS, query=QUERIES, headers=HEADERS)
def test_any_request_is_answered_in_the_shape_of_the_specification(
    registry: Registry, client: Client, raw: Wire, method: str, path: str, query: str, headers: list[tuple[str, str]]
) -> None:
    client.expect(b"")
    with wire(registry) as connection:
        answer = tidy(
            registry, connection.request(method, f"{path}?{query}", headers, b"" if method == "PUT" else None)
        )
        # Servers refuse what is no request at all, bare.
        if answer.status not in (400, 414, 431) or answer.body:
            assert_known(answer, method)
            assert connection.request("GET", "/v2/").status == 200


@few
@given(
    content=st.one_of(st.binary(max_size=200), JSON.map(lambda value: json.dumps(value).encode()), ALMOST), kind=TYPES
)
def test_any_bytes_as_a_manifest_are_stored_exactly_or_refused(
    client: Client, raw: Wire, content: bytes, kind: str
) -> None:
    repo = "fuzz/manifests"
    client.push_blob(repo, b"{}")
    answer = raw.request("PUT", f"/v2/{repo}/manifests/any", [("Content-Type", kind)], content)
    assert_known(answer, "PUT")
    assert answer.status in (201, 400, 404)
    if answer.status == 201:
        pulled = raw.request("GET", f"/v2/{repo}/manifests/any")
        assert (pulled.body, pulled.headers["content-type"]) == (content, kind)


@few
@given(
    pieces=st.lists(st.binary(min_size=1, max_size=50), max_size=5),
    content_range=st.none() | VALUES | st.from_regex(r"\A[0-9]{1,3}-[0-9]{1,20}\Z"),
)
def test_any_chunk_is_appended_whole_or_changes_nothing(
    registry: Registry, client: Client, raw: Wire, pieces: list[bytes], content_range: str | None
) -> None:
    location = client.start("fuzz/uploads")
    client.patch(location, data=b"begun")
    headers = [("Transfer-Encoding", "chunked")] + ([("Content-Range", content_range)] if content_range else [])
    raw.head("PATCH", location, headers)
    raw.send(b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n")
    answer = raw.answer()
    assert_known(answer, "PATCH")
    whole = b"begun" + (b"".join(pieces) if answer.status == 202 else b"")
    client.expect(whole)
    assert client.get(location).headers["Range"] == f"0-{len(whole) - 1}"
    assert client.finish(location, digest_of(whole)).status_code == 201
