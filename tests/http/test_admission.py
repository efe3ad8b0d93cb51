"""Policies on the wire: what who pulls, pushes and signs is told, through both doors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import jwt
import pytest
import requests

from registry import administration
from tests.core.admitting import signed_policy
from tests.http.acting import Acting
from tests.http.admin import Api, Governed, problem, token
from tests.http.client import PATIENCE, digest_of, image_of, index_of
from tests.lifecycle.serving import eventually

LAYER = b"a layer that policies decide on"


@pytest.fixture
def name() -> str:
    return f"acme/models/n{uuid4().hex[:12]}"


@pytest.fixture
def olga(governed: Governed) -> Api:
    return governed.by("olga")


@pytest.fixture
def mary(governed: Governed, name: str) -> Acting:
    return Acting(governed.registry, "mary", "pull,push,delete", name)


@pytest.fixture
def alice(governed: Governed, name: str) -> Acting:
    return Acting(governed.registry, "alice", "pull", name)


@pytest.fixture
def set_policy(olga: Api, name: str) -> Iterator[object]:
    def put(*, mode: str = "enforce", on: str = "pull", tags: tuple[str, ...] = ()) -> None:
        content = signed_policy(mode=mode).decode()
        olga.post("/admin/policies", {"target": name, "content": content, "on": on, "tags": list(tags)})

    yield put
    olga("DELETE", "/admin/policies", params={"target": name, "name": "signed"})


def denied(answer: requests.Response, status: int = 403, code: str = "DENIED") -> str:
    assert answer.status_code == status, answer.text
    (error,) = answer.json()["errors"]
    assert error["code"] == code
    assert error["detail"]["verdicts"][0]["policy"] == "signed"
    return str(error["message"])


def test_a_pull_is_refused_until_it_is_signed(mary: Acting, alice: Acting, name: str, set_policy: object) -> None:
    image = image_of(LAYER)
    mary.put_blob(LAYER)
    mary.put_blob(b"{}")
    mary.put(image, "v1")
    set_policy()  # type: ignore[operator]
    digest = digest_of(image)
    for reference in ("v1", digest):
        message = denied(alice("GET", f"manifests/{reference}"))
        first, line = message.splitlines()
        assert first == f"{name}@{digest} is not admitted:"
        assert line.startswith(f"policy signed (version 1 on {name}): ")
        assert alice("HEAD", f"manifests/{reference}").status_code == 403
    for headers in ({}, {"Range": "bytes=0-3"}):
        denied(alice("GET", f"blobs/{digest_of(LAYER)}", **headers))
        assert alice("HEAD", f"blobs/{digest_of(LAYER)}", **headers).status_code == 403
    assert alice("GET", f"referrers/{digest}").status_code == 200
    signature = mary.sign(image)
    for reference in ("v1", digest, signature):
        answer = alice("GET", f"manifests/{reference}")
        assert answer.status_code == 200
        assert "Warning" not in answer.headers
    assert alice("GET", f"blobs/{digest_of(LAYER)}").content == LAYER
    assert alice("GET", f"blobs/{digest_of(LAYER)}", Range="bytes=0-3").status_code == 206
    assert mary("DELETE", f"manifests/{signature}").status_code == 202
    denied(alice("GET", "manifests/v1"))
    denied(alice("GET", f"blobs/{digest_of(LAYER)}"))


def test_who_may_push_reads_what_is_not_admitted_unless_by_what_may_only_pull(
    governed: Governed, mary: Acting, name: str, set_policy: object
) -> None:
    image = image_of()
    mary.put_blob(b"{}")
    mary.put(image, "v1")
    set_policy()  # type: ignore[operator]
    answer = mary("GET", "manifests/v1")
    assert answer.content == image
    assert answer.headers["Warning"].startswith('299 - "policy signed (version 1')
    narrow = Acting(governed.registry, "mary", "pull", name)("GET", "manifests/v1")
    assert narrow.content == image, "clients that sign ask for no more than to pull"
    assert narrow.headers["Warning"] == answer.headers["Warning"]
    limited = administration.create_key(
        governed.settings, "mary", f"k{uuid4().hex}", lifetime=None, scopes=[f"repository:{name}:pull"]
    )
    by_key = requests.get(
        f"{governed.registry.url}/v2/{name}/manifests/v1",
        headers={"Authorization": f"Bearer {limited}"},
        timeout=PATIENCE,
    )
    denied(by_key)
    given = token(governed.registry, "mary", f"repository:{name}:pull", password=limited).json()["token"]
    assert "unadmitted" not in jwt.decode(given, options={"verify_signature": False})
    by_token = requests.get(
        f"{governed.registry.url}/v2/{name}/manifests/v1",
        headers={"Authorization": f"Bearer {given}"},
        timeout=PATIENCE,
    )
    assert by_token.status_code in (401, 403)
    assert "policy signed" in by_token.json()["errors"][0]["message"]


def test_a_policy_that_warns_does_so_by_a_header(mary: Acting, alice: Acting, set_policy: object) -> None:
    mary.put_blob(b"{}")
    mary.put(image_of(), "v1")
    set_policy(mode="warn")  # type: ignore[operator]
    for method in ("GET", "HEAD", "GET"):
        answer = alice(method, "manifests/v1")
        assert answer.status_code == 200
        assert answer.headers["Warning"].startswith('299 - "policy signed (version 1')


def test_a_tag_names_only_what_passes(mary: Acting, set_policy: object) -> None:
    image = image_of()
    mary.put_blob(b"{}")
    set_policy(on="tag", tags=("prod",))  # type: ignore[operator]
    denied(mary.put(image, "prod", 403))
    mary.put(image, "dev")
    mary.sign(image)
    mary.put(image, "prod")
    assert mary("GET", "manifests/prod").content == image


def test_a_child_is_pulled_by_its_signed_index(mary: Acting, alice: Acting, set_policy: object) -> None:
    child = image_of()
    mary.put_blob(b"{}")
    mary.put(child)
    index = index_of(child)
    mary.put(index, "v1")
    set_policy()  # type: ignore[operator]
    denied(alice("GET", f"manifests/{digest_of(child)}"))
    mary.sign(index)
    for reference in ("v1", digest_of(child)):
        assert alice("GET", f"manifests/{reference}").status_code == 200


def test_admission_is_told_to_who_may_pull(
    governed: Governed, mary: Acting, alice: Acting, name: str, set_policy: object
) -> None:
    image = image_of()
    mary.put_blob(b"{}")
    mary.put(image, "v1")
    api = governed.by("alice")
    found = api.get(f"/repositories/{name}/-/artifacts/v1/admission")
    assert (found["outcome"], found["verdicts"]) == ("admitted", [])
    set_policy()  # type: ignore[operator]
    found = api.get(f"/repositories/{name}/-/artifacts/v1/admission")
    assert (found["outcome"], found["digest"]) == ("denied", digest_of(image))
    (verdict,) = found["verdicts"]
    assert (verdict["policy"], verdict["version"], verdict["passes"], verdict["on"]) == ("signed", 1, False, "pull")
    assert verdict["branch"]["reason"]
    (covering,) = api.get(f"/repositories/{name}/-/policies")["items"]
    assert (covering["name"], covering["target"], covering["mode"]) == ("signed", name, "enforce")
    mary.sign(image)
    assert api.get(f"/repositories/{name}/-/artifacts/v1/admission")["outcome"] == "admitted"
    for path in ("artifacts/v1/admission", "policies"):
        assert governed.by("mallory")("GET", f"/repositories/{name}/-/{path}").status_code == 404


def test_what_is_refused_stands_in_the_log(
    governed: Governed, mary: Acting, alice: Acting, name: str, set_policy: object
) -> None:
    mary.put_blob(b"{}")
    mary.put(image_of(), "v1")
    set_policy()  # type: ignore[operator]
    denied(alice("GET", "manifests/v1"))
    found: list[dict[str, Any]] = []

    def logged() -> bool:
        events = governed.by("root").get("/admin/audit/events", params={"target": f"{name}:v1", "limit": 50})["items"]
        found[:] = [one for one in events if one["outcome"] == "denied"]
        return bool(found)

    eventually(logged, "the refusal stands in the log")
    assert (found[0]["action"], found[0]["principal"]) == ("pull", "alice")
    assert found[0]["detail"]["reason"] == "NotAdmitted"


def test_the_api_s_bytes_are_admitted_as_others_are(
    governed: Governed, mary: Acting, name: str, set_policy: object
) -> None:
    image = image_of()
    mary.put_blob(b"{}")
    mary.put(image, "v1")
    set_policy()  # type: ignore[operator]
    problem(governed.by("alice")("GET", f"/repositories/{name}/-/artifacts/v1/metadata"), 403, "DENIED")
    mary.sign(image)
    assert governed.by("alice")("GET", f"/repositories/{name}/-/artifacts/v1/metadata").status_code == 200


def test_policies_are_set_read_and_removed(governed: Governed, name: str) -> None:
    olga = governed.by("olga")
    content = signed_policy("kept").decode()
    body = {"target": name, "content": content, "on": "tag", "tags": ["prod"]}
    assert olga.post("/admin/policies", body) == {"name": "kept", "version": 1}
    assert olga.post("/admin/policies", body | {"on": "both", "tags": []}) == {"name": "kept", "version": 2}
    query = {"target": name, "name": "kept"}
    assert olga.get("/admin/policies/version", params=query)["content"] == content
    assert olga.get("/admin/policies/version", params=query | {"version": 1})["tags"] == ["prod"]
    assert [one["version"] for one in olga.get("/admin/policies/versions", params=query)["items"]] == [2, 1]
    (listed,) = [one for one in olga.all("/admin/organisations/acme/policies") if one["target"] == name]
    assert (listed["name"], listed["version"], listed["on"], listed["mode"]) == ("kept", 2, "both", "enforce")
    problem(governed.by("mary")("POST", "/admin/policies", json=body), 403, "DENIED")
    assert olga("DELETE", "/admin/policies", params=query).status_code == 204
    problem(olga("DELETE", "/admin/policies", params=query), 404, "DENIED")
    problem(olga("GET", "/admin/policies/version", params=query), 404, "DENIED")
    assert olga.get("/admin/policies/version", params=query | {"version": 3})["content"] is None
    found = problem(olga("POST", "/admin/policies", json={"target": name, "content": "version: 7"}), 400, "UNSUPPORTED")
    assert found["problems"]
    problem(olga("POST", "/admin/policies", json=body | {"on": "pull"}), 409, "DENIED")
    problem(olga("POST", "/admin/policies", json=body | {"tags": ["a b"]}), 409, "DENIED")
    named = content.replace("release:\n", "release:\n    root: elsewhere\n")
    problem(olga("POST", "/admin/policies", json=body | {"content": named}), 409, "DENIED")


def test_trust_roots_are_refused_where_they_are_none(governed: Governed) -> None:
    olga = governed.by("olga")
    body = {"organisation": "acme", "name": "own", "content": "{}"}
    problem(olga("POST", "/admin/trust-roots", json=body), 400, "UNSUPPORTED")
    problem(olga("POST", "/admin/trust-roots", json=body | {"name": "public-good"}), 409, "DENIED")
    problem(governed.by("mary")("POST", "/admin/trust-roots", json=body), 403, "DENIED")
    problem(olga("GET", "/admin/organisations/acme/trust-roots/own"), 404, "DENIED")
    assert olga.all("/admin/organisations/acme/trust-roots") == []


def test_a_policy_is_tried_on_what_is_there(governed: Governed, mary: Acting, name: str) -> None:
    mary.put_blob(b"{}")
    image = image_of()
    mary.put(image, "v1")
    body = {"target": name, "content": signed_policy().decode(), "limit": 10}
    (found,) = governed.by("olga").post("/admin/policies/trials", body, 200)["items"]
    assert (found["digest"], found["passes"], found["tags"]) == (digest_of(image), False, ["v1"])
    assert found["reasons"]
    problem(governed.by("mary")("POST", "/admin/policies/trials", json=body), 403, "DENIED")
