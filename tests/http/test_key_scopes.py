"""A key with scopes does no more than they say and its owner may, by whichever door it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import jwt
import pytest

from registry import administration
from tests.auth import issuer as issuers
from tests.http.admin import Governed, basic, governing, problem, token
from tests.http.client import Client, digest_of
from tests.http.server import Registry
from tests.setups import DOORS, share

CONTENT = b"what is in acme"
DIGEST = digest_of(CONTENT)
NAMES = ("acme/models/bert", "acme/models-old/bert", "acme/data", "other/models/bert")
_numbers = count()


@pytest.fixture(scope="module", params=share(DOORS, __name__))
def there(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Governed]:
    """Return a registry in which NAMES each have an image."""
    with governing(tmp_path_factory.mktemp("scopes"), fast_lane=request.param == "lane") as governed:
        client = acting(governed.registry, governed.keys["root"])
        for name in NAMES:
            client.push_image(name, "v1", CONTENT)
        yield governed


def acting(registry: Registry, key: str) -> Client:
    client = Client(registry)
    client.session.headers["Authorization"] = f"Bearer {key}"
    return client


@pytest.fixture
def key_of(there: Governed) -> Callable[..., str]:
    def make(user: str, *scopes: str) -> str:
        return administration.create_key(there.settings, user, f"k{next(_numbers)}", lifetime=None, scopes=scopes)

    return make


def done_with(client: Client, name: str) -> set[str]:
    """Return what a client can do with a repository."""
    pulled = {
        client.get(f"/v2/{name}/manifests/v1").status_code,
        client.get(f"/v2/{name}/blobs/{DIGEST}").status_code,
        client.get(f"/v2/{name}/tags/list").status_code,
    }
    assert pulled in ({200}, {401})
    began = client.post(f"/v2/{name}/blobs/uploads/").status_code
    deleted = client.delete(f"/v2/{name}/manifests/nothing").status_code
    can = {"pull": 200 in pulled, "push": began == 202, "delete": deleted == 404}
    return {action for action, is_done in can.items() if is_done}


def granted(answer: object) -> dict[str, list[str]]:
    """Return what a token permits, without what it says was refused."""
    text = answer.json()["token"]  # type: ignore[attr-defined]
    access = jwt.decode(text, options={"verify_signature": False})["access"]
    return {f"{one['type']}:{one['name']}": one["actions"] for one in access if one["actions"]}


CASES = [
    ("root", ["repository:acme/models/*:pull,push"], {"acme/models/bert": {"pull", "push"}}),
    ("root", ["repository:acme/data:*"], {"acme/data": {"pull", "push", "delete"}}),
    ("root", ["repository:acme/models*:delete"], {"acme/models/bert": {"delete"}, "acme/models-old/bert": {"delete"}}),
    ("root", ["registry:catalog:*", "registry:admin:*"], {}),
    ("alice", ["repository:*:*"], {name: {"pull"} for name in NAMES[:3]}),
    ("mary", ["repository:*:push", "repository:acme/data:pull"], {"acme/models/bert": {"push"}}),
]


@pytest.mark.parametrize(("user", "scopes", "expected"), CASES, ids=[f"{user} {scopes}" for user, scopes, _ in CASES])
def test_what_is_done_is_in_the_scopes_and_in_the_rights(
    there: Governed, key_of: Callable[..., str], user: str, scopes: list[str], expected: dict[str, set[str]]
) -> None:
    key = key_of(user, *scopes)
    wanted = [f"repository:{name}:pull,push,delete" for name in NAMES]
    answer = token(there.registry, user, *wanted, "registry:admin:*", password=key)
    may = granted(answer)
    assert may == {f"repository:{name}": sorted(actions) for name, actions in expected.items()}
    as_password = Client(there.registry)
    as_password.session.headers.update(basic(user, key))
    for client in (acting(there.registry, key), as_password, acting(there.registry, answer.json()["token"])):
        assert {name: done for name in NAMES if (done := done_with(client, name))} == expected


def test_a_token_for_all_repositories_takes_a_key_for_all(there: Governed, key_of: Callable[..., str]) -> None:
    for scopes, expected in [
        (["repository:*:*"], {"repository:*": ["pull"]}),
        (["repository:*:push"], {}),
        (["repository:acme/*:pull", "registry:catalog:*"], {}),
    ]:
        answer = token(there.registry, "root", "repository:*:pull", password=key_of("root", *scopes))
        assert granted(answer) == expected
        client = acting(there.registry, answer.json()["token"])
        assert done_with(client, "acme/data") == ({"pull"} if expected else set())


def test_the_catalog_takes_its_scope(there: Governed, key_of: Callable[..., str]) -> None:
    for scopes, status in [(["repository:*:*", "registry:admin:*"], 401), (["registry:catalog:*"], 200)]:
        key = key_of("alice", *scopes)
        answer = token(there.registry, "alice", "registry:catalog:*", password=key)
        assert ("registry:catalog" in granted(answer)) == (status == 200)
        for shown in (key, answer.json()["token"]):
            catalog = acting(there.registry, shown).get("/v2/_catalog")
            assert catalog.status_code == status
            assert status == 401 or catalog.json()["repositories"] == sorted(NAMES[:3])


@pytest.mark.parametrize("source", ["acme/data", "acme/models-old/bert", "other/models/bert"])
def test_a_mount_takes_the_scope_to_pull_from_its_source(
    there: Governed, key_of: Callable[..., str], source: str
) -> None:
    key = key_of("root", "repository:acme/models/*:pull,push")
    wanted = ["repository:acme/models/new:pull,push", f"repository:{source}:pull"]
    mount = "/v2/acme/models/new/blobs/uploads/"
    for shown in (key, token(there.registry, "root", *wanted, password=key).json()["token"]):
        client = acting(there.registry, shown)
        for params in ({"mount": DIGEST, "from": source}, {"mount": DIGEST}):
            assert client.post(mount, params=params).status_code == 202  # no client is sent for another token
        assert client.head(f"/v2/acme/models/new/blobs/{DIGEST}").status_code == 404


def test_a_pipeline_whose_rule_leaves_the_source_out_uploads_instead_of_asking_for_ever(
    tmp_path: Path,
) -> None:
    with issuers.running() as issuer, governing(tmp_path, outgoing_allow="127.0.0.1") as governed:
        settings = governed.settings
        acting(governed.registry, governed.keys["root"]).push_image("acme/data", "v1", CONTENT)
        administration.grant(settings, "user:acme+ci", "writer", "acme")
        administration.add_issuer(settings, issuer.url, kind=None, algorithms=("RS256",), secret=None)
        rule = {"claims": {"sub": "job"}, "principal": "acme+ci", "actions": ["pull", "push"], "seconds": 600}
        administration.add_trust(
            settings, "build", issuer=issuer.url, audience="registry", repositories=["acme/models/*"], **rule
        )
        identity = issuer.token(aud="registry", sub="job")
        wanted = ["repository:acme/models/new:pull,push", "repository:acme/data:pull", "registry:catalog:*"]
        answer = token(governed.registry, "oidc", *wanted, password=identity)
        assert granted(answer) == {"repository:acme/models/new": ["pull", "push"]}
        client = acting(governed.registry, answer.json()["token"])
        params = {"mount": DIGEST, "from": "acme/data"}
        assert client.post("/v2/acme/models/new/blobs/uploads/", params=params).status_code == 202
        assert client.get("/v2/acme/data/manifests/v1").status_code == 401


def test_a_mount_inside_of_the_scopes_is_one(there: Governed, key_of: Callable[..., str]) -> None:
    client = acting(there.registry, key_of("root", "repository:acme/models*:pull,push"))
    params = {"mount": DIGEST, "from": "acme/models-old/bert"}
    assert client.post("/v2/acme/models/mounted/blobs/uploads/", params=params).status_code == 201


def test_the_admin_api_takes_its_scope_and_makes_no_keys_by_it(there: Governed, key_of: Callable[..., str]) -> None:
    there.keys["limited"] = key_of("root", "repository:*:*", "registry:catalog:*")
    problem(there.by("limited")("GET", "/me"), 401, "UNAUTHORIZED")
    there.keys["admin"] = key_of("root", "registry:admin:*")
    api = there.by("admin")
    assert api.get("/me")["name"] == "root"
    for path in ("/me/keys", "/admin/users/alice/keys", "/admin/users/root/keys", "/admin/robots/acme+ci/keys"):
        problem(api("POST", path, json={"name": "more", "scopes": ["repository:acme/x:pull"]}), 403, "DENIED")
    answer = token(there.registry, "root", "registry:admin:*", password=there.keys["admin"])
    assert granted(answer) == {}


def test_scopes_are_shown_and_checked(there: Governed) -> None:
    api = there.by("alice")
    scopes = ["repository:acme/*:pull", "registry:catalog:*"]
    made = api.post("/me/keys", {"name": "limited", "scopes": scopes})
    shown = {key["id"]: key["scopes"] for key in api.all("/me/keys")}
    assert shown[made["id"]] == scopes
    assert None in shown.values()
    problem(api("POST", "/me/keys", json={"name": "odd", "scopes": ["repository:acme/*/x:pull"]}), 409, "DENIED")
    problem(api("POST", "/me/keys", json={"name": "odd", "scopes": []}), 400, "UNSUPPORTED")
    assert done_with(acting(there.registry, made["secret"]), "acme/data") == {"pull"}
