"""What POST /auth/token refuses is said twice: as OAuth2 says it (RFC 6749 §5.2), and as every other endpoint does."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from registry.errors import CredentialsMissing, GrantRefused, InternalError, RegistryError, TooManyLogins, Unavailable
from registry.http.errors import render_for_oauth
from tests.http.client import Client, Wire, wire
from tests.http.server import Registry, serving
from tests.setups import SETUPS, as_settings, share

PASSWORD = {"grant_type": "password", "client_id": "test", "username": "nobody", "password": "x"}


@pytest.fixture(scope="module", params=share(SETUPS, __name__), ids="-".join)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    server, door = request.param
    directory = tmp_path_factory.mktemp(f"oauth-{server}-{door}")
    with serving(directory, auth="token", **as_settings(server, door)) as registry:
        yield registry


@pytest.mark.parametrize(
    ("form", "status", "word"),
    [
        ({"grant_type": "magic"}, 400, "unsupported_grant_type"),
        ({}, 400, "unsupported_grant_type"),
        ({**PASSWORD, "scope": "repository"}, 400, "invalid_scope"),
        (PASSWORD, 401, "invalid_grant"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 401, "invalid_grant"),
        ({**PASSWORD, "service": "another"}, 400, "invalid_request"),
        (b"a" * 40_000, 400, "invalid_request"),
        ("username=a&username=b", 400, "invalid_request"),
        ({"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange"}, 400, "invalid_request"),
    ],
)
def test_a_refusal_has_the_word_and_the_list(running: Registry, form: object, status: int, word: str) -> None:
    client = Client(running)
    with client.session:
        answer = client.post("/auth/token", data=form)
    assert answer.status_code == status
    assert answer.headers["Cache-Control"] == "no-store"
    document = answer.json()
    assert set(document) == {"error", "error_description", "errors"}
    assert document["error"] == word
    assert re.fullmatch(r"[\x20\x21\x23-\x5b\x5d-\x7e]+", document["error_description"])
    assert document["errors"][0]["message"]


def test_get_answers_as_every_other_endpoint(running: Registry) -> None:
    client = Client(running)
    with client.session:
        assert set(client.get("/auth/token", auth=("nobody", "x")).json()) == {"errors"}
        assert set(client.put("/auth/token").json()) == {"errors"}


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (TooManyLogins(7), "temporarily_unavailable"),
        (Unavailable("the database"), "temporarily_unavailable"),
        (InternalError(), "server_error"),
        (CredentialsMissing(), "invalid_grant"),
        (GrantRefused("authorization_pending", 'say “yes” or "no" \\ wait…\n'), "authorization_pending"),
    ],
)
def test_each_error_has_its_word(error: RegistryError, word: str) -> None:
    body = render_for_oauth(error, "the-id", "/auth/token").body
    assert isinstance(body, bytes)
    assert f'"error":"{word}"'.encode() in body
    if isinstance(error, GrantRefused):
        assert b"\"error_description\":\"say 'yes' or 'no' / wait...\"" in body


@pytest.fixture
def raw(running: Registry) -> Iterator[Wire]:
    with wire(running) as connection:
        yield connection


def test_host_header_injection(raw: Wire, running: Registry) -> None:
    answer = raw.request("GET", "/v2/", [("Host", 'a"b,realm="http://evil.example/')])
    assert answer.status in (400, 401)
    assert "evil" not in answer.headers.get("www-authenticate", "")
