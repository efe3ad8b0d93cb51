"""Schemas that are bound: what clients are answered."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from registry import administration_schemas
from registry.config import load_settings
from registry.http.warnings import MOST, warnings_of
from tests.http.admin import Governed, problem
from tests.http.client import Client, image_of
from tests.schemas.making import written

OWNED = written("team/owned", required=["owner"], properties={"score": {"type": "number", "minimum": 0.9}})


@pytest.fixture
def owned(client: Client, repo: str) -> None:
    client.push_blob(repo, b"{}")
    settings = load_settings(data_dir=client.registry.directory)
    administration_schemas.add_schema(settings, OWNED)


def bind(client: Client, repo: str, mode: str, schema: str = "team/owned/1") -> None:
    settings = load_settings(data_dir=client.registry.directory)
    administration_schemas.bind_schema(settings, repo, schema, mode, artifact_type=None)


@pytest.mark.usefixtures("owned")
def test_what_is_refused_leaves_nothing(client: Client, repo: str) -> None:
    bind(client, repo, "enforce")
    answer = client.put_manifest(repo, image_of(annotations={"score": "0.5"}), "v1")
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["code"] == "MANIFEST_INVALID"
    assert "/annotations/score must be at least 0.9, and is 0.5 (team/owned/1.0.0)" in error["message"]
    assert [(one["pointer"], one["rule"]) for one in error["detail"]["violations"]] == [
        ("/annotations", "required"),
        ("/annotations/score", "minimum"),
    ]
    assert "Warning" not in answer.headers
    assert client.get(f"/v2/{repo}/manifests/v1").status_code == 404
    assert client.get(f"/v2/{repo}/tags/list").json()["tags"] in (None, [])
    assert client.put_manifest(repo, image_of(annotations={"owner": "ada"}), "v1").status_code == 201


@pytest.mark.usefixtures("owned")
def test_what_is_warned_of_is_stored_with_a_warning(client: Client, repo: str) -> None:
    bind(client, repo, "warn")
    answer = client.put_manifest(repo, image_of(annotations={"score": "0.5"}), "v1")
    assert answer.status_code == 201
    assert answer.headers["Warning"] == (
        "299 - \"/annotations lacks 'owner' (team/owned/1.0.0)\", "
        '299 - "/annotations/score must be at least 0.9, and is 0.5 (team/owned/1.0.0)"'
    )
    for pulled in (client.get(f"/v2/{repo}/manifests/v1"), client.head(f"/v2/{repo}/manifests/v1")):
        assert pulled.status_code == 200
        assert "Warning" not in pulled.headers


@pytest.mark.usefixtures("owned")
def test_an_unbound_repository_is_as_ever(client: Client, repo: str, other: str) -> None:
    bind(client, other, "enforce")
    answer = client.put_manifest(repo, image_of(annotations={"score": "0.5"}), "v1")
    assert answer.status_code == 201
    assert "Warning" not in answer.headers


def test_warnings_are_as_the_specification_has_them_and_never_too_much() -> None:
    headers = warnings_of([f'“quoted” "and" back\\slashed\r\nSet-Cookie: x é … {"x" * 2000}'] * 40)
    assert len(headers) < 40
    assert sum(len(f"{name}: {value}\r\n") for name, value in headers) <= MOST
    for name, value in headers:
        assert name == "Warning"
        assert value.startswith('299 - "')
        assert value.isascii()
        assert value.isprintable()
        assert value[7:-1].count('"') == 0
        assert "\\" not in value
    assert "more" in headers[-1][1]
    assert warnings_of([]) == []


# By the API


def test_an_organisation_s_administrator_looks_after_its_schemas(governed: Governed) -> None:
    olga, name = governed.by("olga"), f"s{uuid4().hex[:12]}"
    content = written(f"acme/{name}", required=["owner"]).decode()
    assert olga.post("/admin/schemas", {"content": content}) == {"name": f"acme/{name}/1.0.0"}
    one = f"/admin/organisations/acme/schemas/{name}/1.0.0"
    assert olga.get(one)["content"] == content
    binding = {"target": f"acme/{name}", "schema_name": f"acme/{name}/1", "mode": "enforce"}
    olga.post("/admin/schema-bindings", binding, 204)
    (found,) = (each for each in olga.all("/admin/organisations/acme/schema-bindings") if name in each["target"])
    assert {key: found[key] for key in binding} == binding
    assert (found["artifact_type"], found["created_by"]) == (None, "olga")
    sample: dict[str, Any] = {"repository": f"acme/{name}", "media_type": json.loads(image_of())["mediaType"]}
    judged = olga.post("/admin/schemas/judgements", sample | {"manifest": image_of().decode()}, 200)
    assert judged["is_refused"]
    assert [(each["pointer"], each["rule"]) for each in judged["violations"]] == [("/annotations", "required")]
    fine = image_of(annotations={"owner": "ada"}).decode()
    judged = olga.post("/admin/schemas/judgements", sample | {"manifest": fine}, 200)
    assert judged == {"is_refused": False, "violations": []}
    problem(olga("DELETE", one), 409, "DENIED")
    del binding["mode"]
    assert olga("DELETE", "/admin/schema-bindings", params=binding).status_code == 204
    problem(olga("DELETE", "/admin/schema-bindings", params=binding), 409, "DENIED")
    assert olga("DELETE", one).status_code == 204
    problem(olga("GET", one), 404, "DENIED")


def test_what_is_wrong_with_a_schema_is_told_where_and_why(governed: Governed) -> None:
    olga = governed.by("olga")
    content = written("acme/wrong", properties={"a/b": {"pattern": "(?!x)"}}).decode()
    found = problem(olga("POST", "/admin/schemas", json={"content": content}), 400, "UNSUPPORTED")
    assert found["pointer"] == "/properties/a~1b/pattern"
    assert "look-around" in found["reason"]
    for content in ("{", "[]", '"\ud800"', "{}"):
        problem(olga("POST", "/admin/schemas", json={"content": content}), 400, "UNSUPPORTED")
    binding = {"target": "acme", "schema_name": "model/1", "mode": "never"}
    problem(olga("POST", "/admin/schema-bindings", json=binding), 400, "UNSUPPORTED")


def test_nobody_looks_after_another_organisation_s_schemas(governed: Governed) -> None:
    olga, otto = governed.by("olga"), governed.by("otto")
    content = written("acme/secret", required=["owner"]).decode()
    olga("POST", "/admin/schemas", json={"content": content})
    for user in ("otto", "mary", "alice"):
        api = governed.by(user)
        problem(api("POST", "/admin/schemas", json={"content": content}), 403, "DENIED")
        problem(api("GET", "/admin/organisations/acme/schemas/secret/1.0.0"), 403, "DENIED")
        problem(api("DELETE", "/admin/organisations/acme/schemas/secret/1.0.0"), 403, "DENIED")
        problem(api("GET", "/admin/organisations/acme/schema-bindings"), 403, "DENIED")
        binding = {"target": "acme/x", "schema_name": "model/1", "mode": "off"}
        problem(api("POST", "/admin/schema-bindings", json=binding), 403, "DENIED")
    theirs = {"target": "other", "schema_name": "acme/secret/1", "mode": "warn"}
    problem(otto("POST", "/admin/schema-bindings", json=theirs), 409, "DENIED")
    stealing = written("other/more", ref="urn:blacklake:schema:acme/secret:1.0.0").decode()
    found = problem(otto("POST", "/admin/schemas", json={"content": stealing}), 400, "UNSUPPORTED")
    nowhere = written("other/more", ref="urn:blacklake:schema:acme/nowhere:1.0.0").decode()
    other = problem(otto("POST", "/admin/schemas", json={"content": nowhere}), 400, "UNSUPPORTED")
    assert found["reason"].replace("secret", "nowhere") == other["reason"], "who may not see it learns nothing of it"
    assert governed.by("otto").get("/admin/schemas/model/1.0.0")["name"] == "model/1.0.0"
