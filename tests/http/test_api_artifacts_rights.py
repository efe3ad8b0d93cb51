"""Artifacts by the API of a registry with users: to who may not pull them they are as if they weren't there."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.http.admin import Api, Governed, problem, token
from tests.http.artifacts import known, push, safetensors
from tests.lifecycle.serving import eventually

FILES = {"m.safetensors": safetensors(a=("F32", [2], b"\x01")), "config.json": b"{}"}
PATHS: tuple[tuple[str, dict[str, str]], ...] = (
    ("", {}),
    ("/-/tags", {}),
    ("/-/versions", {}),
    ("/-/artifacts", {}),
    ("/-/artifacts/v1", {}),
    ("/-/artifacts/v1/metadata", {}),
    ("/-/artifacts/v1/files", {}),
    ("/-/artifacts/v1/files/content", {"path": "config.json"}),
    ("/-/artifacts/v1/tensors", {}),
    ("/-/artifacts/v1/tensors/content", {"path": "m.safetensors", "name": "a"}),
    ("/-/artifacts/v1/graph", {}),
    ("/-/artifacts/v1/comparison", {"other": "v1"}),
)


def pushed(governed: Governed, name: str, files: dict[str, bytes]) -> str:
    """Push a model as root and return its digest, when it is known what it is."""
    access = token(governed.registry, "root", f"repository:{name}:pull,push").json()["token"]
    digest = push(governed.registry, name, files, headers={"Authorization": f"Bearer {access}"})
    known(governed.by("root"), name)
    return digest


@pytest.fixture
def name(governed: Governed) -> str:
    found = f"acme/models/{uuid4().hex[:12]}"
    pushed(governed, found, FILES)
    return found


@pytest.mark.parametrize("who", ["mallory", "otto", None])
def test_who_may_not_pull_learns_nothing(governed: Governed, name: str, who: str | None) -> None:
    api, nowhere = governed.by(who), f"acme/models/{uuid4().hex[:12]}"
    for path, query in PATHS:
        answers = [api("GET", f"/repositories/{one}{path}", params=query) for one in (name, nowhere)]
        there, none = (
            answer.text.replace(answer.headers["X-Request-ID"], "").replace(one, "…")
            for answer, one in zip(answers, (name, nowhere), strict=True)
        )
        assert {answer.status_code for answer in answers} == {404}, path
        assert there == none
    assert name not in str(api.all("/repositories"))


def test_who_may_pull_sees_all(governed: Governed, name: str) -> None:
    for who in ("root", "olga", "mary", "alice"):
        api = governed.by(who)
        assert [api("GET", f"/repositories/{name}{path}", params=query).status_code for path, query in PATHS] == (
            [200] * len(PATHS)
        )
        assert name in {one["name"] for one in api.all("/repositories")}


def test_a_token_shows_what_it_was_asked_for(governed: Governed, name: str) -> None:
    for scope, expected in ((f"repository:{name}:pull", 200), ("repository:acme/models/other:pull", 404)):
        access = token(governed.registry, "alice", scope).json()["token"]
        api = Api(governed.registry, {"Authorization": f"Bearer {access}"})
        for path, query in PATHS:
            assert api("GET", f"/repositories/{name}{path}", params=query).status_code == expected, path


def test_what_others_have_made_of_it_is_not_told(governed: Governed, name: str) -> None:
    """By otto's organisation, whose model names one of acme's as its base."""
    root = governed.by("root")
    digest = root.get(f"/repositories/{name}/-/artifacts/v1")["digest"]
    theirs = f"other/{uuid4().hex[:12]}"
    pushed(governed, theirs, {"README.md": f"---\nbase_model: {name}@{digest}\n---\n".encode(), **FILES})
    path = f"/repositories/{name}/-/artifacts/v1/graph"
    assert theirs in {node["repository"] for node in root.get(path)["nodes"]}
    assert {node["repository"] for node in governed.by("alice").get(path)["nodes"]} == {name}
    otto = governed.by("otto")
    assert {node["repository"] for node in otto.get(f"/repositories/{theirs}/-/artifacts/v1/graph")["nodes"]} == {
        theirs
    }
    compared = {"other": "v1", "repository": name}
    problem(otto("GET", f"/repositories/{theirs}/-/artifacts/v1/comparison", params=compared), 404, "MANIFEST_UNKNOWN")


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
