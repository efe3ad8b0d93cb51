"""Every route with an id of acme, as everybody who may not: answered as if there were no such id, and nothing changes.

Most advisories against registries are ids that nobody compared with their owner (CVE-2022-31666 to 31671, CVE-2024-22278,
CVE-2026-32589; Gitea's CVE-2026-27771 for the anonymous). The walk is made from the table of endpoints and the application's
own routes: a new one without a case fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from mediatypes import endpoints
from mediatypes.endpoints import ENDPOINTS, Resource
from registry.auth.open_access import OpenAccess
from registry.http.app import create_app
from tests.attacks.tenants import Tenants
from tests.http.client import IMAGE, Client, descriptor, digest_of, image_of

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

# Where each resource of a repository takes its id; every method is tried, also those that it doesn't have.
PATHS = {
    Resource.BLOB: ["/v2/{name}/blobs/{blob}"],
    Resource.MANIFEST: ["/v2/{name}/manifests/{manifest}", "/v2/{name}/manifests/{tag}"],
    Resource.REFERRERS: ["/v2/{name}/referrers/{manifest}"],
    Resource.TAGS: ["/v2/{name}/tags/list"],
    Resource.UPLOADS: [
        "/v2/{name}/blobs/uploads/",
        "/v2/{name}/blobs/uploads/?digest={blob}",
        "/v2/{name}/blobs/uploads/?mount={blob}&from={name}",
    ],
    Resource.UPLOAD: ["/v2/{name}/blobs/uploads/{upload}?digest={blob}"],
}
# Of no repository: who asks here names none, or many, of which he learns what he may pull (tests/http/test_kubernetes.py).
WITHOUT = {
    Resource.BASE,
    Resource.CATALOG,
    Resource.JWKS,
    Resource.TOKEN,
    Resource.DEVICE,
    Resource.DEVICE_TOKEN,
    Resource.REVOKE,
    Resource.KUBERNETES_VALIDATE,
    Resource.KUBERNETES_MUTATE,
}
# The application's own routes that tell nothing of anybody.
OWN = {"/health", "/ready", "/metrics"}
PROTOCOL = {"/v2", "/v2/", "/v2/<path:rest>", *endpoints.PATHS}


class Ids(NamedTuple):
    """Of a repository, what has an id."""

    name: str
    blob: str
    manifest: str
    tag: str
    upload: str


@dataclass
class Theirs:
    """What acme has, and what is like it but nowhere."""

    ids: Ids
    image: bytes
    layer: bytes


NOWHERE = Ids(
    "acme/nothing", digest_of(b"none"), digest_of(b"no manifest"), "absent", "00000000-0000-4000-8000-000000000000"
)


@pytest.fixture(scope="module")
def theirs(everywhere: Tenants) -> Theirs:
    alice = everywhere.acting("alice", "repository:acme/walked:pull,push,delete")
    layer = b"a layer of acme's"
    image = alice.push_image("acme/walked", "stable", layer)
    alice.push_manifest("acme/walked", image_of(subject=descriptor(image, IMAGE)))
    location = alice.start("acme/walked")
    alice.chunk(location, b"acme's bytes", 0)
    return Theirs(
        Ids("acme/walked", digest_of(layer), digest_of(image), "stable", location.rpartition("/")[2]), image, layer
    )


def state(alice: Client, theirs: Theirs) -> list[Any]:
    """Return all that anybody could have changed."""
    base = f"/v2/{theirs.ids.name}"
    answers = [
        alice.get(f"{base}/blobs/{theirs.ids.blob}"),
        alice.get(f"{base}/manifests/{theirs.ids.tag}"),
        alice.get(f"{base}/manifests/{theirs.ids.manifest}"),
        alice.get(f"{base}/tags/list"),
        alice.get(f"{base}/referrers/{theirs.ids.manifest}"),
        alice.get(f"{base}/blobs/uploads/{theirs.ids.upload}"),
        alice.get("/v2/_catalog"),
    ]
    return [(answer.status_code, answer.text, answer.headers.get("Range")) for answer in answers]


def strangers(tenants: Tenants) -> Iterator[tuple[str, Client]]:
    """Yield everybody who may do nothing there, by each kind of credential."""
    yield "nobody", Client(tenants.registry)
    scopes = tuple(f"repository:{name}:pull,push,delete" for name in ("acme/walked", "acme/nothing", "rival/mine"))
    for user in (None, "mallory", "bob", "carol"):
        yield f"{user} by token", tenants.acting(user, *scopes)
    for user in ("mallory", "bob"):
        yield f"{user} by key", tenants.acting(user)
    # May do everything, but shows a token that permits it elsewhere.
    yield "root by a narrow token", tenants.acting("root", "repository:rival/mine:pull,push,delete")


def told(answer: Any, ids: Ids) -> tuple[Any, ...]:
    """Return all that an answer tells, but for what was asked for, its time and the request's id."""
    text = answer.text.replace(answer.headers["X-Request-ID"], "")
    headers = {
        name.lower(): value
        for name, value in answer.headers.items()
        if name.lower() not in ("date", "x-request-id", "content-length", "docker-upload-uuid", "location")
    }
    for value in sorted(ids, key=len, reverse=True):
        text = text.replace(value, "…")
        headers = {name: shown.replace(value, "…") for name, shown in headers.items()}
    return answer.status_code, headers, text


def body_of(method: str, path: str, theirs: Theirs) -> tuple[bytes, dict[str, str]]:
    if method in ("GET", "HEAD", "DELETE"):
        return b"", {}
    if "/manifests/" in path:
        return theirs.image, {"Content-Type": IMAGE}
    return theirs.layer, {"Content-Type": "application/octet-stream"}


def test_every_route_has_its_place_in_the_walk() -> None:
    assert {resource for resource, _ in ENDPOINTS} == PATHS.keys() | WITHOUT
    app = create_app(None, None, OpenAccess(external_url=None, any_host=False))  # type: ignore[arg-type]  # nobody calls it
    assert {rule.rule for rule in app.url_map.iter_rules()} == PROTOCOL | OWN


def test_an_id_of_another_tenant_is_as_one_that_is_not_there(everywhere: Tenants, theirs: Theirs) -> None:
    alice = everywhere.acting("alice")
    before = state(alice, theirs)
    assert [status for status, *_ in before] == [200, 200, 200, 200, 200, 204, 200]
    tried = 0
    for who, client in strangers(everywhere):
        for path in (path for paths in PATHS.values() for path in paths):
            for method in METHODS:
                content, headers = body_of(method, path, theirs)
                there, nowhere = (
                    client.request(method, path.format(**ids._asdict()), data=content, headers=headers)
                    for ids in (theirs.ids, NOWHERE)
                )
                assert told(there, theirs.ids) == told(nowhere, NOWHERE), (who, method, path)
                assert there.status_code in (401, 405), (who, method, path, there.text)
                tried += 1
    assert tried == 8 * len(METHODS) * sum(map(len, PATHS.values()))
    assert state(alice, theirs) == before


def test_in_a_repository_of_his_own_he_finds_none_of_them(everywhere: Tenants, theirs: Theirs) -> None:
    """By bob, who administers rival: under its name acme's ids are as such that are nowhere."""
    alice = everywhere.acting("alice")
    before = state(alice, theirs)
    scopes = ("repository:rival/mine:pull,push,delete", "repository:acme/walked:pull")
    for client in (everywhere.acting("bob", *scopes), everywhere.acting("bob")):
        for paths in (
            PATHS[Resource.BLOB],
            PATHS[Resource.MANIFEST],
            PATHS[Resource.REFERRERS],
            PATHS[Resource.UPLOAD],
        ):
            for path in paths:
                for method in ("GET", "HEAD", "PATCH", "DELETE"):
                    theirs_here, nowhere = (ids._replace(name="rival/mine") for ids in (theirs.ids, NOWHERE))
                    there, never = (
                        client.request(method, path.format(**ids._asdict()), data=b"") for ids in (theirs_here, nowhere)
                    )
                    assert told(there, theirs_here) == told(never, nowhere), (method, path)
        mounts = [
            client.post("/v2/rival/mine/blobs/uploads/", params={"mount": ids.blob, "from": "acme/walked"})
            for ids in (theirs.ids, NOWHERE)
        ]
        assert told(mounts[0], theirs.ids) == told(mounts[1], NOWHERE)
        assert mounts[0].status_code == 202
        pushed = client.put_manifest("rival/mine", theirs.image, "v1")
        assert pushed.status_code == 404, "what it names isn't there"
    assert state(alice, theirs) == before
