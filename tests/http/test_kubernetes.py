"""Clusters ask what may run: the webhooks of a running registry, through both servers, by what API servers ask."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.core.admitting import signed_policy
from tests.http.acting import Acting
from tests.http.admin import Governed, governing
from tests.http.client import PATIENCE, digest_of, image_of
from tests.http.server import Registry, serving
from tests.setups import SERVERS, share

HOST = "registry.example"
REVIEWS = Path(__file__).parent / "admission_reviews"
RECORDED = f"{HOST}/acme/models/bert"  # the repository that all recorded reviews name
TAGS = ("v1", "v2", "debug")

WIDGET = {
    "apiVersion": "admission.k8s.io/v1",
    "kind": "AdmissionReview",
    "request": {"uid": "1", "kind": {"kind": "Widget"}, "operation": "CREATE", "object": {}},
}

_WORKLOAD = ["/spec/template/spec/initContainers/0/image", "/spec/template/spec/containers/0/image"]
# Where each recorded review has images that were not there before.
ASKED: dict[str, list[str]] = {
    "pod": ["/spec/containers/0/image"],
    "pod-dry-run": ["/spec/containers/0/image"],
    "pod-without-a-name": ["/spec/containers/0/image"],
    "pod-with-init-containers": ["/spec/initContainers/0/image", "/spec/containers/0/image"],
    "pod-with-an-image-volume": ["/spec/containers/0/image", "/spec/volumes/0/image/reference"],
    "pod-debugged": ["/spec/ephemeralContainers/0/image"],
    "pod-updated": ["/spec/containers/0/image"],
    "pod-labelled": [],
    "pod-template": ["/template/spec/initContainers/0/image", "/template/spec/containers/0/image"],
    "replication-controller": _WORKLOAD,
    "replica-set": _WORKLOAD,
    "daemon-set": _WORKLOAD,
    "stateful-set": _WORKLOAD,
    "deployment": _WORKLOAD,
    "deployment-scaled": [],
    "deployment-updated": ["/spec/template/spec/containers/0/image"],
    "job": _WORKLOAD,
    "cron-job": [f"/spec/jobTemplate{pointer}" for pointer in _WORKLOAD],
}
each_review = pytest.mark.parametrize("name", ASKED)


@pytest.fixture(scope="module", params=share(SERVERS, __name__))
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Governed]:
    """Return a registry that clusters ask."""
    directory = tmp_path_factory.mktemp(f"cluster-{request.param}")
    with governing(
        directory, server=request.param, admission_hosts=HOST, admission_exempt_namespaces="ops,kube-system"
    ) as running:
        yield running


@pytest.fixture(scope="module")
def digests(cluster: Governed) -> dict[str, str]:
    """Return what the images of recorded reviews are."""
    mary = Acting(cluster.registry, "mary", "pull,push,delete", RECORDED.removeprefix(f"{HOST}/"))
    return {f"{RECORDED}:{tag}": pushed(mary, tag)[1] for tag in TAGS}


@pytest.fixture
def name() -> str:
    return f"acme/models/n{uuid4().hex[:12]}"


@pytest.fixture
def mary(cluster: Governed, name: str) -> Acting:
    return Acting(cluster.registry, "mary", "pull,push,delete", name)


def recorded(name: str, verb: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((REVIEWS / f"{name}.{verb}.json").read_bytes())
    return document


def review(*images: str, namespace: str = "models") -> dict[str, Any]:
    """Return the recorded review of a pod, with these images in place of its own."""
    document = recorded("pod", "validate")
    request = document["request"]
    (container,) = request["object"]["spec"]["containers"]
    containers = [container | {"name": f"c{number}", "image": image} for number, image in enumerate(images)]
    request["object"]["spec"]["containers"] = containers
    request["namespace"] = request["object"]["metadata"]["namespace"] = namespace
    return document


def found_at(pointer: str, document: Any) -> tuple[Any, Any]:
    """Return what holds a place (RFC 6901), and the last key of it."""
    *way, last = [int(key) if key.isdigit() else key for key in pointer.split("/")[1:]]
    for key in way:
        document = document[key]
    return document, last


def ask(registry: Registry, verb: str, document: Any, key: str | None = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {key}"} if key is not None else {}
    url = f"{registry.url}/admission/kubernetes/{verb}"
    return requests.post(url, json=document, headers=headers, timeout=PATIENCE)


def answered(registry: Registry, verb: str, document: Any, key: str | None = None) -> dict[str, Any]:
    answer = ask(registry, verb, document, key)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert (found["apiVersion"], found["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    response: dict[str, Any] = found["response"]
    assert response["uid"] == document["request"]["uid"]
    return response


def pushed(mary: Acting, tag: str = "v1") -> tuple[bytes, str]:
    layer = uuid4().bytes
    image = image_of(layer)
    mary.put_blob(layer)
    mary.put_blob(b"{}")
    mary.put(image, tag)
    return image, digest_of(image)


def test_each_review_is_tried() -> None:
    assert {f"{name}.{verb}" for name in ASKED for verb in ("mutate", "validate")} == {
        file.stem for file in REVIEWS.glob("*.json")
    }


@each_review
def test_what_an_api_server_asks_is_pinned_and_then_passes(
    cluster: Governed, digests: dict[str, str], name: str
) -> None:
    asked = recorded(name, "mutate")
    response = answered(cluster.registry, "mutate", asked, cluster.keys["alice"])
    assert response["allowed"] is True
    patch = json.loads(base64.b64decode(response["patch"])) if "patch" in response else []
    assert [(change["op"], change["path"]) for change in patch] == [("replace", pointer) for pointer in ASKED[name]]
    loose, pinned = recorded(name, "validate"), recorded(name, "validate")
    texts = set()
    for change in patch:
        held, key = found_at(change["path"], pinned["request"]["object"])
        assert change["value"] == f"{held[key]}@{digests[held[key]]}"
        texts.add(held[key])
        held[key] = change["value"]
    warned = answered(cluster.registry, "validate", loose, cluster.keys["alice"])
    assert warned["allowed"] is True
    assert [line.split()[1] for line in warned.get("warnings", [])] == sorted(texts)
    assert answered(cluster.registry, "validate", pinned, cluster.keys["alice"]) == {
        "uid": pinned["request"]["uid"],
        "allowed": True,
    }


@each_review
def test_what_is_new_in_it_is_refused_where_it_comes_from_elsewhere(cluster: Governed, name: str) -> None:
    elsewhere = json.loads((REVIEWS / f"{name}.validate.json").read_text().replace(RECORDED, "docker.io/acme/bert"))
    response = answered(cluster.registry, "validate", elsewhere, cluster.keys["alice"])
    new = {held[key] for held, key in (found_at(at, elsewhere["request"]["object"]) for at in ASKED[name])}
    told = response.get("status", {}).get("message", "").splitlines()
    assert [line.split()[1] for line in told] == sorted(new)
    assert response["allowed"] is (not new)


def test_an_image_runs_once_its_policy_is_satisfied(cluster: Governed, mary: Acting, name: str) -> None:
    image, digest = pushed(mary)
    cluster.by("olga").post(
        "/admin/policies", {"target": name, "content": signed_policy().decode(), "on": "pull", "tags": []}
    )
    alice = cluster.keys["alice"]
    pinned = f"{HOST}/{name}:v1@{digest}"
    denied = answered(cluster.registry, "validate", review(pinned), alice)
    assert denied["allowed"] is False
    assert denied["status"]["code"] == 403
    first, line = denied["status"]["message"].splitlines()
    assert first == f"image {pinned} is not admitted:"
    assert line.startswith(f"policy signed (version 1 on {name}): ")
    mary.sign(image)
    asked = review(pinned)
    assert answered(cluster.registry, "validate", asked, alice) == {"uid": asked["request"]["uid"], "allowed": True}
    loose = answered(cluster.registry, "validate", review(f"{HOST}/{name}:v1"), alice)
    assert loose["allowed"] is True
    assert "is not pinned" in loose["warnings"][0]


def test_tags_are_pinned_to_what_they_name_now(cluster: Governed, mary: Acting, name: str) -> None:
    _, digest = pushed(mary)
    pinned = f"{HOST}/{name}@{digest}"
    given = review(f"{HOST}/{name}:v1", pinned, "docker.io/library/nginx:1", f"{HOST}/{name}:v1")
    response = answered(cluster.registry, "mutate", given, cluster.keys["alice"])
    assert (response["allowed"], response["patchType"]) == (True, "JSONPatch")
    becomes = f"{HOST}/{name}:v1@{digest}"
    assert json.loads(base64.b64decode(response["patch"])) == [
        {"op": "replace", "path": "/spec/containers/0/image", "value": becomes},
        {"op": "replace", "path": "/spec/containers/3/image", "value": becomes},
    ]
    assert "patch" not in answered(cluster.registry, "mutate", review(pinned), cluster.keys["alice"])


def test_a_tag_that_is_not_there_is_refused(cluster: Governed, mary: Acting, name: str) -> None:
    pushed(mary)
    for verb in ("validate", "mutate"):
        response = answered(cluster.registry, verb, review(f"{HOST}/{name}:v9"), cluster.keys["alice"])
        assert response["allowed"] is False
        assert f"image {HOST}/{name}:v9: " in response["status"]["message"]


def test_images_of_other_hosts_are_denied_and_never_fetched(cluster: Governed) -> None:
    response = answered(cluster.registry, "validate", review("nginx:1", "127.0.0.1:1/x"), cluster.keys["alice"])
    assert response["status"]["message"].splitlines() == [
        f"image 127.0.0.1:1/x is not of {HOST}; images of other registries are not let in here",
        f"image nginx:1 is not of {HOST}; images of other registries are not let in here",
    ]
    strange = answered(cluster.registry, "validate", review("NGINX:1 "), cluster.keys["alice"])
    assert "image NGINX:1  has a" in strange["status"]["message"]


def test_an_exempt_namespace_is_not_asked_about(cluster: Governed) -> None:
    assert answered(cluster.registry, "validate", review("nginx:1", namespace="ops"), cluster.keys["alice"])["allowed"]
    assert not answered(cluster.registry, "validate", review("nginx:1", namespace="opsx"), cluster.keys["alice"])[
        "allowed"
    ]


def test_a_cluster_learns_of_what_its_caller_may_pull_only(cluster: Governed, mary: Acting, name: str) -> None:
    _, digest = pushed(mary)
    missing = review(f"{HOST}/acme/none@{digest}")
    there = review(f"{HOST}/{name}@{digest}")
    told = []
    for document in (missing, there):
        response = answered(cluster.registry, "validate", document, cluster.keys["mallory"])
        assert response["allowed"] is False
        told.append(response["status"]["message"].replace(name, "…").replace("acme/none", "…"))
    assert told[0] == told[1]
    assert ask(cluster.registry, "validate", there).status_code == 401
    assert ask(cluster.registry, "validate", there, "nonsense").status_code == 401


@pytest.mark.parametrize(
    ("document", "status", "part"),
    [
        ({}, 400, "is no AdmissionReview of admission.k8s.io/v1"),
        (WIDGET, 400, "take this kind out of the webhook's rules"),
        ([[[[]]]], 400, "is no AdmissionReview"),
    ],
)
def test_what_is_no_review_is_told_so(cluster: Governed, document: Any, status: int, part: str) -> None:
    answer = ask(cluster.registry, "validate", document, cluster.keys["alice"])
    assert answer.status_code == status
    assert part in answer.json()["errors"][0]["message"]


def test_other_methods_and_broken_bodies_are_refused(cluster: Governed) -> None:
    url = f"{cluster.registry.url}/admission/kubernetes/validate"
    headers = {"Authorization": f"Bearer {cluster.keys['alice']}"}
    answer = requests.get(url, headers=headers, timeout=PATIENCE)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    for body in (b"", b"{", b"[" * 100_000):
        assert requests.post(url, body, headers=headers, timeout=PATIENCE).status_code == 400
    assert requests.post(url, b" " * ((8 << 20) + 1), headers=headers, timeout=PATIENCE).status_code == 400


def test_known_api_servers_ask_without_credentials(tmp_path: Path) -> None:
    with governing(
        tmp_path, admission_hosts=HOST, admission_networks="127.0.0.0/8", admission_foreign="ignore"
    ) as running:
        name = "acme/models/bert"
        mary = Acting(running.registry, "mary", "pull,push,delete", name)
        _, digest = pushed(mary)
        assert answered(running.registry, "validate", review(f"{HOST}/{name}@{digest}", "nginx:1"))["allowed"]
        assert "patch" in answered(running.registry, "mutate", review(f"{HOST}/{name}:v1"))


def test_without_hosts_there_are_no_webhooks(registry: Registry) -> None:
    assert ask(registry, "validate", review("a")).status_code == 404


def test_an_open_registry_answers_its_own_machine(tmp_path: Path) -> None:
    with serving(tmp_path, admission_hosts=HOST) as running:
        assert not answered(running, "validate", review("nginx:1"))["allowed"]
        foreign = requests.post(
            f"{running.url}/admission/kubernetes/validate",
            json=review("nginx:1"),
            headers={"Origin": "http://evil.example"},
            timeout=PATIENCE,
        )
        assert foreign.status_code == 403
