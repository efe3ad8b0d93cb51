"""Limits by who asks and what for: nobody uses up what another may do, and nobody locks another out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from registry import administration
from registry.config import load_settings
from tests.http.client import Client, digest_of, refusal
from tests.http.server import Registry, serving
from tests.setups import SETUPS, as_settings, share

PASSWORD = "correct horse battery staple"
READS, WRITES, LOGINS = 4, 2, 60  # no test takes as long as a minute


class Person:
    """A user with keys of his own for each test."""

    def __init__(self, client: Client, key: str) -> None:
        self._client, self._key = client, key

    def ask(self, method: str, path: str, network: str = "192.0.2.1") -> requests.Response:
        headers = {"Authorization": f"Bearer {self._key}", "X-Forwarded-For": network}
        return self._client.request(method, path, headers=headers)


@pytest.fixture(scope="module", params=share(SETUPS, __name__), ids="-".join)
def limited(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    server, door = request.param
    with serving(
        tmp_path_factory.mktemp(f"limited-{server}-{door}"),
        auth="token",
        **as_settings(server, door),
        rate_limit=1000,
        rate_limit_read=READS,
        rate_limit_write=WRITES,
        rate_limit_login=LOGINS,
        trusted_proxies="127.0.0.0/8",
    ) as registry:
        administration.add_organisation(load_settings(data_dir=registry.directory), "team")
        yield registry


@pytest.fixture
def client(limited: Registry) -> Iterator[Client]:
    found = Client(limited)
    with found.session:
        yield found


def person(client: Client, name: str) -> Person:
    settings = load_settings(data_dir=client.registry.directory)
    administration.add_user(settings, name, password=PASSWORD, is_admin=False)
    administration.grant(settings, f"user:{name}", "writer", "team")
    return Person(client, administration.create_key(settings, name, "test", lifetime=None))


BLOB = f"/v2/team/bert/blobs/{digest_of(b'none')}"
UPLOADS = "/v2/team/bert/blobs/uploads/"


def test_a_flood_of_one_user_limits_nobody_else_not_even_from_the_same_place(client: Client) -> None:
    ada, bob = person(client, "ada"), person(client, "bob")
    for _ in range(READS):
        assert ada.ask("GET", BLOB).status_code == 404
    for network in ("192.0.2.1", "192.0.2.2"):  # wherever she is
        answer = ada.ask("GET", BLOB, network)
        refusal(answer, 429, "TOOMANYREQUESTS")
        assert 1 <= int(answer.headers["Retry-After"]) <= 15
    assert bob.ask("GET", BLOB).status_code == 404
    assert ada.ask("POST", UPLOADS).status_code == 202, "what changes something has a count of its own"


def test_an_answer_names_each_limit_that_counts_for_it(client: Client) -> None:
    carol = person(client, "carol")
    answer = carol.ask("POST", UPLOADS, "192.0.2.9")
    assert answer.headers["RateLimit-Policy"] == '"requests";q=1000;w=60, "write";q=2;w=60'
    assert answer.headers["RateLimit"].startswith('"requests";r=999;t=1, "write";r=1;t=')
    carol.ask("POST", UPLOADS, "192.0.2.9")
    answer = carol.ask("POST", UPLOADS, "192.0.2.9")
    assert answer.status_code == 429
    assert '"write";r=0;t=' + answer.headers["Retry-After"] in answer.headers["RateLimit"]


def test_who_is_nobody_yet_is_counted_by_his_network(client: Client) -> None:
    def anonymous(network: str, **headers: str) -> int:
        return client.get(BLOB, headers={"X-Forwarded-For": network, **headers}).status_code

    assert [anonymous("192.0.2.20") for _ in range(READS + 1)] == [401] * READS + [429]
    # Who tries keys is nobody, too, whichever they are.
    tried = [anonymous("192.0.2.21", Authorization=f"Bearer blk_{number}") for number in range(READS + 1)]
    assert tried == [401] * READS + [429]
    assert anonymous("192.0.2.22") == 401


def login(client: Client, user: str, password: str, network: str) -> int:
    return client.get("/auth/token", auth=(user, password), headers={"X-Forwarded-For": network}).status_code


def test_logins_are_counted_by_network(client: Client) -> None:
    asked = [client.get("/auth/token", headers={"X-Forwarded-For": "192.0.2.30"}) for _ in range(LOGINS + 1)]
    assert [answer.status_code for answer in asked[-2:]] == [200, 429]
    assert '"login";r=0;t=' in asked[-1].headers["RateLimit"]
    assert client.get("/auth/token", headers={"X-Forwarded-For": "192.0.2.31"}).status_code == 200


def test_whoever_guesses_locks_out_strangers_only(client: Client) -> None:
    person(client, "dora")
    home, work, thieves = "192.0.2.40", "192.0.2.41", "192.0.2.42"
    assert login(client, "dora", PASSWORD, home) == 200
    guesses = [login(client, "dora", f"guess {number}", thieves) for number in range(25)]
    assert guesses[0] == 401
    assert guesses[-1] == 429
    assert login(client, "dora", PASSWORD, thieves) == 429, "the right password is one guess of many"
    assert login(client, "dora", PASSWORD, home) == 200, "she is known from there"
    assert login(client, "dora", PASSWORD, work) == 429
    person(client, "emil")
    assert login(client, "emil", PASSWORD, work) == 200


def test_a_name_that_nobody_has_is_locked_out_like_any_other(client: Client) -> None:
    guesses = [login(client, "nobody-here", f"guess {number}", "192.0.2.50") for number in range(25)]
    assert (guesses[0], guesses[-1]) == (401, 429)


def test_the_defaults_limit_logins_only(tmp_path: Path) -> None:
    with serving(tmp_path, auth="token") as registry:
        client = Client(registry)
        with client.session:
            assert client.get("/auth/token").headers["RateLimit-Policy"] == '"login";q=600;w=60'
            assert "RateLimit" not in client.get("/v2/").headers
