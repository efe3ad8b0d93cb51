"""A registry that asks who it is: the token endpoint, challenges, and what a token is good for."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
import requests

from registry import administration
from registry.config import Settings, load_settings
from tests.http.client import Client, digest_of, refusal
from tests.http.server import Registry, serving
from tests.setups import SETUPS, as_settings, share

PASSWORD = "correct horse battery staple"
SERVICE = "blacklake"
CONTENT = b"a blob of team-a"
DIGEST = digest_of(CONTENT)

Token = Callable[..., str]


@pytest.fixture(scope="module", params=share(SETUPS, __name__), ids="-".join)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Return a registry: alice maintains team-a, bob writes to team-b, carol reads team-a/bert, root may do everything."""
    server, door = request.param
    directory = tmp_path_factory.mktemp(f"tokens-{server}-{door}")
    with serving(directory, auth="token", **as_settings(server, door)) as registry:
        settings = settings_of(registry)
        for user in ("alice", "bob", "carol", "root", "mallory"):
            administration.add_user(settings, user, password=PASSWORD, is_admin=user == "root")
        for organisation in ("team-a", "team-b", "public", "library"):
            administration.add_organisation(settings, organisation)
        administration.grant(settings, "user:alice", "maintainer", "team-a")
        administration.grant(settings, "user:bob", "writer", "team-b")
        administration.grant(settings, "user:carol", "reader", "team-a/bert")
        administration.grant(settings, "user:alice", "writer", "public")
        administration.grant(settings, "anonymous", "reader", "public/open*")
        yield registry


def settings_of(registry: Registry) -> Settings:
    return load_settings(data_dir=registry.directory)


@pytest.fixture
def client(running: Registry) -> Iterator[Client]:
    found = Client(running)
    with found.session:
        yield found


@pytest.fixture
def token(client: Client) -> Token:
    """Return what gets a token of a user for scopes."""

    def get(user: str | None, *scopes: str) -> str:
        answer = ask(client, user, *scopes)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"])

    return get


@pytest.fixture
def acting(client: Client, token: Token) -> Callable[..., Client]:
    """Return what makes the client act as a user, with a token for scopes."""

    def act(user: str | None, *scopes: str) -> Client:
        client.session.headers["Authorization"] = f"Bearer {token(user, *scopes)}"
        return client

    return act


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def ask(client: Client, user: str | None, *scopes: str, password: str = PASSWORD) -> requests.Response:
    headers = basic(user, password) if user is not None else {}
    client.session.headers.pop("Authorization", None)
    return client.get(
        "/auth/token", params=[("service", SERVICE), *[("scope", one) for one in scopes]], headers=headers
    )


def granted(answer: requests.Response) -> list[str]:
    access = jwt.decode(answer.json()["token"], options={"verify_signature": False})["access"]
    return [f"{one['type']}:{one['name']}:{','.join(one['actions'])}" for one in access]


@pytest.fixture
def bert(acting: Callable[..., Client]) -> str:
    """Return a repository of team-a with an image."""
    client = acting("alice", "repository:team-a/bert:pull,push")
    client.push_image("team-a/bert", "v1", CONTENT)
    client.session.headers.pop("Authorization")
    return "team-a/bert"


def challenge_of(answer: requests.Response) -> dict[str, str]:
    assert answer.status_code == 401
    scheme, _, rest = answer.headers["WWW-Authenticate"].partition(" ")
    assert scheme == "Bearer"
    return dict(re.findall(r'([a-z]+)="([^"]*)"', rest))


def test_the_ping_says_where_tokens_are(client: Client, running: Registry) -> None:
    answer = client.get("/v2/")
    assert challenge_of(answer) == {"realm": f"{running.url}/auth/token", "service": SERVICE}
    refusal(answer, 401, "UNAUTHORIZED")
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize("headers", [{}, basic("alice", PASSWORD)], ids=["nobody", "alice"])
def test_head_makes_no_token(client: Client, headers: dict[str, str]) -> None:
    """It would begin a session, say, and throw its token away."""
    answer = client.head("/auth/token", params={"service": SERVICE, "offline_token": "true"}, headers=headers)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")
    assert client.head("/.well-known/jwks.json").status_code == 200


def test_any_token_is_good_for_the_ping(acting: Callable[..., Client]) -> None:
    assert acting("mallory").get("/v2/").status_code == 200
    assert acting(None).get("/v2/").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v2/team-a/bert/manifests/v1", "repository:team-a/bert:pull"),
        ("HEAD", "/v2/team-a/bert/manifests/v1", "repository:team-a/bert:pull"),
        ("GET", f"/v2/team-a/bert/blobs/{DIGEST}", "repository:team-a/bert:pull"),
        ("GET", "/v2/team-a/bert/tags/list", "repository:team-a/bert:pull"),
        ("GET", f"/v2/team-a/bert/referrers/{DIGEST}", "repository:team-a/bert:pull"),
        ("POST", "/v2/team-a/bert/blobs/uploads/", "repository:team-a/bert:pull,push"),
        ("PUT", "/v2/team-a/bert/manifests/v1", "repository:team-a/bert:pull,push"),
        ("DELETE", "/v2/team-a/bert/manifests/v1", "repository:team-a/bert:delete"),
        ("DELETE", f"/v2/team-a/bert/blobs/{DIGEST}", "repository:team-a/bert:delete"),
        ("GET", "/v2/_catalog", None),
        (
            "POST",
            f"/v2/team-a/bert/blobs/uploads/?mount={DIGEST}&from=team-b/x",
            "repository:team-a/bert:pull,push repository:team-b/x:pull",
        ),
    ],
)
def test_a_challenge_names_what_a_token_must_permit(client: Client, method: str, path: str, scope: str | None) -> None:
    challenge = challenge_of(client.request(method, path))
    assert challenge.get("scope") == scope
    assert "error" not in challenge


def test_whoever_may_pulls_and_pushes(acting: Callable[..., Client], bert: str) -> None:
    for user in ("alice", "carol", "root"):
        client = acting(user, f"repository:{bert}:pull")
        assert client.get(f"/v2/{bert}/manifests/v1").status_code == 200
        assert client.get(f"/v2/{bert}/blobs/{DIGEST}").content == CONTENT
        assert client.get(f"/v2/{bert}/tags/list").json()["tags"] == ["v1"]


@pytest.mark.parametrize("user", ["bob", "mallory", None])
def test_whoever_may_not_learns_nothing(acting: Callable[..., Client], bert: str, user: str | None) -> None:
    client = acting(user, f"repository:{bert}:pull,push", "repository:team-a/never:pull,push")
    for method, suffix in (
        ("GET", "manifests/v1"),
        ("HEAD", f"manifests/{DIGEST}"),
        ("GET", f"blobs/{DIGEST}"),
        ("HEAD", f"blobs/{DIGEST}"),
        ("GET", "tags/list"),
        ("GET", f"referrers/{DIGEST}"),
        ("POST", "blobs/uploads/"),
        ("DELETE", "manifests/v1"),
    ):
        there, never = (client.request(method, f"/v2/{name}/{suffix}") for name in (bert, "team-a/never"))
        assert there.status_code == never.status_code == 401
        for answer in (there, never):
            answer.headers.pop("X-Request-ID")
            answer.headers.pop("Date", None)
        assert {
            name: value.replace(bert, "team-a/never")
            for name, value in there.headers.items()
            if name.lower() != "content-length"
        } == {name: value for name, value in never.headers.items() if name.lower() != "content-length"}


def test_a_token_is_given_for_less_where_less_is_permitted(client: Client) -> None:
    answer = ask(client, "carol", "repository:team-a/bert:pull,push,delete", "repository:team-b/x:pull")
    assert answer.status_code == 200
    assert granted(answer) == ["repository:team-a/bert:pull"]
    assert answer.json()["token"] == answer.json()["access_token"]
    assert answer.json()["expires_in"] >= 60


@pytest.mark.parametrize(
    "scope",
    [
        "repository:team:pull",
        "repository:team-a-b/x:pull",
        "repository:Team-A/bert:pull",
        "repository:team-a/../team-b/x:pull",
        "repository:team-a/bert/:pull",
        "repository:/team-a/bert:pull",
        "repository:team-a//bert:pull",
        "repository:team-a%2Fbert:pull",
        "repository:team-a/bertha:pull",
        "repository:team-a/bert/x:pull",
        "repository:localhost:5000/team-a/bert:pull",
        "repository:*:push",
        "repository:*:*",
        "repository:**:pull",
        "repository:team-a/*:pull",
        "user:carol:admin",
        "registry:catalog:pull",
        "registry:else:*",
    ],
)
def test_escalation_by_crafted_scopes(client: Client, scope: str) -> None:
    answer = ask(client, "carol", scope)
    assert answer.status_code == 200
    assert granted(answer) == []


def test_a_star_is_what_one_may_and_not_more(client: Client) -> None:
    assert granted(ask(client, "carol", "repository:team-a/bert:*")) == ["repository:team-a/bert:pull"]
    assert granted(ask(client, "alice", "repository:team-a/bert:*")) == ["repository:team-a/bert:delete,pull,push"]


def test_a_token_for_all_that_one_may_pull_permits_that_and_no_more(acting: Callable[..., Client], bert: str) -> None:
    for user, status in (("alice", 200), ("carol", 200), ("bob", 401), (None, 401)):
        client = acting(user, "repository:*:pull,push,delete")
        assert client.get(f"/v2/{bert}/manifests/v1").status_code == status, user
        assert client.post(f"/v2/{bert}/blobs/uploads/").status_code == 401, user
        assert client.get("/v2/_catalog").status_code == 401, user


def test_a_token_is_the_most_that_it_permits(acting: Callable[..., Client], bert: str) -> None:
    client = acting("root", f"repository:{bert}:pull")
    assert client.get(f"/v2/{bert}/manifests/v1").status_code == 200
    for answer in (
        client.post(f"/v2/{bert}/blobs/uploads/"),
        client.get("/v2/team-b/x/tags/list"),
        client.get("/v2/_catalog"),
    ):
        assert challenge_of(answer)["error"] == "insufficient_scope"


@pytest.mark.parametrize(
    ("user", "password"), [("alice", "wrong"), ("nobody", PASSWORD), ("", PASSWORD), ("al\0ice", "x"), ("alice", "")]
)
def test_wrong_credentials_are_refused_all_alike(client: Client, user: str, password: str) -> None:
    answer = ask(client, user, password=password)
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["message"] == "there is no such user with this password or key"


def test_empty_credentials_are_none(client: Client) -> None:
    assert client.get("/auth/token", headers=basic("", "")).status_code == 200


def test_a_token_for_another_service_is_not_given_out(client: Client) -> None:
    assert client.get("/auth/token", params={"service": "another"}).status_code == 400


def test_the_form_of_oauth(client: Client) -> None:
    form = {
        "grant_type": "password",
        "service": SERVICE,
        "client_id": "oras-go",
        "username": "alice",
        "password": PASSWORD,
        "scope": "repository:team-a/bert:pull repository:team-b/x:pull",
    }
    answer = client.post("/auth/token", data=form)
    assert answer.status_code == 200
    assert answer.json()["scope"] == "repository:team-a/bert:pull"
    assert answer.json()["token_type"] == "Bearer"  # RFC 6749 §5.1
    assert answer.headers["Cache-Control"] == "no-store"
    assert client.post("/auth/token", data=form | {"password": "wrong"}).status_code == 401
    for broken in ({"grant_type": "magic"}, b"a" * 40_000, b"\xff\xfe", "username=a&username=b"):
        assert client.post("/auth/token", data=broken).status_code == 400


def test_what_is_public_is_pulled_by_anybody_and_pushed_by_few(acting: Callable[..., Client]) -> None:
    acting("alice", "repository:public/open1:pull,push", "repository:public/closed:pull,push")
    client = acting("alice", "repository:public/open1:pull,push", "repository:public/closed:pull,push")
    for name in ("public/open1", "public/closed"):
        client.push_image(name, "v1", CONTENT)
    del client.session.headers["Authorization"]
    assert client.get("/v2/public/open1/manifests/v1").status_code == 200
    assert client.get("/v2/public/closed/manifests/v1").status_code == 401
    assert client.post("/v2/public/open1/blobs/uploads/").status_code == 401
    assert granted(ask(client, None, "repository:public/open1:pull,push")) == ["repository:public/open1:pull"]


def test_the_catalog_names_what_one_may_pull(acting: Callable[..., Client], bert: str) -> None:
    seen = {
        user: acting(user, "registry:catalog:*").get("/v2/_catalog").json()["repositories"]
        for user in ("alice", "bob", "carol", "root", None)
    }
    assert bert in seen["alice"]
    assert bert in seen["root"]
    assert seen["carol"].count(bert) == 1
    assert bert not in seen["bob"]
    assert all(name.startswith("public/open") for name in seen[None])


def test_a_token_that_leaves_the_source_of_a_mount_out_is_to_be_exchanged_for_one_with_both(
    acting: Callable[..., Client], client: Client, bert: str
) -> None:
    mount = {"mount": DIGEST, "from": bert}
    acting("alice", "repository:public/x:pull,push")
    challenge = challenge_of(client.post("/v2/public/x/blobs/uploads/", params=mount))
    assert challenge["error"] == "insufficient_scope"
    assert challenge["scope"] == f"repository:public/x:pull,push repository:{bert}:pull"
    acting("alice", challenge["scope"])
    assert client.post("/v2/public/x/blobs/uploads/", params=mount).status_code == 201


def test_whoever_may_not_pull_from_the_source_of_a_mount_uploads_instead(
    acting: Callable[..., Client], client: Client, bert: str
) -> None:
    for scopes in (["repository:team-b/x:pull,push"], ["repository:team-b/x:pull,push", f"repository:{bert}:pull"]):
        acting("bob", *scopes)
        answer = client.post("/v2/team-b/x/blobs/uploads/", params={"mount": DIGEST, "from": bert})
        assert answer.status_code == 202


def test_probing_by_mounts(acting: Callable[..., Client], bert: str) -> None:
    """CVE-2024-39897: a blob that one may not pull is not mounted, whether it is there or not."""
    client = acting("bob", "repository:team-b/x:pull,push", f"repository:{bert}:pull")
    for params in ({"mount": DIGEST, "from": bert}, {"mount": DIGEST}, {"mount": digest_of(b"nothing"), "from": bert}):
        assert client.post("/v2/team-b/x/blobs/uploads/", params=params).status_code == 202
    assert client.head(f"/v2/team-b/x/blobs/{DIGEST}").status_code == 404
    client = acting("root", "repository:team-b/x:pull,push", f"repository:{bert}:pull")
    assert client.post("/v2/team-b/x/blobs/uploads/", params={"mount": DIGEST, "from": bert}).status_code == 201
    assert client.delete(f"/v2/team-b/x/blobs/{DIGEST}").status_code == 401  # the token permits no deletion


def test_an_upload_of_another_repository(acting: Callable[..., Client], bert: str) -> None:
    """CVE-2026-32589: an upload is of its repository."""
    location = acting("alice", f"repository:{bert}:pull,push").start(bert)
    client = acting("bob", "repository:team-b/x:pull,push")
    upload = location.rpartition("/")[2]
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        assert client.request(method, location).status_code == 401
        assert client.request(method, f"/v2/team-b/x/blobs/uploads/{upload}?digest={DIGEST}").status_code == 404


def test_a_push_never_makes_an_organisation(acting: Callable[..., Client]) -> None:
    client = acting("root", "repository:nobodys/x:pull,push")
    answer = client.post("/v2/nobodys/x/blobs/uploads/")
    assert answer.status_code == 403
    assert "blacklake admin org add nobodys" in answer.json()["errors"][0]["message"]


def test_a_right_that_is_lost_ends_at_once_whatever_the_token_says(
    acting: Callable[..., Client], running: Registry, bert: str
) -> None:
    settings = settings_of(running)
    administration.grant(settings, "user:mallory", "reader", bert)
    client = acting("mallory", f"repository:{bert}:pull")
    paths = [f"/v2/{bert}/manifests/v1", f"/v2/{bert}/blobs/{DIGEST}", f"/v2/{bert}/tags/list"]
    assert [client.get(path).status_code for path in paths] == [200] * 3
    administration.revoke(settings, "user:mallory", "reader", bert)
    assert [client.get(path).status_code for path in paths] == [401] * 3
    administration.grant(settings, "user:mallory", "reader", "team-a/b*")
    assert [client.get(path).status_code for path in paths] == [200] * 3
    administration.revoke(settings, "user:mallory", "reader", "team-a/b*")


def test_a_key_stands_for_its_user(client: Client, running: Registry, bert: str) -> None:
    key = administration.create_key(settings_of(running), "carol", f"for-{running.port}", lifetime=None)
    assert granted(ask(client, "carol", f"repository:{bert}:pull,push", password=key)) == [f"repository:{bert}:pull"]
    for headers in ({"Authorization": f"Bearer {key}"}, basic("carol", key)):
        assert client.get(f"/v2/{bert}/manifests/v1", headers=headers).status_code == 200
        assert client.post(f"/v2/{bert}/blobs/uploads/", headers=headers).status_code == 401
    assert client.get("/v2/", headers=basic("alice", key)).status_code == 401
    assert client.get("/v2/", headers=basic("alice", PASSWORD)).status_code == 401, "passwords are for tokens"
    assert client.get("/v2/", headers={"Authorization": f"Bearer {key[:-1]}x"}).status_code == 401


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Basic", "Basic !", "Digest a", "Bearer a b", "bearer x", "Basic Og=="]
)
def test_strange_headers_are_refused_or_nobody(client: Client, value: str) -> None:
    answer = client.get("/v2/", headers={"Authorization": value})
    assert answer.status_code in (400, 401)
    assert answer.json()["errors"]


def test_a_writer_moves_tags_and_only_maintainers_delete(acting: Callable[..., Client]) -> None:
    client = acting("bob", "repository:team-b/y:pull,push,delete")
    client.push_image("team-b/y", "v1", b"one")
    client.push_image("team-b/y", "v1", b"two")
    assert client.delete("/v2/team-b/y/manifests/v1").status_code == 401


def test_names_of_one_segment_belong_to_the_library(acting: Callable[..., Client], running: Registry) -> None:
    administration.grant(settings_of(running), "user:bob", "writer", "library")
    client = acting("bob", "repository:bert:pull,push", "repository:library/bert:pull,push")
    client.push_image("bert", "v1", b"one")
    assert client.get("/v2/bert/tags/list").json()["name"] == "bert"
    administration.revoke(settings_of(running), "user:bob", "writer", "library")


def test_the_keys_are_published(client: Client, token: Token) -> None:
    answer = client.get("/.well-known/jwks.json")
    assert answer.status_code == 200
    keys = {key["kid"]: jwt.PyJWK(key) for key in answer.json()["keys"]}
    text = token("alice")
    claims: dict[str, Any] = jwt.decode(
        text, keys[jwt.get_unverified_header(text)["kid"]], algorithms=["ES256"], audience=SERVICE
    )
    assert claims["sub"] == "alice"
    assert not any({"d", "p", "q", "k"} & set(key) for key in answer.json()["keys"])


def test_an_open_registry_has_no_tokens(tmp_path: Any) -> None:
    with serving(tmp_path) as registry:
        client = Client(registry)
        for path in ("/auth/token", "/.well-known/jwks.json"):
            assert client.get(path).status_code == 404


def test_nothing_secret_is_logged(running: Registry, client: Client) -> None:
    ask(client, "alice")
    text = running.log.read_text()
    assert PASSWORD not in text
    assert "eyJ" not in text
