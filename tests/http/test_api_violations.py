"""What doesn't conform, by the API: of an open registry all of it, of another what the caller may pull."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
import requests

from registry import administration_schemas
from registry.config import Settings, load_settings
from tests.http.admin import Api, Governed, problem, token
from tests.http.client import PATIENCE
from tests.http.server import Registry
from tests.http.test_api_jobs import push
from tests.lifecycle.serving import eventually
from tests.schemas.making import written


def bind(settings: Settings, target: str) -> None:
    """Warn of what a record lacks, and of what annotations lack, in a target."""
    for applies_to in ("record", "annotations"):
        name = f"{target.partition('/')[0]}/v{uuid4().hex[:12]}"
        schema = written(name, x_applies_to=applies_to, required=["missing"])
        administration_schemas.add_schema(settings, schema)
        administration_schemas.bind_schema(settings, target, f"{name}/1", "warn", artifact_type=None)


def of(api: Api, name: str, **more: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get("/violations", params={"repository": name, **more})["items"]
    return found


def test_violations_of_an_open_registry_are_everybody_s(registry: Registry, repo: str) -> None:
    api = Api(registry, {})
    bind(load_settings(data_dir=registry.directory), repo)
    push(registry, repo)
    eventually(lambda: len(of(api, repo)) == 2, "both are judged")
    newest, older = of(api, repo)
    assert (newest["applies_to"], older["applies_to"]) == ("record", "annotations")
    assert newest["repository"] == repo
    assert newest["mode"] == "warn"
    assert newest["schema_name"].startswith("urn:blacklake:schema:team/v")
    (violation,) = newest["violations"]
    assert (violation["pointer"], violation["rule"]) == ("", "required")
    assert of(api, repo, digest=newest["digest"]) == [newest, older]
    assert of(api, repo, digest="sha256:" + "0" * 64) == []
    first = api.get("/violations", params={"repository": repo, "limit": 1})
    assert first["items"] == [newest]
    rest = api.get("/violations", params={"repository": repo, "after": first["next"]})
    assert (rest["items"], rest["next"]) == ([older], None)
    assert newest in api.get("/violations")["items"]


def test_what_is_asked_wrongly_is_refused(registry: Registry) -> None:
    api = Api(registry, {})
    for query in ({"after": "x"}, {"limit": "0"}, {"other": "1"}):
        problem(api("GET", "/violations", params=query), 400, "UNSUPPORTED")
    problem(api("GET", "/violations", params={"repository": "No"}), 400, "NAME_INVALID")
    problem(api("GET", "/violations", params={"digest": "No"}), 400, "DIGEST_INVALID")


@pytest.fixture
def pushed(governed: Governed) -> str:
    """Return a repository of acme's models with something in it that doesn't conform."""
    name = f"acme/models/{uuid4().hex[:12]}"
    bind(governed.settings, name)
    access = token(governed.registry, "root", f"repository:{name}:pull,push").json()["token"]
    push(governed.registry, name, Authorization=f"Bearer {access}")
    eventually(lambda: len(of(governed.by("root"), name)) == 2, "both are judged")
    return name


def test_violations_are_told_to_who_may_pull_only(governed: Governed, pushed: str) -> None:
    expected = of(governed.by("root"), pushed)
    for user in ("olga", "mary", "alice"):
        assert of(governed.by(user), pushed) == expected, user
        assert pushed in json.dumps(governed.by(user).get("/violations")), user
    for user in ("mallory", "otto", None):
        assert of(governed.by(user), pushed) == [], user
        assert pushed not in json.dumps(governed.by(user).get("/violations", params={"limit": 1000})), user
    for scope, count in ((f"repository:{pushed}:pull", 2), ("repository:acme/models/other:pull", 0)):
        access = token(governed.registry, "alice", scope).json()["token"]
        assert len(of(Api(governed.registry, {"Authorization": f"Bearer {access}"}), pushed)) == count


def test_what_was_deleted_is_not_told_any_more(registry: Registry, repo: str) -> None:
    api = Api(registry, {})
    bind(load_settings(data_dir=registry.directory), repo)
    push(registry, repo)
    eventually(lambda: len(of(api, repo)) == 2, "both are judged")
    digest = of(api, repo)[0]["digest"]
    deleted = requests.delete(f"{registry.url}/v2/{repo}/manifests/{digest}", timeout=PATIENCE)
    assert deleted.status_code == 202
    assert of(api, repo) == []
