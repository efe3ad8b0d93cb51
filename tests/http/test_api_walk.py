"""Every route of the API's document, asked by who may not: the anonymous, a user without rights, and another's administrator.

A route that is added without a case fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from registry.http.api.reader_routes import READER_ROUTES
from tests.http.admin import PASSWORD, Api, Governed, problem, token
from tests.schemas.making import written

# What stands in paths, which is there, and what stands there instead of it that isn't.
THERE = {
    "user": "alice",
    "robot": "acme+ci",
    "service": "signer",
    "organisation": "acme",
    "team": "ml",
    "member": "alice",
    "role": "keeper",
    "rule": "nothing",
    "key": "1",
    "schema": "owned",
    "version": "1.0.0",
    "session": "00000000-0000-4000-8000-000000000000",
    "job_id": "1",
    "name": "acme/models/x",
    "reference": "v1",
    "root": "private",
}
NOWHERE = {"name": "none/x", "user": "nobody", "robot": "none+ci", "service": "nobody", "organisation": "none"}

GRANT = {"subject": "user:alice", "role": "reader", "target": "acme"}
ASKING = {"subject": "user:alice", "repository": "acme/x", "action": "pull"}
ISSUER = "https://issuer.example"
BODIES: dict[str, Any] = {
    "users_add": {"name": "eve", "password": PASSWORD, "is_admin": True},
    "users_change": {"is_disabled": True},
    "users_add_key": {"name": "eves"},
    "robots_add": {"name": "acme+eve"},
    "robots_change": {"is_disabled": True},
    "robots_add_key": {"name": "eves"},
    "service_accounts_add": {"name": "eve", "is_admin": True},
    "service_accounts_change": {"is_disabled": True},
    "service_accounts_add_key": {"public_key": "-----BEGIN PUBLIC KEY-----"},
    "organisations_add": {"name": "eve"},
    "teams_add": {"name": "eve"},
    "roles_add": {"name": "eve", "permissions": ["pull"]},
    "grants_add": {"subject": "user:mallory", "role": "admin", "target": "acme"},
    "issuers_add": {"url": ISSUER},
    "issuers_link": {"issuer": ISSUER, "subject": "eve", "user": "root"},
    "issuers_unlink": {"issuer": ISSUER, "subject": "eve"},
    "issuers_add_rule": {
        "name": "eve",
        "issuer": ISSUER,
        "audience": "here",
        "claims": {"sub": "eve"},
        "principal": "root",
        "actions": ["pull"],
        "repositories": ["acme"],
    },
    "signing_keys_rotate": {"now": True},
    "schemas_add": {"content": written("acme/eve").decode()},
    "schemas_bind": {"target": "acme", "schema_name": "model/1", "mode": "off"},
    "schemas_judge": {"repository": "acme/x", "media_type": "a/b", "manifest": "{}"},
    "policies_put": {"target": "acme", "content": "version: 1"},
    "policies_tried": {"target": "acme", "content": "version: 1"},
    "policies_put_root": {"organisation": "acme", "name": "eves", "content": "{}"},
    "tag_rules_put": {"target": "acme", "pattern": "*", "kind": "immutable"},
    "stages_put": {"target": "acme", "stages": [{"name": "dev"}]},
    "promotions_promote": {"stage": "dev", "reference": "v1"},
    "promotions_roll": {"stage": "dev"},
    "scanning_decide": {"rule": "scan", "target": "acme", "is_on": True},
    "scanning_decide_level": {"target": "acme", "level": "low"},
    "scanning_ask": {"target": "acme"},
    "scanning_release": {"repository": "acme/models/x", "digest": "sha256:" + "0" * 64, "reason": "eve says so"},
    "scanning_rotate": {"now": True},
    "verification_verify": {"repository": "acme/models/x", "reference": "v1"},
    "audit_verify": {},
    "audit_prune": {"older_than": 0},
}
QUERIES: dict[str, dict[str, str]] = {
    "grants_delete": GRANT,
    "access_explain": ASKING,
    "access_who_can": {"repository": "acme/x", "action": "pull"},
    "issuers_remove": {"url": ISSUER},
    "schemas_unbind": {"target": "acme", "schema_name": "model/1"},
    "policies_show": {"target": "acme", "name": "signed"},
    "policies_history": {"target": "acme", "name": "signed"},
    "policies_remove": {"target": "acme", "name": "signed"},
    "tag_rules_listed": {"target": "acme"},
    "tag_rules_remove": {"target": "acme", "pattern": "*", "kind": "immutable"},
    "stages_listed": {"target": "acme"},
    "stages_remove": {"target": "acme"},
    "artifact_comparison": {"other": "v2"},
    "contents_file": {"path": "model.safetensors"},
    "contents_tensor": {"path": "model.safetensors", "name": "embed"},
}
FILTERED = (
    "repositories_listed",
    "artifacts_found",
    "artifacts_facets",
    "jobs_found",
    "violations_found",
    "scans_quarantined",
    "scans_keys",
    "robots_listed",
    "organisations_listed",
    "grants_listed",
)
"""Lists that are for everybody, and hold what one may see: to who may see nothing they are empty."""
BUILT_IN = "schemas_show_built_in"
"""What every registry has: it is for everybody, and here nobody has asked for one that there is."""


FOR_READERS = tuple(route.label.removeprefix("api.").replace(".", "_") for route in READER_ROUTES)
"""What shows everybody what he may pull: nothing, to who may pull nothing; and one of these is not there for him."""


def routes(governed: Governed) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Yield the method, the path, the name and the sample of each operation that isn't about oneself."""
    for path, operations in governed.by("root").get("/openapi.json")["paths"].items():
        for method, operation in operations.items():
            name = operation["operationId"]
            needs_body, sample = "requestBody" in operation, {}
            if needs_body:
                sample["json"] = None if name.startswith("me_") else BODIES[name]
            needed = {one["name"] for one in operation["parameters"] if one["in"] == "query" and one.get("required")}
            assert needed <= set(QUERIES.get(name, {})), name
            sample["params"] = QUERIES.get(name, {})
            yield method.upper(), path.removeprefix("/api/v1"), name, sample


def filled(path: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", value)
    assert "{" not in path, "a parameter has no sample"
    return path


def state(governed: Governed) -> dict[str, Any]:
    """Return all that somebody could have changed."""
    root = governed.by("root")
    lists = {
        path: root.all(path)
        for path in (
            "/admin/users",
            "/admin/robots",
            "/admin/services",
            "/admin/organisations",
            "/admin/organisations/acme/teams",
            "/admin/organisations/acme/teams/ml/members",
            "/admin/organisations/acme/roles",
            "/admin/grants",
            "/admin/issuers",
            "/admin/trust-rules",
            "/admin/users/alice/keys",
            "/admin/robots/acme+ci/keys",
            "/admin/services/signer/keys",
            "/admin/signing-keys",
            "/admin/organisations/acme/schemas",
            "/admin/organisations/acme/schema-bindings",
            "/admin/organisations/acme/policies",
            "/admin/organisations/acme/trust-roots",
            "/admin/tag-rules?target=acme",
            "/admin/stages?target=acme",
        )
    }
    for key in lists["/admin/robots/acme+ci/keys"] + lists["/admin/users/alice/keys"]:
        key.pop("used_at")
    return lists


def said(answer: requests.Response, names: dict[str, str]) -> tuple[int, str]:
    """Return an answer without the names that it repeats, and without its id."""
    text = answer.text.replace(answer.headers["X-Request-ID"], "ID")
    for name in sorted((value for value in names.values() if len(value) > 2), key=len, reverse=True):
        text = text.replace(name, "NAME")
    return answer.status_code, text


def test_every_route_asks_who_it_is(governed: Governed) -> None:
    nobody = governed.by(None)
    walked = list(routes(governed))
    assert len(walked) > 50
    for method, path, name, sample in walked:
        answer = nobody(method, filled(path, THERE), **sample)
        if name in FOR_READERS:
            assert answer.status_code == (404 if "{" in path or name in BODIES else 200), name
            continue
        problem(answer, 401, "UNAUTHORIZED")
        assert 'scope="registry:admin:*"' in answer.headers["WWW-Authenticate"], name


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/admin", "/admin/", "/admin/users/", "/../v2/", "/%2e%2e/me"])
def test_nobody_learns_which_paths_there_are(governed: Governed, path: str) -> None:
    problem(governed.by(None)("GET", path), 401, "UNAUTHORIZED")
    problem(governed.by("mallory")("GET", path), 404, "UNSUPPORTED")


@pytest.mark.parametrize("who", ["mallory", "otto", "alice", "mary"])
def test_who_has_no_rights_there_gets_nothing_and_changes_nothing(governed: Governed, who: str) -> None:
    before = state(governed)
    api = governed.by(who)
    for method, path, name, sample in routes(governed):
        if name.startswith("me_"):
            continue
        if who in ("mary", "alice") and (name.startswith(("grants_", "access_")) or method == "GET"):
            continue  # who is of acme sees some of it: test_api_rights
        answer = api(method, filled(path, THERE), **sample)
        if name in FILTERED:
            assert answer.status_code == 200
            assert "acme" not in answer.text, name
        elif name == BUILT_IN:
            problem(answer, 404, "DENIED")
        elif name.startswith(
            ("repositories_", "artifact_", "contents_", "admission_", "promotions_", "scans_", "verification_")
        ):
            assert answer.status_code == 404, f"{name}: {answer.status_code} {answer.text}"
            assert answer.json()["code"] in ("NAME_UNKNOWN", "MANIFEST_UNKNOWN"), name
        else:
            assert answer.status_code in (403, 404), f"{name}: {answer.status_code} {answer.text}"
            problem(answer, answer.status_code, "DENIED")
    assert state(governed) == before


@pytest.mark.parametrize("who", ["mallory", "otto"])
def test_what_is_there_and_what_is_not_are_the_same_to_who_has_no_rights(governed: Governed, who: str) -> None:
    api = governed.by(who)
    for method, path, name, sample in routes(governed):
        if name.startswith("me_") or "{" not in path:
            continue
        nowhere = THERE | NOWHERE
        there, none = (api(method, filled(path, values), **sample) for values in (THERE, nowhere))
        assert said(there, THERE) == said(none, nowhere), name


def test_a_token_for_images_is_no_token_for_the_api(governed: Governed) -> None:
    images = token(governed.registry, "root", "repository:acme/x:pull,push,delete", "registry:catalog:*").json()[
        "token"
    ]
    api = Api(governed.registry, {"Authorization": f"Bearer {images}"})
    for method, path, name, sample in routes(governed):
        if name in FOR_READERS:
            continue
        answer = api(method, filled(path, THERE), **sample)
        problem(answer, 401, "UNAUTHORIZED")
        assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


def test_a_token_that_was_asked_for_the_api_does(governed: Governed) -> None:
    for user in ("root", "olga"):
        text = token(governed.registry, user, "registry:admin:*").json()["token"]
        api = Api(governed.registry, {"Authorization": f"Bearer {text}"})
        assert api.get("/me")["credential_kind"] == "token"
        assert api("GET", "/admin/users").status_code == (200 if user == "root" else 403)


def test_nobody_gets_such_a_token_who_is_not_known(governed: Governed) -> None:
    answer = requests.get(
        f"{governed.registry.url}/auth/token", params={"service": "blacklake", "scope": "registry:admin:*"}, timeout=20
    )
    assert answer.status_code == 200
    problem(
        Api(governed.registry, {"Authorization": f"Bearer {answer.json()['token']}"})("GET", "/me"), 401, "UNAUTHORIZED"
    )


def test_the_samples_are_those_of_routes_that_there_are(governed: Governed) -> None:
    names = {name for _method, _path, name, _sample in routes(governed)}
    assert set(BODIES) | set(QUERIES) | set(FILTERED) <= names
