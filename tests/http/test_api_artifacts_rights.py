"""Artifacts by the API of a registry with users: to who may not pull them they are as if they weren't there.

The walk is made from the table of routes: a new one is asked, and fails where it takes an id that has no sample here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from registry import administration
from registry.http.api.reader_routes import READER_ROUTES
from tests.http.admin import Api, Governed, problem, token
from tests.http.artifacts import known, push, safetensors
from tests.lifecycle.serving import eventually

FILES = {"m.safetensors": safetensors(a=("F32", [2], b"\x01")), "config.json": b"{}"}
DIGEST = f"sha256:{'0' * 64}"
# What is asked for beside the path, with the ids that stand in paths.
QUERIES: dict[str, dict[str, str]] = {
    "api.contents.file": {"path": "config.json"},
    "api.contents.tensor": {"path": "m.safetensors", "name": "a"},
    "api.artifact.comparison": {"other": "{reference}"},
    "api.artifacts.found": {"q": "repo:{name}"},
    "api.artifacts.facets": {"q": "repo:{name}"},
    "api.jobs.found": {"repository": "{name}"},
    "api.violations.found": {"repository": "{name}"},
}
# What is sent, with the ids that stand in paths.
BODIES: dict[str, dict[str, str]] = {
    "api.promotions.promote": {"stage": "dev", "reason": "none"},
    "api.promotions.roll": {"stage": "dev", "reason": "none"},
    "api.verification.verify": {"repository": "{name}", "reference": "{reference}"},
}


class Ids(NamedTuple):
    """All that has an id in the routes for readers: one that takes another has no sample, and fails."""

    name: str
    reference: str
    job_id: str = "999999999"


@dataclass(frozen=True)
class Asked:
    """A request to each route for readers."""

    label: str
    path: str
    query: dict[str, str]
    body: dict[str, str] | None
    is_list: bool
    method: str


def walk(ids: Ids) -> Iterator[Asked]:
    """Yield a request to each route that shows what one may pull, with these ids."""
    for route in READER_ROUTES:
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.path)
        query = _filled(QUERIES.get(route.label, {}), ids)
        body = _filled(BODIES[route.label], ids) if route.body is not None else None
        is_list = "{" not in path and body is None
        yield Asked(route.label, path.format(**ids._asdict()), query, body, is_list, route.method)


def _filled(values: dict[str, str], ids: Ids) -> dict[str, str]:
    return {key: value.format(**ids._asdict()) for key, value in values.items()}


def shown(ids: Ids) -> Iterator[Asked]:
    """Yield those of `walk` that change nothing."""
    return (asked for asked in walk(ids) if asked.method == "GET")


def told(api: Api, asked: Asked, ids: Ids) -> tuple[int, str]:
    """Return what is answered, without the ids that were asked for and the request's own."""
    body = {"json": asked.body} if asked.body is not None else {}
    answer = api(asked.method, asked.path, params=asked.query, **body)
    text = answer.text.replace(answer.headers["X-Request-ID"], "")
    for value in sorted(ids, key=len, reverse=True):
        text = re.sub(rf"\b{re.escape(value)}\b", "…", text)
    return answer.status_code, text


def ids_of(governed: Governed, name: str) -> Ids:
    """Return the ids of what is in a repository."""
    root = governed.by("root")
    job = root.get("/jobs", params={"repository": name})["items"][0]
    return Ids(name, root.get(f"/repositories/{name}/-/artifacts/v1")["digest"], str(job["id"]))


def pushed(governed: Governed, name: str, files: dict[str, bytes]) -> str:
    """Push a model as root and return its digest, when it is known what it is."""
    access = token(governed.registry, "root", f"repository:{name}:pull,push").json()["token"]
    digest = push(governed.registry, name, files, headers={"Authorization": f"Bearer {access}"})
    known(governed.by("root"), name)
    return digest


def limited(governed: Governed, *scopes: str) -> Api:
    """Return the API as it is called by a key of alice's with these scopes."""
    key = administration.create_key(governed.settings, "alice", uuid4().hex, lifetime=None, scopes=scopes)
    return Api(governed.registry, {"Authorization": f"Bearer {key}"})


def by_token(governed: Governed, scope: str) -> Api:
    """Return the API as it is called by a token of alice's."""
    access = token(governed.registry, "alice", scope).json()["token"]
    return Api(governed.registry, {"Authorization": f"Bearer {access}"})


@pytest.fixture
def name(governed: Governed) -> str:
    found = f"acme/models/{uuid4().hex[:12]}"
    pushed(governed, found, FILES)
    return found


STRANGERS: dict[str, Callable[[Governed], Api]] = {
    "without rights": lambda governed: governed.by("mallory"),
    "of another organisation": lambda governed: governed.by("otto"),
    "anonymous": lambda governed: governed.by(None),
    "a key for the catalog": lambda governed: limited(governed, "registry:catalog:*"),
    "a key for the catalog and the admin API": lambda governed: limited(
        governed, "registry:catalog:*", "registry:admin:*"
    ),
    "a key for other repositories": lambda governed: limited(governed, "repository:acme/data*:*", "registry:catalog:*"),
    "a key that pushes": lambda governed: limited(governed, "repository:acme/models/*:push,delete"),
    "a token for the catalog": lambda governed: by_token(governed, "registry:catalog:*"),
}


@pytest.mark.parametrize("who", STRANGERS)
def test_who_may_not_pull_learns_nothing(governed: Governed, name: str, who: str) -> None:
    theirs, nowhere = ids_of(governed, name), Ids(f"acme/models/{uuid4().hex[:12]}", DIGEST)
    api = STRANGERS[who](governed)
    for there, none in zip(walk(theirs), walk(nowhere), strict=True):
        answer = told(api, there, theirs)
        assert answer == told(api, none, nowhere), there.label
        assert answer[0] == (200 if there.is_list else 404), there.label
        assert not there.is_list or theirs.reference not in api("GET", there.path).text, there.label
    assert name not in str(api.all("/repositories"))


def test_in_a_repository_of_his_own_he_finds_no_ids_of_others(governed: Governed, name: str) -> None:
    own = f"other/{uuid4().hex[:12]}"
    pushed(governed, own, {"README.md": b"# otto's"})
    theirs, nowhere = ids_of(governed, name)._replace(name=own), Ids(own, DIGEST)
    otto = governed.by("otto")
    assert otto("GET", f"/repositories/{own}").status_code == 200
    for there, none in zip(walk(theirs), walk(nowhere), strict=True):
        if (there.path, there.body) != (none.path, none.body):
            answer = told(otto, there, theirs)
            assert answer == told(otto, none, nowhere), there.label
            assert answer[0] == 404, there.label
    asked = {"other": theirs.reference}
    problem(otto("GET", f"/repositories/{own}/-/artifacts/v1/comparison", params=asked), 404, "MANIFEST_UNKNOWN")


def test_who_may_pull_sees_all(governed: Governed, name: str) -> None:
    ids = ids_of(governed, name)
    for who in ("root", "olga", "mary", "alice"):
        api = governed.by(who)
        for asked in shown(ids):
            assert api("GET", asked.path, params=asked.query).status_code == 200, (who, asked.label)
        assert name in {one["name"] for one in api.all("/repositories")}


@pytest.mark.parametrize("scope", ["repository:*:pull", "repository:acme/models/*:pull", "repository:{name}:pull"])
def test_a_key_shows_what_its_scopes_let_pull(governed: Governed, name: str, scope: str) -> None:
    other = f"acme/data/{uuid4().hex[:12]}"
    pushed(governed, other, FILES)
    api, ids = limited(governed, scope.format(name=name)), ids_of(governed, name)
    for asked in shown(ids):
        assert api("GET", asked.path, params=asked.query).status_code == 200, asked.label
    seen = {one["name"] for one in api.all("/repositories")}
    assert name in seen
    assert (other in seen) == (scope == "repository:*:pull")


def test_a_token_shows_what_it_was_asked_for(governed: Governed, name: str) -> None:
    ids = ids_of(governed, name)
    for scope, expected in (
        (f"repository:{name}:pull", 200),
        ("repository:*:pull", 200),
        ("repository:acme/models/other:pull", 404),
    ):
        api = by_token(governed, scope)
        for asked in shown(ids):
            answer = api("GET", asked.path, params=asked.query)
            assert answer.status_code == (200 if asked.is_list else expected), asked.label
            if expected == 404 and asked.is_list:
                assert ids.reference not in answer.text, asked.label


def test_what_others_have_made_of_it_is_not_told(governed: Governed, name: str) -> None:
    """By an organisation of this test, whose model names one of acme's as its base."""
    root = governed.by("root")
    digest = root.get(f"/repositories/{name}/-/artifacts/v1")["digest"]
    another = governed.add_user()
    administration.add_organisation(governed.settings, another)
    administration.grant(governed.settings, f"user:{another}", "admin", another)
    theirs = f"{another}/model"
    pushed(governed, theirs, {"README.md": f"---\nbase_model: {name}@{digest}\n---\n".encode(), **FILES})
    path = f"/repositories/{name}/-/artifacts/v1/graph"
    assert theirs in {node["repository"] for node in root.get(path)["nodes"]}
    assert {node["repository"] for node in governed.by("alice").get(path)["nodes"]} == {name}
    owner = governed.by(another)
    assert {node["repository"] for node in owner.get(f"/repositories/{theirs}/-/artifacts/v1/graph")["nodes"]} == {
        theirs
    }
    compared = {"other": "v1", "repository": name}
    problem(owner("GET", f"/repositories/{theirs}/-/artifacts/v1/comparison", params=compared), 404, "MANIFEST_UNKNOWN")


def test_bytes_that_were_taken_out_are_pulls_in_the_audit_log(governed: Governed, name: str) -> None:
    alice, root = governed.by("alice"), governed.by("root")
    alice("GET", f"/repositories/{name}/-/artifacts/v1/files/content", params={"path": "config.json"})
    alice.get(f"/repositories/{name}/-/artifacts/v1/metadata")
    (blob,) = {
        one["blob"]
        for one in alice.get(f"/repositories/{name}/-/artifacts/v1/files")["items"]
        if one["path"] == "config.json"
    }
    digest = alice.get(f"/repositories/{name}/-/artifacts/v1")["digest"]

    def targets() -> set[Any]:
        asked = {"principal": "alice", "action": "pull", "target": name, "limit": 100}
        return {event["target"] for event in root.get("/admin/audit/events", params=asked)["items"]}

    eventually(lambda: targets() == {f"{name}@{blob}", f"{name}@{digest}"}, "two pulls in the log")
