"""What a refused client is told of where to get a token, whatever it says of where it has reached us."""

from __future__ import annotations

import pytest

from registry.errors import CredentialsMissing
from registry.http.call import Call
from registry.http.challenges import Challenges


def realm(challenges: Challenges, host: str | None, **more: str) -> str:
    async def receive() -> None:
        """Never called."""

    given = {
        **({} if host is None else {"host": host}),
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    headers = [(name.encode(), value.encode("latin-1")) for name, value in given.items()]
    _, value = challenges.header(Call("GET", "/v2/", b"", headers, receive), CredentialsMissing())
    assert value.startswith('Bearer realm="')
    return value.removeprefix('Bearer realm="').partition('"')[0]


@pytest.mark.parametrize(
    "host", ["registry.example.com", "registry.example.com:5000", "10.0.0.1:5000", "[2001:db8::1]:5000", "node_1"]
)
def test_without_an_external_url_the_realm_is_where_the_client_is(host: str) -> None:
    assert realm(Challenges(None, "blacklake"), host) == f"http://{host}/auth/token"
    assert realm(Challenges(None, "blacklake", is_secure=True), host) == f"https://{host}/auth/token"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example/x?",
        "evil.example#",
        "user@evil.example",
        "good.example:80@evil.example",
        'good.example",realm="http://evil.example',
        "good.example, evil.example",  # two of them
        "evil.example\\good.example",
        "evil.example%2f",
        "good.example:5000:5001",
        "good.example:",
        "[::1",
        "exämple",
        "",
        None,
    ],
)
def test_a_host_that_is_none_is_not_repeated(host: str | None) -> None:
    assert realm(Challenges(None, "blacklake"), host) == "/auth/token"


def test_with_an_external_url_nothing_that_a_client_says_counts() -> None:
    challenges = Challenges("https://registry.example.com/", "blacklake")
    said = {"x_forwarded_host": "evil.example", "x_forwarded_proto": "http", "forwarded": "host=evil.example"}
    assert realm(challenges, "evil.example", **said) == "https://registry.example.com/auth/token"
    assert realm(Challenges(None, "blacklake"), "good.example", **said) == "http://good.example/auth/token"
