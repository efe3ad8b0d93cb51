"""`auth=open`: whoever reaches the address may do everything, but no web page may."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.http.client import Client, Wire, digest_of, refusal, wire
from tests.http.conftest import fresh
from tests.http.server import Registry, serving

PATHS = ["/v2/", "/v2/a/manifests/x", f"/v2/a/blobs/{digest_of(b'')}", "/metrics"]
"""Of both doors, and one that is no part of the protocol."""

every_door = pytest.mark.parametrize("path", PATHS)


@every_door
@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:5000", "LOCALHOST", "127.0.0.1", "127.8.9.1:80", "[::1]", "[::1]:5000", "a.localhost:1"],
)
def test_loopback_names_are_accepted_as_host(raw: Wire, path: str, host: str) -> None:
    assert raw.request("GET", path, [("Host", host)]).status in (200, 404)


@every_door
@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "localhost.example.com",
        "127.0.0.1.example.com",
        "notlocalhost",
        "192.168.1.1",
        "0.0.0.0:5000",
        "[::]",
        "::1",
        "[::1",
        "2130706433",
        "127.1",
        "",
        "a b",
        "localhost, example.com",
        "evil@localhost",
        "localhost/.evil.example",
        "a..localhost",
        ".localhost",
        "x" * 64 + ".localhost",
        "127.0.0.1:",
    ],
)
def test_other_names_are_refused_as_host(raw: Wire, path: str, host: str) -> None:
    refusal(raw.request("GET", path, [("Host", host)]), 403, "DENIED")


def test_a_push_under_a_foreign_host_stores_nothing(client: Client, raw: Wire, repo: str) -> None:
    digest = digest_of(b"rebound")
    answer = raw.request("POST", f"/v2/{repo}/blobs/uploads/?digest={digest}", [("Host", "evil.example")], b"rebound")
    refusal(answer, 403, "DENIED")
    refusal(client.get(f"/v2/{repo}/blobs/{digest}"), 404, "BLOB_UNKNOWN")


@every_door
@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://127.0.0.1",
        "http://localhost:{port}",
        "https://127.0.0.1:{port}.evil.example",
        "null",
        "",
        "file://",
        "http://[",
        "http://[::1]:²",
        "127.0.0.1:{port}/",
        "chrome-extension://abc",
    ],
)
def test_foreign_origins_are_refused(registry: Registry, raw: Wire, path: str, origin: str) -> None:
    text = origin.format(port=registry.port).encode().decode("latin-1")
    refusal(raw.request("GET", path, [("Origin", text)]), 403, "DENIED")


@every_door
@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("", 403), ("same-origin", 200), ("none", 200)]
)
def test_what_a_browser_says_of_a_request_s_site_counts(raw: Wire, path: str, site: str, status: int) -> None:
    answer = raw.request("GET", path, [("Sec-Fetch-Site", site)])
    assert answer.status in ((200, 404) if status == 200 else (403,))


@every_door
def test_the_origin_of_the_registry_itself_is_accepted(registry: Registry, raw: Wire, path: str) -> None:
    assert raw.request("GET", path, [("Origin", registry.url)]).status in (200, 404)


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_whether_it_lives_may_be_asked_under_any_host(raw: Wire, path: str) -> None:
    assert raw.request("GET", path, [("Host", "10.0.0.7:8080")]).status == 200


@pytest.mark.parametrize("path", ["/v2/", "/nowhere"])
def test_no_answer_allows_other_origins(raw: Wire, path: str) -> None:
    for method in ("GET", "OPTIONS"):
        answer = raw.request(method, path, [("Origin", "http://evil.example")])
        assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Return a registry that is reached as https://registry.example:8443/oci."""
    directory = tmp_path_factory.mktemp("named")
    with serving(directory, external_url="https://registry.example:8443/oci") as registry:
        yield registry


@every_door
def test_the_external_name_is_accepted_as_host_and_origin(named: Registry, path: str) -> None:
    headers = [("Host", "Registry.example:8443"), ("Origin", "https://registry.example:8443")]
    with wire(named) as connection:
        assert connection.request("GET", path, headers).status in (200, 404)


@every_door
@pytest.mark.parametrize("host", ["registry.example", "registry.example:443", "other.registry.example:8443"])
def test_a_name_like_the_external_one_is_refused(named: Registry, path: str, host: str) -> None:
    with wire(named) as connection:
        refusal(connection.request("GET", path, [("Host", host)]), 403, "DENIED")


def test_where_an_upload_stands_is_told_by_its_external_url(named: Registry) -> None:
    client = Client(named)
    with client.session:
        location = client.start(fresh())
        answer = client.chunk(location.removeprefix("https://registry.example:8443/oci"), b"abc", 5)
    refusal(answer, 416, "BLOB_UPLOAD_INVALID")
    assert answer.headers["Location"] == location


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Return a registry that trusts its network."""
    with serving(tmp_path_factory.mktemp("trusting"), insecure_open="true") as registry:
        yield registry


@every_door
@pytest.mark.parametrize("host", ["10.0.0.7:5000", "[fd00::7]:5000", "registry.lan"])
def test_a_trusted_network_may_use_any_name(trusting: Registry, path: str, host: str) -> None:
    with wire(trusting) as connection:
        assert connection.request("GET", path, [("Host", host)]).status in (200, 404)


@every_door
def test_a_page_whose_name_leads_into_a_trusted_network_is_refused(trusting: Registry, path: str) -> None:
    with wire(trusting) as connection:
        rebound = [("Host", "evil.example:5000"), ("Origin", "http://evil.example:5000")]
        refusal(connection.request("GET", path, rebound), 403, "DENIED")
    with wire(trusting) as connection:  # as Firefox and Chromium send it for `fetch("/v2/")`
        read = [("Host", "evil.example:5000"), ("User-Agent", "Mozilla/5.0"), ("Accept-Language", "en-US,en;q=0.5")]
        refusal(connection.request("GET", path, read), 403, "DENIED")
    with wire(trusting) as connection:
        typed = [("Host", "10.0.0.7:5000"), ("Origin", "http://10.0.0.7:5000"), ("Sec-Fetch-Site", "same-origin")]
        assert connection.request("GET", path, typed).status in (200, 404)
