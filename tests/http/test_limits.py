"""A client that asks too often is told so, by its address and before anything is read, through both doors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.http.call import Call
from registry.http.limits import Networks, _read
from tests.http.client import Client, Wire, digest_of, refusal
from tests.http.server import Registry, serving
from tests.setups import SETUPS, share

LIMIT = 3  # one more comes after twenty seconds: no test takes as long


@pytest.fixture(scope="module", params=share(SETUPS, __name__), ids="-".join)
def limited(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Return a registry that lets each client ask three times; the loopback address is a proxy's."""
    server, door = request.param
    directory = tmp_path_factory.mktemp(f"limited-{server}-{door}")
    lane = "true" if door == "lane" else "false"
    with serving(
        directory, server=server, fast_lane=lane, rate_limit=LIMIT, trusted_proxies="127.0.0.0/8,10.0.0.0/8"
    ) as running:
        yield running


@pytest.fixture
def client(limited: Registry) -> Iterator[Client]:
    found = Client(limited)
    with found.session:
        yield found


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v2/"),
        ("GET", f"/v2/team/model/manifests/{digest_of(b'')}"),
        ("HEAD", f"/v2/team/model/blobs/{digest_of(b'')}"),
        ("POST", "/v2/team/model/blobs/uploads/"),
        ("GET", "/v2/nowhere"),
        ("TRACE", "/v2/"),
    ],
)
def test_each_request_counts_and_one_too_many_is_refused(client: Client, method: str, path: str) -> None:
    address = f"192.0.2.{sum(map(ord, method + path)) % 250}"
    headers = {"X-Forwarded-For": address}
    for left in range(LIMIT - 1, -1, -1):
        answer = client.request(method, path, headers=headers)
        assert answer.status_code != 429
        assert answer.headers["RateLimit-Policy"] == f'"requests";q={LIMIT};w=60'
        assert answer.headers["RateLimit"].startswith(f'"requests";r={left};t=')
    answer = client.request(method, path, headers=headers)
    wait = int(answer.headers["Retry-After"])
    assert 1 <= wait <= 20
    assert answer.headers["RateLimit"] == f'"requests";r=0;t={wait}'
    if method != "HEAD":
        assert refusal(answer, 429, "TOOMANYREQUESTS")["retry_after"] == wait


def test_a_refused_upload_loses_no_answer_and_leaves_nothing(client: Client, limited: Registry) -> None:
    headers = {"X-Forwarded-For": "192.0.2.252"}
    for _ in range(LIMIT):
        client.get("/v2/", headers=headers)
    content = bytes(3 << 20)
    path = f"/v2/team/model/blobs/uploads/?digest={digest_of(content)}"
    refusal(client.post(path, data=content, headers=headers), 429, "TOOMANYREQUESTS")
    assert limited.remains() == []


def test_health_readiness_and_metrics_are_never_refused(client: Client) -> None:
    headers = {"X-Forwarded-For": "192.0.2.253"}
    for path in ("/health", "/ready", "/metrics"):
        for _ in range(LIMIT + 5):
            answer = client.get(path, headers=headers)
            assert answer.status_code == 200
            assert "RateLimit" not in answer.headers
    assert client.get("/v2/", headers=headers).headers["RateLimit"].startswith(f'"requests";r={LIMIT - 1};')


def test_without_a_limit_nothing_is_said_of_one(tmp_path: Path) -> None:
    with serving(tmp_path) as registry, Client(registry).session as session:
        for _ in range(100):
            answer = session.get(f"{registry.url}/v2/")
            assert answer.status_code == 200
            assert "RateLimit" not in answer.headers
            assert "RateLimit-Policy" not in answer.headers


def who(peer: str, forwarded: str | None = None, *trusted: str) -> str:
    async def receive() -> None:
        """Never called."""

    headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode("latin-1"))]
    return Networks(trusted).of(Call("GET", "/v2/", b"", headers, receive, peer))


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "client"),
    [
        ("192.0.2.1", None, [], "192.0.2.1"),
        ("192.0.2.1", "198.51.100.1", [], "192.0.2.1"),  # anybody may say anything
        ("192.0.2.1", "198.51.100.1", ["10.0.0.0/8"], "192.0.2.1"),
        ("10.0.0.1", "198.51.100.1", ["10.0.0.0/8"], "198.51.100.1"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.1", ["10.0.0.0/8"], "198.51.100.1"),  # the first was made up
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", ["10.0.0.0/8"], "198.51.100.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", ["10.0.0.0/8"], "10.0.0.3"),
        ("10.0.0.1", "198.51.100.1:4711", ["10.0.0.0/8"], "198.51.100.1"),
        ("10.0.0.1", "unknown", ["10.0.0.0/8"], "10.0.0.1"),
        ("10.0.0.1", "", ["10.0.0.0/8"], "10.0.0.1"),
        ("10.0.0.1", "1" * 5000, ["10.0.0.0/8"], "10.0.0.1"),
        ("10.0.0.1", "\xe4, \xff", ["10.0.0.0/8"], "10.0.0.1"),
        ("10.0.0.1", None, ["10.0.0.0/8"], "10.0.0.1"),
        ("::ffff:10.0.0.1", "198.51.100.1", ["10.0.0.0/8"], "198.51.100.1"),
        ("::ffff:192.0.2.1", None, [], "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", None, [], "2001:db8:1:2::"),
        ("2001:db8:1:2::1", None, [], "2001:db8:1:2::"),  # the same network, the same client
        ("2001:db8:1:3::1", None, [], "2001:db8:1:3::"),
        ("fe80::1%eth0", None, [], "fe80::"),
        ("::1", "[2001:db8:1:2::9]:4711", ["::1/128"], "2001:db8:1:2::"),
        ("::1", "2001:db8:1:2::9", ["::1/128"], "2001:db8:1:2::"),
        ("", "198.51.100.1", ["0.0.0.0/0"], ""),
    ],
)
def test_a_client_is_the_last_address_that_a_trusted_proxy_vouches_for(
    peer: str, forwarded: str | None, trusted: list[str], client: str
) -> None:
    assert who(peer, forwarded, *trusted) == client


def test_what_is_too_long_for_an_address_is_not_kept() -> None:
    _read.cache_clear()
    assert who("10.0.0.1", "1" * 61, "10.0.0.0/8") == "10.0.0.1"
    assert _read.cache_info().currsize == 1


def test_a_header_given_twice_is_read_as_one(limited: Registry) -> None:
    connection = Wire(limited)
    headers = [("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-For", "192.0.2.254")]
    before = connection.request("GET", "/v2/", headers).headers["ratelimit"]
    after = connection.request("GET", "/v2/", [("X-Forwarded-For", "192.0.2.254")]).headers["ratelimit"]
    assert [left.partition(";t=")[0] for left in (before, after)] == [
        f'"requests";r={LIMIT - 1}',
        f'"requests";r={LIMIT - 2}',
    ]
    connection.close()
