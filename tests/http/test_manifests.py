"""end-3, end-7: manifests are pulled as they were pushed, byte for byte."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.http.client import (
    DOCKER_IMAGE,
    DOCKER_LIST,
    EMPTY,
    IMAGE,
    INDEX,
    LIMIT,
    Client,
    descriptor,
    digest_of,
    image_of,
    index_of,
    refusal,
)

TYPES = {"OCI image": IMAGE, "OCI index": INDEX, "Docker image": DOCKER_IMAGE, "Docker list": DOCKER_LIST}


def manifest_of(media_type: str, **more: object) -> dict[str, Any]:
    """Return a manifest of a type, with an empty config or without children."""
    content: dict[str, Any] = {"schemaVersion": 2, "mediaType": media_type}
    if media_type in (IMAGE, DOCKER_IMAGE):
        content |= {"config": descriptor(b"{}", EMPTY), "layers": []}
    else:
        content |= {"manifests": []}
    return content | more


@pytest.fixture(autouse=True)
def empty_config(client: Client, repo: str) -> None:
    client.push_blob(repo, b"{}")


# Push and pull


@pytest.mark.parametrize("media_type", TYPES.values(), ids=TYPES)
@pytest.mark.parametrize("reference", ["v1", None], ids=["by tag", "by digest"])
def test_a_manifest_of_each_type_is_pushed_and_pulled(
    client: Client, repo: str, media_type: str, reference: str | None
) -> None:
    content = json.dumps(manifest_of(media_type)).encode()
    answer = client.put_manifest(repo, content, reference, media_type)
    digest = digest_of(content)
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/v2/{repo}/manifests/{reference or digest}"
    assert answer.headers["Docker-Content-Digest"] == digest
    for name in {reference or digest, digest}:
        pulled = client.get(f"/v2/{repo}/manifests/{name}")
        assert pulled.status_code == 200
        assert pulled.content == content
        assert pulled.headers["Content-Type"] == media_type
        assert pulled.headers["Content-Length"] == str(len(content))
        assert pulled.headers["Docker-Content-Digest"] == digest
        assert pulled.headers["ETag"] == f'"{digest}"'


@pytest.mark.parametrize("reference", ["v1", "digest"])
def test_head_has_the_headers_of_get_and_no_body(client: Client, repo: str, reference: str) -> None:
    digest = client.push_manifest(repo, image_of(), "v1")
    path = f"/v2/{repo}/manifests/{digest if reference == 'digest' else reference}"
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("Content-Type", "Content-Length", "Docker-Content-Digest", "ETag"):
        assert head.headers[name] == get.headers[name]


STRANGE = {
    "whitespace": b'\n\t{ "schemaVersion" : 2,\r\n  "config": %s , "layers":[ ] }\n\n',
    "unknown fields": b'{"schemaVersion":2,"config":%s,"layers":[],"org.example.extra":{"deep":[1,2,{"x":null}]},"z":1e400}',
    "order of keys": b'{"layers":[],"config":%s,"schemaVersion":2}',
    "escapes": b'{"schemaVersion":2,"config":%s,"layers":[],"annotations":{"a\\u0062":"\\ud83d\\ude00 \\/ caf\\u00e9"}}',
    "utf-8": '{"schemaVersion":2,"config":%s,"annotations":{"größe":"café 😀"}}'.encode(),
    "a NUL": b'{"schemaVersion":2,"config":%s,"annotations":{"n":"a\\u0000b"}}',
    "a lone surrogate": b'{"schemaVersion":2,"config":%s,"x":"\\ud800"}',
}


@pytest.mark.parametrize("form", STRANGE.values(), ids=STRANGE)
def test_every_byte_is_kept(client: Client, repo: str, form: bytes) -> None:
    content = form % json.dumps(descriptor(b"{}", EMPTY)).encode()
    client.push_manifest(repo, content, "v1")
    assert client.get(f"/v2/{repo}/manifests/v1").content == content
    assert client.get(f"/v2/{repo}/manifests/{digest_of(content)}").content == content


def test_a_manifest_is_pushed_by_its_sha512_digest(client: Client, repo: str) -> None:
    content = image_of()
    digest = digest_of(content, "sha512")
    assert client.push_manifest(repo, content, digest) == digest
    pulled = client.get(f"/v2/{repo}/manifests/{digest}")
    assert (pulled.content, pulled.headers["Docker-Content-Digest"]) == (content, digest)


@pytest.mark.parametrize("accept", [None, "*/*", INDEX, DOCKER_IMAGE, "text/html", "application/json;q=0.1, nonsense"])
def test_accept_never_filters_or_converts(client: Client, repo: str, accept: str | None) -> None:
    content = image_of()
    client.push_manifest(repo, content, "v1")
    for method in ("GET", "HEAD"):
        answer = client.request(method, f"/v2/{repo}/manifests/v1", headers={"Accept": accept})
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, IMAGE)
        assert answer.content == (content if method == "GET" else b"")


def test_parameters_and_case_of_the_content_type_are_ignored(client: Client, repo: str) -> None:
    client.push_manifest(repo, image_of(), "v1", media_type=f"{IMAGE.upper()}; charset=utf-8")
    assert client.get(f"/v2/{repo}/manifests/v1").headers["Content-Type"] == IMAGE


def test_the_same_manifest_can_be_pushed_again(client: Client, repo: str) -> None:
    for _ in range(2):
        client.push_manifest(repo, image_of(), "v1")


def test_a_tag_moves_and_the_manifest_it_named_stays(client: Client, repo: str) -> None:
    first, second = image_of(annotations={"n": "1"}), image_of(annotations={"n": "2"})
    client.push_manifest(repo, first, "latest")
    client.push_manifest(repo, second, "latest")
    assert client.get(f"/v2/{repo}/manifests/latest").content == second
    assert client.get(f"/v2/{repo}/manifests/{digest_of(first)}").content == first


@pytest.mark.parametrize("size", [64 << 10, (64 << 10) + 1, 1 << 20])
def test_a_large_manifest_is_pulled_by_tag_and_by_digest(client: Client, repo: str, size: int) -> None:
    content = image_of().ljust(size)
    client.push_manifest(repo, content, "large")
    for _ in range(2):
        assert client.get(f"/v2/{repo}/manifests/large").content == content
        assert client.get(f"/v2/{repo}/manifests/{digest_of(content)}").content == content


@pytest.mark.parametrize("reference", ["v2", digest_of(b"none")])
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_an_unknown_manifest_is_not_found(client: Client, repo: str, reference: str, method: str) -> None:
    client.push_manifest(repo, image_of(), "v1")
    answer = client.request(method, f"/v2/{repo}/manifests/{reference}")
    assert answer.status_code == 404
    if method != "HEAD":
        assert refusal(answer, 404, "MANIFEST_UNKNOWN")["reference"] == reference


def test_a_manifest_of_an_unknown_repository_is_not_found(client: Client, other: str) -> None:
    refusal(client.get(f"/v2/{other}/manifests/latest"), 404, "MANIFEST_UNKNOWN")


# Conditions and ranges


def test_a_known_etag_is_answered_with_not_modified(client: Client, repo: str) -> None:
    digest = client.push_manifest(repo, image_of(), "v1")
    for method in ("GET", "HEAD"):
        answer = client.request(method, f"/v2/{repo}/manifests/v1", headers={"If-None-Match": f'"{digest}"'})
        assert (answer.status_code, answer.content) == (304, b"")


def test_the_etag_of_a_tag_changes_when_it_moves(client: Client, repo: str) -> None:
    digest = client.push_manifest(repo, image_of(), "v1")
    moved = image_of(annotations={"moved": "yes"})
    client.push_manifest(repo, moved, "v1")
    answer = client.get(f"/v2/{repo}/manifests/v1", headers={"If-None-Match": f'"{digest}"'})
    assert (answer.status_code, answer.content) == (200, moved)


def test_a_part_of_a_manifest_can_be_pulled(client: Client, repo: str) -> None:
    content = image_of()
    client.push_manifest(repo, content, "v1")
    answer = client.get(f"/v2/{repo}/manifests/v1", headers={"Range": "bytes=1-10"})
    assert (answer.status_code, answer.content) == (206, content[1:11])
    answer = client.get(f"/v2/{repo}/manifests/v1", headers={"Range": f"bytes={len(content)}-"})
    refusal(answer, 416, "SIZE_INVALID")


# Tags given as parameters, and what a push answers


def test_tag_parameters_name_a_manifest_pushed_by_digest(client: Client, repo: str) -> None:
    content = image_of()
    answer = client.put_manifest(repo, content, params={"tag": ["v1", "v1.2", "latest"]})
    assert answer.status_code == 201
    assert answer.headers["OCI-Tag"] == "v1, v1.2, latest"
    for tag in ("v1", "v1.2", "latest"):
        assert client.get(f"/v2/{repo}/manifests/{tag}").content == content


def test_tag_parameters_name_a_manifest_pushed_by_tag_too(client: Client, repo: str) -> None:
    answer = client.put_manifest(repo, image_of(), "v1", params={"tag": "latest"})
    assert answer.headers["OCI-Tag"] == "v1, latest"
    assert client.get(f"/v2/{repo}/tags/list").json()["tags"] == ["latest", "v1"]


def test_a_push_by_digest_alone_makes_no_tag(client: Client, repo: str) -> None:
    answer = client.put_manifest(repo, image_of())
    assert "OCI-Tag" not in answer.headers
    assert client.get(f"/v2/{repo}/tags/list").json()["tags"] == []


def test_with_one_bad_tag_parameter_nothing_is_stored(client: Client, repo: str) -> None:
    answer = client.put_manifest(repo, image_of(), params={"tag": ["good", "not/good"]})
    assert refusal(answer, 400, "TAG_INVALID")["tag"] == "not/good"
    refusal(client.get(f"/v2/{repo}/manifests/good"), 404, "MANIFEST_UNKNOWN")
    refusal(client.get(f"/v2/{repo}/manifests/{digest_of(image_of())}"), 404, "MANIFEST_UNKNOWN")


def test_a_push_with_a_subject_names_it(client: Client, repo: str) -> None:
    subject = image_of()
    client.push_manifest(repo, subject)
    answer = client.put_manifest(repo, image_of(subject=descriptor(subject, IMAGE)))
    assert answer.headers["OCI-Subject"] == digest_of(subject)


def test_a_push_without_a_subject_names_none(client: Client, repo: str) -> None:
    assert "OCI-Subject" not in client.put_manifest(repo, image_of()).headers


def test_a_subject_need_not_be_there(client: Client, repo: str) -> None:
    missing = descriptor(b"a manifest that nobody pushed", IMAGE)
    answer = client.put_manifest(repo, image_of(subject=missing))
    assert (answer.status_code, answer.headers["OCI-Subject"]) == (201, missing["digest"])


def test_an_index_may_have_a_subject(client: Client, repo: str) -> None:
    subject = descriptor(b"missing", IMAGE)
    answer = client.put_manifest(repo, index_of(subject=subject), media_type=INDEX)
    assert (answer.status_code, answer.headers["OCI-Subject"]) == (201, subject["digest"])


# What manifests may hold


def test_an_artifact_may_have_any_types(client: Client, repo: str) -> None:
    client.push_blob(repo, b"weights")
    layer = descriptor(b"weights", "application/vnd.example.weights+custom", annotations={"org.example": "x"})
    content = image_of(artifactType="application/vnd.example.model", layers=[layer])
    client.push_manifest(repo, content, "model")
    assert client.get(f"/v2/{repo}/manifests/model").content == content


def test_a_descriptor_may_carry_its_data(client: Client, repo: str) -> None:
    content = image_of(config=b"{}", layers=[descriptor(b"{}", EMPTY, data="e30=")])
    client.push_manifest(repo, content, "v1")
    assert client.get(f"/v2/{repo}/manifests/v1").content == content


def test_layers_may_be_absent(client: Client, repo: str) -> None:
    client.push_manifest(repo, image_of(layers=None), "v1")


NON_DISTRIBUTABLE = [
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
]


@pytest.mark.parametrize("layer_type", NON_DISTRIBUTABLE)
def test_a_non_distributable_layer_need_not_be_there(client: Client, repo: str, layer_type: str) -> None:
    layer = descriptor(b"elsewhere", layer_type, urls=["https://example.com/layer"])
    client.push_manifest(repo, image_of(layers=[layer]), "v1")


def test_an_index_of_images_and_indexes_is_pushed(client: Client, repo: str) -> None:
    image = image_of()
    client.push_manifest(repo, image)
    inner = index_of(image)
    client.push_manifest(repo, inner, media_type=INDEX)
    outer = json.dumps(manifest_of(INDEX, manifests=[descriptor(image, IMAGE), descriptor(inner, INDEX)])).encode()
    client.push_manifest(repo, outer, "all", media_type=INDEX)
    assert client.get(f"/v2/{repo}/manifests/all").content == outer


def test_a_docker_list_of_docker_images_is_pushed(client: Client, repo: str) -> None:
    image = json.dumps(manifest_of(DOCKER_IMAGE)).encode()
    client.push_manifest(repo, image, media_type=DOCKER_IMAGE)
    platform = {"architecture": "amd64", "os": "linux"}
    child = descriptor(image, DOCKER_IMAGE, platform=platform)
    content = json.dumps(manifest_of(DOCKER_LIST, manifests=[child])).encode()
    client.push_manifest(repo, content, "all", media_type=DOCKER_LIST)


# What is missing


def test_every_missing_blob_is_named_and_nothing_is_stored(client: Client, repo: str) -> None:
    client.push_blob(repo, b"there")
    absent = [f"layer {number}".encode() for number in range(20)]
    content = image_of(b"there", *absent, config=b'{"absent":true}')
    answer = client.put_manifest(repo, content, "v1")
    missing = refusal(answer, 404, "MANIFEST_BLOB_UNKNOWN")["missing"]
    assert missing == [digest_of(blob) for blob in (b'{"absent":true}', *absent)]
    refusal(client.get(f"/v2/{repo}/manifests/v1"), 404, "MANIFEST_UNKNOWN")
    refusal(client.get(f"/v2/{repo}/manifests/{digest_of(content)}"), 404, "MANIFEST_UNKNOWN")


def test_a_digest_missing_twice_is_named_once(client: Client, repo: str) -> None:
    answer = client.put_manifest(repo, image_of(b"absent", b"absent"), "v1")
    assert refusal(answer, 404, "MANIFEST_BLOB_UNKNOWN")["missing"] == [digest_of(b"absent")]


def test_a_blob_of_another_repository_is_missing_here(client: Client, repo: str, other: str) -> None:
    client.push_blob(other, b"theirs")
    answer = client.put_manifest(repo, image_of(b"theirs"), "v1")
    assert refusal(answer, 404, "MANIFEST_BLOB_UNKNOWN")["missing"] == [digest_of(b"theirs")]


def test_every_missing_child_of_an_index_is_named(client: Client, repo: str) -> None:
    there, absent = image_of(), [image_of(annotations={"n": str(number)}) for number in range(3)]
    client.push_manifest(repo, there)
    answer = client.put_manifest(repo, index_of(there, *absent), "all", INDEX)
    missing = refusal(answer, 404, "MANIFEST_BLOB_UNKNOWN")["missing"]
    assert missing == [digest_of(content) for content in absent]


def test_an_index_may_name_blobs_that_are_there(client: Client, repo: str) -> None:
    # Clients that cache builds keep layers in an index.
    client.push_blob(repo, b"a cached layer")
    content = json.dumps(manifest_of(INDEX, manifests=[descriptor(b"a cached layer")])).encode()
    digest = client.push_manifest(repo, content, "cache", INDEX)
    answer = client.delete(f"/v2/{repo}/blobs/{digest_of(b'a cached layer')}")
    assert refusal(answer, 403, "DENIED")["used_by"] == [digest]


def test_once_what_was_missing_is_there_the_same_push_succeeds(client: Client, repo: str) -> None:
    content = image_of(b"late")
    refusal(client.put_manifest(repo, content, "v1"), 404, "MANIFEST_BLOB_UNKNOWN")
    client.push_blob(repo, b"late")
    client.push_manifest(repo, content, "v1")


# What is refused


def test_a_digest_of_other_bytes_is_refused_and_nothing_is_stored(client: Client, repo: str) -> None:
    wrong = digest_of(b"something else")
    answer = client.put_manifest(repo, image_of(), wrong)
    assert refusal(answer, 400, "DIGEST_INVALID")["actual"] == digest_of(image_of())
    refusal(client.get(f"/v2/{repo}/manifests/{wrong}"), 404, "MANIFEST_UNKNOWN")


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "text/html",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "",
        None,
        f"{IMAGE}x",
    ],
)
def test_another_content_type_is_refused_naming_the_four(client: Client, repo: str, media_type: str | None) -> None:
    answer = client.put(f"/v2/{repo}/manifests/v1", data=image_of(), headers={"Content-Type": media_type})
    assert set(refusal(answer, 415, "MANIFEST_INVALID")["supported"]) == set(TYPES.values())


def test_a_manifest_of_4_mib_is_taken(client: Client, repo: str) -> None:
    content = image_of(annotations={f"a{n}": "x" * 10_000 for n in range(390)}).ljust(LIMIT)
    client.push_manifest(repo, content, "v1")
    assert client.get(f"/v2/{repo}/manifests/v1").content == content


@pytest.mark.parametrize("has_length", [True, False], ids=["Content-Length", "chunked"])
def test_a_manifest_above_4_mib_is_refused(client: Client, repo: str, has_length: bool) -> None:
    content = image_of().ljust(LIMIT + 1)
    body = content if has_length else (content[at : at + 99_999] for at in range(0, len(content), 99_999))
    answer = client.put(f"/v2/{repo}/manifests/v1", data=body, headers={"Content-Type": IMAGE})
    assert refusal(answer, 413, "SIZE_INVALID")["limit"] == LIMIT
    refusal(client.get(f"/v2/{repo}/manifests/v1"), 404, "MANIFEST_UNKNOWN")


CONFIG = json.dumps(descriptor(b"{}", EMPTY))
INVALID = {
    "empty": b"",
    "no JSON": b"hello",
    "cut": image_of()[:-1],
    "two documents": image_of() * 2,
    "a list": b"[]",
    "null": b"null",
    "a string": b'"manifest"',
    "NaN": b'{"schemaVersion":2,"config":%s,"x":NaN}' % CONFIG.encode(),
    "Infinity": b'{"schemaVersion":2,"config":%s,"x":-Infinity}' % CONFIG.encode(),
    "no UTF-8": b'{"schemaVersion":2,"config":%s,"x":"\xff\xfe"}' % CONFIG.encode(),
    "UTF-16": image_of().decode().encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + image_of(),
    "an overlong encoding": b'{"schemaVersion":2,"config":%s,"x":"\xc0\x80"}' % CONFIG.encode(),
    "a duplicate key": b'{"schemaVersion":2,"schemaVersion":2,"config":%s}' % CONFIG.encode(),
    "a duplicate key by an escape": b'{"schemaVersion":2,"config":%s,"x":1,"\\u0078":2}' % CONFIG.encode(),
    "a duplicate key far inside": b'{"schemaVersion":2,"config":%s,"x":[{"y":{"a":1,"a":2}}]}' % CONFIG.encode(),
    "too deep": b'{"schemaVersion":2,"config":%s,"x":%s}' % (CONFIG.encode(), b"[" * 64 + b"]" * 64),
    "very deep": b'{"schemaVersion":2,"x":' + b"[" * 1_000_000,
    "a huge number": b'{"schemaVersion":2,"config":%s,"x":%s}' % (CONFIG.encode(), b"9" * 100_000),
    "no schemaVersion": b'{"config":%s}' % CONFIG.encode(),
    "schemaVersion 1": b'{"schemaVersion":1,"config":%s}' % CONFIG.encode(),
    "schemaVersion as text": b'{"schemaVersion":"2","config":%s}' % CONFIG.encode(),
    "no config": b'{"schemaVersion":2,"layers":[]}',
    "config null": b'{"schemaVersion":2,"config":null}',
    "another mediaType": image_of(mediaType=INDEX),
    "mediaType no text": image_of(mediaType=2),
    "manifests beside layers": image_of(manifests=[]),
    "layers no list": image_of(layers={}),
    "a layer no object": image_of(layers=["sha256:abc"]),
    "a layer without digest": image_of(layers=[{"mediaType": "x/y", "size": 1}]),
    "a layer without size": image_of(layers=[{"mediaType": "x/y", "digest": digest_of(b"")}]),
    "a layer without mediaType": image_of(layers=[{"size": 1, "digest": digest_of(b"")}]),
    "a negative size": image_of(layers=[{"mediaType": "x/y", "size": -1, "digest": digest_of(b"")}]),
    "a size beyond 63 bits": image_of(layers=[{"mediaType": "x/y", "size": 1 << 63, "digest": digest_of(b"")}]),
    "a size no number": image_of(layers=[{"mediaType": "x/y", "size": True, "digest": digest_of(b"")}]),
    "a bad digest": image_of(layers=[{"mediaType": "x/y", "size": 1, "digest": "sha256:../../etc/passwd"}]),
    "an unknown algorithm": image_of(layers=[{"mediaType": "x/y", "size": 1, "digest": "md5:" + "0" * 32}]),
    "subject no descriptor": image_of(subject="sha256:abc"),
    "annotations no strings": image_of(annotations={"a": 1}),
    "annotations a list": image_of(annotations=["a"]),
    "annotations with half a character": image_of(annotations={"s": "\ud800"}),
    "artifactType no text": image_of(artifactType=["x"]),
    "artifactType not printable": image_of(artifactType="a\u0000b"),
    "artifactType too long": image_of(artifactType="a" * 300),
}


@pytest.mark.parametrize("content", INVALID.values(), ids=INVALID)
def test_an_invalid_manifest_is_refused_and_nothing_is_stored(client: Client, repo: str, content: bytes) -> None:
    refusal(client.put_manifest(repo, content, "bad"), 400, "MANIFEST_INVALID")
    refusal(client.get(f"/v2/{repo}/manifests/bad"), 404, "MANIFEST_UNKNOWN")


INVALID_INDEXES = {
    "no manifests": b'{"schemaVersion":2}',
    "layers beside manifests": index_of(layers=[]),
    "config beside manifests": index_of(config=descriptor(b"{}", EMPTY)),
    "a child no object": index_of(manifests=[1]),
    "another mediaType": index_of(mediaType=IMAGE),
}


@pytest.mark.parametrize("content", INVALID_INDEXES.values(), ids=INVALID_INDEXES)
@pytest.mark.parametrize("media_type", [INDEX, DOCKER_LIST], ids=["OCI", "Docker"])
def test_an_invalid_index_is_refused(client: Client, repo: str, content: bytes, media_type: str) -> None:
    refusal(client.put_manifest(repo, content, "bad", media_type), 400, "MANIFEST_INVALID")


# Many at once


def test_one_manifest_pushed_by_many_at_once_is_one(client: Client, repo: str) -> None:
    content = image_of()

    def push(number: int) -> int:
        mine = Client(client.registry)
        with mine.session:
            return mine.put_manifest(repo, content, f"v{number}").status_code

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(push, range(24))) == [201] * 24
    assert len(client.get(f"/v2/{repo}/tags/list").json()["tags"]) == 24
    for number in range(24):
        assert client.get(f"/v2/{repo}/manifests/v{number}").content == content


def test_a_tag_pushed_by_many_at_once_names_one_of_their_manifests(client: Client, repo: str) -> None:
    contents = [image_of(annotations={"n": str(number)}) for number in range(16)]

    def push(content: bytes) -> int:
        mine = Client(client.registry)
        with mine.session:
            return mine.put_manifest(repo, content, "latest").status_code

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(push, contents)) == [201] * 16
    winner = client.get(f"/v2/{repo}/manifests/latest")
    assert winner.content in contents
    assert winner.headers["Docker-Content-Digest"] == digest_of(winner.content)
    for content in contents:
        assert client.get(f"/v2/{repo}/manifests/{digest_of(content)}").content == content


def test_many_tags_moved_crosswise_at_once_never_fail(client: Client, repo: str) -> None:
    tags = [f"t{number}" for number in range(8)]

    def push(number: int) -> int:
        mine = Client(client.registry)
        order = tags if number % 2 else tags[::-1]
        with mine.session:
            return mine.put_manifest(repo, image_of(annotations={"n": str(number)}), params={"tag": order}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(push, range(16))) == [201] * 16
    # Each push moved all eight tags or none: they name the same manifest.
    assert len({client.get(f"/v2/{repo}/manifests/{tag}").content for tag in tags}) == 1
