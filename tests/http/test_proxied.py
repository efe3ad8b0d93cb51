"""Users whom a proxy names: by a header that counts from that proxy only, once, and of somebody who exists."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import jwt
import pytest
import requests

from registry import administration
from registry.config import Settings, load_settings
from tests.http.client import Client, Wire, refusal, wire
from tests.http.server import Registry, serving
from tests.setups import SERVERS, SETUPS, as_settings, share

HEADER = "X-Client-Subject"
PASSWORD = "correct horse battery staple"


def started(settings: Settings) -> None:
    for user in ("alice", "bob", "gone"):
        administration.add_user(settings, user, password=PASSWORD, is_admin=False)
    administration.disable(settings, "gone", kind="user")
    administration.add_user(settings, "root", password=None, is_admin=True)
    administration.add_organisation(settings, "team")
    administration.grant(settings, "user:alice", "writer", "team")
    administration.add_robot(settings, "team+ci")
    administration.grant(settings, "user:team+ci", "writer", "team")


@pytest.fixture(scope="module", params=share(SETUPS, __name__), ids="-".join)
def proxied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Return a registry whose proxy is on the loopback address."""
    server, door = request.param
    with serving(
        tmp_path_factory.mktemp(f"proxied-{server}-{door}"),
        auth="token",
        **as_settings(server, door),
        trusted_identity_header=HEADER,
        identity_proxies="127.0.0.1",
    ) as registry:
        started(load_settings(data_dir=registry.directory))
        yield registry


@pytest.fixture
def client(proxied: Registry) -> Iterator[Client]:
    found = Client(proxied)
    with found.session:
        yield found


@pytest.fixture
def raw(proxied: Registry) -> Iterator[Wire]:
    with wire(proxied) as connection:
        yield connection


def ask(client: Client, said: str | None, path: str = "/v2/", **headers: str) -> requests.Response:
    return client.get(path, headers={**headers, **({} if said is None else {HEADER: said})})


def begin(client: Client, said: str, **headers: str) -> int:
    return client.post("/v2/team/bert/blobs/uploads/", headers={HEADER: said, **headers}).status_code


@pytest.mark.parametrize(
    "said",
    [
        "alice",
        "CN=alice,OU=Data,O=Example",
        "O=Example,CN=alice",
        "emailAddress=a@b.example,CN=alice",
        "team+ci",
        r"CN=team\+ci,O=Example",
    ],
)
def test_who_is_named_needs_no_token(client: Client, said: str) -> None:
    assert ask(client, said).status_code == 200
    assert begin(client, said) == 202


def test_who_is_named_has_his_rights_and_no_others(client: Client) -> None:
    assert ask(client, "bob").status_code == 200
    assert begin(client, "bob") == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_a_page_of_another_site_is_not_who_its_visitor_is(client: Client, headers: dict[str, str]) -> None:
    """CSRF: a browser shows a certificate to whoever makes it call us, and a form may start an upload or ask for a mount."""
    assert begin(client, "alice", **headers) == 403
    assert ask(client, "alice", "/auth/token", **headers).status_code == 403
    assert begin(client, "alice", **{"Sec-Fetch-Site": "same-origin", "Origin": client.registry.url}) == 202


def test_who_is_named_writes_by_the_admin_api_and_makes_no_keys(client: Client) -> None:
    """What he says is read once it is known who he is; a key would do without the proxy."""
    headers = {HEADER: "root"}
    made = client.post("/api/v1/admin/organisations", json={"name": "made"}, headers=headers)
    assert made.status_code == 201, made.text
    for path in ("/me/keys", "/admin/users/bob/keys"):
        refused = client.post(f"/api/v1{path}", json={"name": "kept"}, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "DENIED")
    document = client.get("/auth/token", params={"scope": "registry:admin:*"}, headers=headers).json()
    assert jwt.decode(document["token"], options={"verify_signature": False})["access"] == []
    assert client.post("/api/v1/admin/organisations", json={"name": "other"}).status_code == 401


@pytest.mark.parametrize("said", [None, ""])
def test_who_is_not_named_is_nobody(client: Client, said: str | None) -> None:
    assert ask(client, said).status_code == 401


@pytest.mark.parametrize(
    "said",
    [
        "nobody-here",
        "gone",
        "Alice",
        "alice, bob",
        "anonymous",
        "oidc",
        "CN=alice+CN=bob",
        "CN=alice,CN=bob",
        "O=x\\,CN\\=alice",
        "CN=nobody-here\\,CN=alice",
        "OU=alice",
        "unheardOf=x,CN=alice",
        "CN=",
        "=",
        "/O=Example/CN=alice",
        "alice\u00e9",
        "x" * 5000,
    ],
)
def test_whoever_else_is_named_is_refused(client: Client, said: str) -> None:
    answer = client.get("/v2/", headers={HEADER: said.encode("latin-1")})
    refusal(answer, 401, "UNAUTHORIZED")
    assert answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("names", [(HEADER, HEADER), (HEADER, HEADER.lower())])
def test_a_header_that_is_given_twice_is_refused(raw: Wire, names: tuple[str, str]) -> None:
    refusal(raw.request("GET", "/v2/", [(names[0], "alice"), (names[1], "alice")]), 400, "UNSUPPORTED")


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_credentials_of_somebody_else_are_refused(client: Client, proxied: Registry) -> None:
    settings = load_settings(data_dir=proxied.directory)
    keys = {user: administration.create_key(settings, user, "proxied", lifetime=None) for user in ("alice", "bob")}
    assert ask(client, "alice", Authorization=f"Bearer {keys['alice']}").status_code == 200
    answer = ask(client, "alice", Authorization=f"Bearer {keys['bob']}")
    assert "somebody else's" in answer.json()["errors"][0]["message"]
    assert begin(client, "alice", Authorization=f"Bearer {keys['bob']}") == 401
    anonymous = client.get("/auth/token").json()["token"]
    assert ask(client, "alice", Authorization=f"Bearer {anonymous}").status_code == 401
    assert ask(client, "alice", Authorization=basic("", "")).status_code == 200, "that is none"
    for path in ("/auth/token", "/v2/"):
        assert ask(client, "alice", path, Authorization=basic("bob", keys["bob"])).status_code == 401
    assert ask(client, "alice", "/auth/token", Authorization=basic("bob", PASSWORD)).status_code == 401
    assert ask(client, "alice", "/auth/token", Authorization=basic("alice", PASSWORD)).status_code == 200
    form = {"grant_type": "password", "client_id": "test", "username": "bob", "password": PASSWORD}
    assert client.post("/auth/token", data=form, headers={HEADER: "alice"}).status_code == 401


def test_a_token_for_who_is_named(client: Client) -> None:
    params = {"scope": "repository:team/bert:pull,push", "offline_token": "true"}
    document = client.get("/auth/token", params=params, headers={HEADER: "alice"}).json()
    assert "refresh_token" not in document, "it would outlive what the proxy knows"
    claims = jwt.decode(document["token"], options={"verify_signature": False})
    assert (claims["sub"], claims["access"][0]["actions"]) == ("alice", ["pull", "push"])
    assert begin(client, "alice", Authorization=f"Bearer {document['token']}") == 202


@pytest.mark.parametrize("server", share(SERVERS, __name__))
def test_anybody_else_who_says_so_is_nobody(tmp_path_factory: pytest.TempPathFactory, server: str) -> None:
    with serving(
        tmp_path_factory.mktemp("elsewhere"),
        auth="token",
        server=server,
        trusted_identity_header=HEADER,
        identity_proxies="192.0.2.1,::1",
        trusted_proxies="127.0.0.1",  # whose word on addresses counts, and on nothing else
    ) as registry:
        settings = load_settings(data_dir=registry.directory)
        started(settings)
        key = administration.create_key(settings, "bob", "elsewhere", lifetime=None)
        client = Client(registry)
        with client.session:
            for more in ({}, {"X-Forwarded-For": "192.0.2.1"}, {"X-Real-IP": "::1"}, {"Forwarded": "for=192.0.2.1"}):
                assert ask(client, "alice", **more).status_code == 401
                assert begin(client, "alice", **more) == 401
            token = client.get("/auth/token", headers={HEADER: "alice"}).json()["token"]
            assert jwt.decode(token, options={"verify_signature": False})["sub"] == ""
            assert ask(client, "alice", Authorization=f"Bearer {key}").status_code == 200, "the key is bob's"
