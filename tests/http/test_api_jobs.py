"""Jobs by the API: of an open registry all of them, of another those on what the caller may pull."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
import requests

from tests.http.admin import Api, Governed, problem, token
from tests.http.client import PATIENCE
from tests.http.server import Registry
from tests.lifecycle.serving import eventually

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
EMPTY = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def push(registry: Registry, name: str, **headers: str) -> None:
    """Push a manifest without files to a repository."""
    url = f"{registry.url}/v2/{name}"
    blob = requests.post(f"{url}/blobs/uploads/?digest={EMPTY}", b"{}", headers=headers, timeout=PATIENCE)
    assert blob.status_code == 201, blob.text
    registry.blobs.add(EMPTY.removeprefix("sha256:"))
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": "a/b",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": EMPTY, "size": 2},
        "layers": [],
        "annotations": {"made": uuid4().hex},
    }
    put = requests.put(
        f"{url}/manifests/v1", json.dumps(document), headers=headers | {"Content-Type": MANIFEST}, timeout=PATIENCE
    )
    assert put.status_code == 201, put.text


def of(api: Api, name: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = api.get("/jobs", params={"repository": name})["items"]
    return found


def test_jobs_of_an_open_registry_are_everybody_s(registry: Registry, repo: str) -> None:
    api = Api(registry, {})
    for _ in range(3):
        push(registry, repo)
    eventually(lambda: [job["state"] for job in of(api, repo)] == ["done"] * 3, "three jobs")
    newest, *others = of(api, repo)
    assert newest["kind"] == "describe"
    assert newest["repository"] == repo
    assert newest["attempts"] == 1
    assert newest["error"] is None
    assert api.get(f"/jobs/{newest['id']}") == newest
    first = api.get("/jobs", params={"repository": repo, "limit": 1})
    assert first["items"] == [newest]
    rest = api.get("/jobs", params={"repository": repo, "after": first["next"]})
    assert (rest["items"], rest["next"]) == (others, None)
    assert api.get("/jobs", params={"repository": repo, "state": "failed"})["items"] == []


def test_what_is_asked_wrongly_is_refused(registry: Registry) -> None:
    api = Api(registry, {})
    problem(api("GET", "/jobs/999999999"), 404, "DENIED")
    for query in ({"state": "odd"}, {"after": "x"}, {"limit": "0"}, {"other": "1"}):
        problem(api("GET", "/jobs", params=query), 400, "UNSUPPORTED")
    problem(api("GET", "/jobs", params={"repository": "No"}), 400, "NAME_INVALID")
    problem(api("GET", "/admin/users"), 404, "UNSUPPORTED")
    problem(api("DELETE", "/jobs/1"), 405, "UNSUPPORTED")
    problem(Api(registry, {"Origin": "https://evil.example"})("GET", "/jobs"), 403, "DENIED")


@pytest.fixture
def pushed(governed: Governed) -> str:
    """Return a repository of acme's models with something in it."""
    name = f"acme/models/{uuid4().hex[:12]}"
    access = token(governed.registry, "root", f"repository:{name}:pull,push").json()["token"]
    push(governed.registry, name, Authorization=f"Bearer {access}")
    eventually(lambda: of(governed.by("root"), name), "a job")
    return name


def test_jobs_are_told_to_who_may_pull_only(governed: Governed, pushed: str) -> None:
    (job,) = of(governed.by("root"), pushed)
    for user in ("olga", "mary", "alice"):
        assert [one["id"] for one in of(governed.by(user), pushed)] == [job["id"]], user
    for user in ("mallory", "otto", None):
        assert of(governed.by(user), pushed) == [], user
        assert pushed not in json.dumps(governed.by(user).get("/jobs", params={"limit": 1000})), user
        problem(governed.by(user)("GET", f"/jobs/{job['id']}"), 404, "DENIED")


def test_a_token_tells_no_jobs_but_of_what_it_permits(governed: Governed, pushed: str) -> None:
    for scope, expected in ((f"repository:{pushed}:pull", 1), ("repository:acme/models/other:pull", 0)):
        access = token(governed.registry, "alice", scope).json()["token"]
        api = Api(governed.registry, {"Authorization": f"Bearer {access}"})
        assert len(of(api, pushed)) == expected
