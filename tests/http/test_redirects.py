"""Pulls of blobs that are sent to the storage, and those that are not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from registry.http.call import Call
from registry.http.redirects import Redirects
from tests.http.admin import Api
from tests.http.artifacts import LAYER, known, push, tar
from tests.http.client import Client, digest_of
from tests.http.conftest import fresh
from tests.http.server import Registry, serving
from tests.s3_servers import CREDENTIALS, REGION, S3Server
from tests.setups import DOORS, share

CONTENT = bytes(range(256)) * 4096  # the smallest blob that a redirect is worth
SIGNED = "https://bucket.example/key?signature"


def target(redirects: Redirects, url: str | None = SIGNED, size: int = len(CONTENT), **headers: str) -> str | None:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]

    async def nothing() -> None:
        """No body."""

    async def signed_url() -> str | None:
        return url

    return asyncio.run(redirects.target(Call("GET", "/", b"", raw, nothing), size, signed_url))


LOCAL = "http://127.0.0.1:9000/key"
AUTO = Redirects(always=False, spared=["Mozilla/", "Wget/"])


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        (SIGNED, {}),
        (SIGNED, {"user_agent": "oras/1.3.6"}),
        (SIGNED, {"host": "registry.example", "authorization": "Bearer x"}),
        (LOCAL, {"host": "localhost:5000"}),
        (LOCAL, {"host": "localhost:5000", "authorization": "Bearer x"}),
    ],
)
def test_a_client_that_can_follow_is_redirected(url: str, headers: dict[str, str]) -> None:
    assert target(AUTO, url, **headers) == url


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        (SIGNED, {"user_agent": "Mozilla/5.0 (X11)"}),
        (SIGNED, {"user_agent": "Wget/1.24"}),
        (LOCAL, {"host": "registry.example"}),
        (LOCAL, {}),
        (LOCAL, {"host": "127.0.0.1:5000", "authorization": "Bearer x"}),
        ("https://registry.example:9000/key", {"host": "registry.example", "authorization": "Bearer x"}),
        ("https://bucket.registry.example/key", {"host": "registry.example", "authorization": "Bearer x"}),
        ("http://bucket.example/key", {"host": "registry.example", "x_forwarded_proto": "https"}),
        (LOCAL, {"host": "["}),
    ],
)
def test_a_client_that_would_fail_gets_the_bytes(url: str, headers: dict[str, str]) -> None:
    assert target(AUTO, url, **headers) is None
    assert target(Redirects(always=True, spared=["Mozilla/"]), url, **headers) == url


def test_a_small_blob_is_sent_from_here() -> None:
    assert target(AUTO, size=len(CONTENT) - 1) is None
    assert target(Redirects(always=True), size=1) == SIGNED


def test_nobody_is_sent_from_https_to_http() -> None:
    assert target(Redirects(always=False, secure=True), "http://bucket.example/key") is None
    assert target(Redirects(always=False, secure=True)) == SIGNED


def test_without_a_signed_url_nobody_is_redirected() -> None:
    assert target(Redirects(always=True), None) is None


def storage(server: S3Server) -> str:
    where = server.make_bucket()
    return f"s3://{where.bucket}/{where.prefix}?endpoint={where.endpoint}&region={REGION}&path_style=true"


@pytest.fixture(scope="module", params=share(DOORS, __name__))
def redirecting(
    request: pytest.FixtureRequest, s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Registry]:
    """Return a registry on S3 with default settings."""
    lane = str(request.param == "lane").lower()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        with serving(tmp_path_factory.mktemp("redirects"), storage=storage(s3_server), fast_lane=lane) as running:
            yield running


@pytest.fixture
def blob(redirecting: Registry) -> Iterator[tuple[Client, str]]:
    client = Client(redirecting)
    with client.session:
        repo = fresh()
        yield client, f"/v2/{repo}/blobs/{client.push_blob(repo, CONTENT)}"


def test_a_pull_is_redirected_to_the_very_bytes(blob: tuple[Client, str]) -> None:
    client, path = blob
    answer = client.get(path)
    assert (answer.status_code, answer.content) == (307, b"")
    assert answer.headers["Docker-Content-Digest"] == digest_of(CONTENT)
    assert answer.headers["Cache-Control"] == "no-store"
    found = requests.get(answer.headers["Location"])
    assert (found.status_code, found.content) == (200, CONTENT)
    assert found.headers["Content-Type"] == "application/octet-stream"


def test_a_file_that_is_a_whole_blob_is_redirected_too(redirecting: Registry) -> None:
    repo, api = fresh(), Api(redirecting, {})
    push(
        redirecting, repo, {"large.bin": CONTENT, "archive": tar({"in.bin": CONTENT})}, types={"archive": f"{LAYER}tar"}
    )
    known(api, repo)
    path = f"/repositories/{repo}/-/artifacts/v1/files/content"
    answer = api("GET", path, params={"path": "large.bin"})
    assert (answer.status_code, answer.content) == (307, b"")
    assert requests.get(answer.headers["Location"]).content == CONTENT
    packed = api("GET", path, params={"path": "in.bin"})
    assert (packed.status_code, packed.content) == (200, CONTENT)


def test_a_range_goes_with_the_redirect(blob: tuple[Client, str]) -> None:
    client, path = blob
    answer = requests.get(client.registry.url + path, headers={"Range": "bytes=10-19"})
    assert (answer.status_code, answer.content) == (206, CONTENT[10:20])
    assert [step.status_code for step in answer.history] == [307]


def test_a_range_that_selects_nothing_is_refused_here(blob: tuple[Client, str]) -> None:
    client, path = blob
    assert client.get(path, headers={"Range": f"bytes={len(CONTENT)}-"}).status_code == 416


def test_head_and_a_known_etag_are_answered_here(blob: tuple[Client, str]) -> None:
    client, path = blob
    answer = client.request("HEAD", path)
    assert (answer.status_code, answer.headers["Content-Length"]) == (200, str(len(CONTENT)))
    etag = {"If-None-Match": answer.headers["ETag"]}
    assert client.get(path, headers=etag).status_code == 304


def test_conditions_are_answered_here(blob: tuple[Client, str]) -> None:
    client, path = blob
    etag = f'"{digest_of(CONTENT)}"'
    date = "Mon, 01 Jan 2001 00:00:00 GMT"
    for condition in ({"If-Match": etag}, {"If-Unmodified-Since": date}, {"If-Modified-Since": date}):
        assert client.get(path, headers=condition).content == CONTENT
    part = client.get(path, headers={"If-Range": etag, "Range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, CONTENT[2:5])


def test_an_empty_blob_is_answered_here(redirecting: Registry) -> None:
    client = Client(redirecting)
    with client.session:
        repo = fresh()
        path = f"/v2/{repo}/blobs/{client.push_blob(repo, b'')}"
        answer = client.get(path)
        assert (answer.status_code, answer.content) == (200, b"")


def test_a_spared_client_gets_the_bytes_from_here(blob: tuple[Client, str]) -> None:
    client, path = blob
    answer = client.get(path, headers={"User-Agent": "Mozilla/5.0"})
    assert (answer.status_code, answer.content) == (200, CONTENT)


def test_never_sends_everything_from_here(s3_server: S3Server, tmp_path: Path) -> None:
    with serving(tmp_path, storage=storage(s3_server), redirect="never") as running:
        client = Client(running)
        with client.session:
            repo = fresh()
            path = f"/v2/{repo}/blobs/{client.push_blob(repo, CONTENT)}"
            answer = client.get(path)
            assert (answer.status_code, answer.content) == (200, CONTENT)
