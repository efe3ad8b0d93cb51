"""What requests leave in the audit log of a registry that asks who it is: changes, and denials of whoever is known."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import jwt
import pytest

from registry import administration
from registry.auth.exchange import GRANT_TYPE
from registry.config import Settings, load_settings
from registry.db.embedded import running_url
from tests.http.client import INDEX, PATIENCE, Client, digest_of, image_of, index_of
from tests.http.server import Registry, serving
from tests.http.test_tokens import ask
from tests.setups import SETUPS, as_settings, share

PASSWORD = "correct horse battery staple"
CONTENT = b"a blob of team-a"
DIGEST = digest_of(CONTENT)
HERE = "127.0.0.1"

EVENTS = """
SELECT principal, credential_kind, address, action, target, outcome, detail FROM (
    SELECT id, request_id, principal, credential_kind, address, action, target, outcome, detail FROM audit_inbox
    UNION ALL
    SELECT sequence, request_id, principal, credential_kind, address, action, target, outcome, detail FROM audit_events
) AS event WHERE request_id = $1 ORDER BY id
"""

Acting = Callable[..., Client]


@pytest.fixture(scope="module", params=share(SETUPS, __name__), ids="-".join)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Return a registry: alice maintains team-a, bob may push there and move no tag, root may do everything."""
    directory = tmp_path_factory.mktemp("audit")
    with serving(directory, auth="token", **as_settings(*request.param)) as registry:
        settings = settings_of(registry)
        for user in ("alice", "bob", "root"):
            administration.add_user(settings, user, password=PASSWORD, is_admin=user == "root")
        for organisation in ("team-a", "team-b"):
            administration.add_organisation(settings, organisation)
        administration.add_role(settings, "team-a/uploader", ["pull", "push"])
        administration.grant(settings, "user:alice", "maintainer", "team-a")
        administration.grant(settings, "user:bob", "uploader", "team-a")
        yield registry


def settings_of(registry: Registry) -> Settings:
    return load_settings(data_dir=registry.directory)


@pytest.fixture
def client(running: Registry) -> Iterator[Client]:
    found = Client(running)
    with found.session:
        yield found


@pytest.fixture
def acting(client: Client) -> Acting:
    """Return what makes the client act as a user, in a request of the name that is given."""

    def act(user: str | None, repo: str, request_id: str, actions: str = "pull,push,delete") -> Client:
        client.session.headers.pop("X-Request-ID", None)
        token = ask(client, user, f"repository:{repo}:{actions}").json()["token"]
        client.session.headers["Authorization"] = f"Bearer {token}"
        client.session.headers["X-Request-ID"] = request_id
        return client

    return act


@pytest.fixture
def repo(acting: Acting) -> str:
    """Return a repository of team-a with an image."""
    name = f"team-a/{uuid4().hex}"
    acting("alice", name, "setup").push_image(name, "v1", CONTENT)
    return name


def recorded(registry: Registry, request_id: str) -> list[tuple[Any, ...]]:
    """Return the events of a request; wait for them where there are none yet."""

    async def read() -> list[tuple[Any, ...]]:
        url = running_url(registry.directory / "postgres")
        assert url is not None
        conn = await asyncpg.connect(url)
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    if rows := await conn.fetch(EVENTS, request_id):
                        return [(*row[:-1], json.loads(row["detail"])) for row in rows]
                    await asyncio.sleep(0.1)
        finally:
            await conn.close()

    return asyncio.run(read())


def count_of(registry: Registry, request_id: str) -> int:
    """Return how many events a request has left by now."""

    async def count() -> int:
        conn = await asyncpg.connect(running_url(registry.directory / "postgres"))
        found = len(await conn.fetch(EVENTS, request_id))
        await conn.close()
        return found

    return asyncio.run(count())


def new_id() -> str:
    return f"test-{uuid4().hex}"


def done(action: str, target: str, detail: dict[str, Any], user: str = "alice") -> tuple[Any, ...]:
    return (user, "token", HERE, action, target, "done", detail)


def test_a_push_leaves_an_event_of_the_manifest_and_one_of_each_tag_that_moved(
    running: Registry, acting: Acting, repo: str
) -> None:
    client, content = acting("alice", repo, request := new_id()), image_of(CONTENT, CONTENT)
    client.push_manifest(repo, content, "v1")
    digest = digest_of(content)
    detail = {
        "tags": ["v1"],
        "media_type": "application/vnd.oci.image.manifest.v1+json",
        "size": len(content),
        "artifact_type": "application/vnd.oci.empty.v1+json",
    }
    assert recorded(running, request) == [
        done("manifest.push", f"{repo}@{digest}", detail),
        done("tag.move", f"{repo}:v1", {"from": digest_of(image_of(CONTENT)), "to": digest}),
    ]


def test_both_ways_of_pushing_a_blob_leave_an_event_and_beginning_leaves_none(
    running: Registry, acting: Acting, repo: str
) -> None:
    event = done("blob.push", f"{repo}@{digest_of(b'new')}", {"size": 3})
    client = acting("alice", repo, request := new_id())
    client.push_blob(repo, b"new")
    assert recorded(running, request) == [event]
    client.session.headers["X-Request-ID"] = request = new_id()
    assert client.finish(client.start(repo), digest_of(b"new"), b"new").status_code == 201
    assert recorded(running, request) == [event]


def test_a_mount_leaves_an_event(running: Registry, acting: Acting, repo: str) -> None:
    client = acting("alice", "team-a/mounts", request := new_id())
    token = ask(client, "alice", f"repository:{repo}:pull", "repository:team-a/mounts:pull,push").json()["token"]
    client.session.headers["Authorization"] = f"Bearer {token}"
    answer = client.post("/v2/team-a/mounts/blobs/uploads/", params={"mount": DIGEST, "from": repo})
    assert answer.status_code == 201
    assert recorded(running, request)[-1] == done("blob.mount", f"team-a/mounts@{DIGEST}", {"from": repo})


def test_deletions_of_tags_manifests_and_blobs_leave_events(running: Registry, acting: Acting, repo: str) -> None:
    content = image_of(CONTENT)
    client = acting("alice", repo, "setup")
    client.push_manifest(repo, content, "v2")
    for path, event in (
        ("manifests/v2", done("tag.delete", f"{repo}:v2", {"digest": digest_of(content)})),
        (
            f"manifests/{digest_of(content)}",
            done("manifest.delete", f"{repo}@{digest_of(content)}", {"tags": ["v1"]}),
        ),
        (f"blobs/{DIGEST}", done("blob.delete", f"{repo}@{DIGEST}", {})),
    ):
        client.session.headers["X-Request-ID"] = request = new_id()
        assert client.delete(f"/v2/{repo}/{path}").status_code == 202
        assert recorded(running, request) == [event]


@pytest.mark.parametrize(
    ("method", "path", "action", "target"),
    [
        ("GET", "manifests/v1", "pull", ":v1"),
        ("HEAD", f"blobs/{DIGEST}", "pull", f"@{DIGEST}"),
        ("PUT", "manifests/v1", "manifest.push", ":v1"),
        ("DELETE", "manifests/v1", "tag.delete", ":v1"),
        ("DELETE", f"manifests/{DIGEST}", "manifest.delete", f"@{DIGEST}"),
        ("DELETE", f"blobs/{DIGEST}", "blob.delete", f"@{DIGEST}"),
        ("POST", "blobs/uploads/", "blob.push", ""),
        ("POST", f"blobs/uploads/?mount={DIGEST}&from=%00", "blob.push", ""),
        ("PATCH", f"blobs/uploads/{UUID(int=7)}", "blob.push", ""),
        ("GET", "tags/list", "access", None),
        ("GET", f"referrers/{DIGEST}", "access", None),
    ],
)
def test_who_is_known_and_may_not_leaves_a_denied_event_of_what_he_tried(
    running: Registry, acting: Acting, method: str, path: str, action: str, target: str | None
) -> None:
    repo = "team-b/secret"
    client = acting("alice", repo, request := new_id())
    answer = client.request(method, f"/v2/{repo}/{path}")
    if "%00" in path:  # which is no query at all
        assert answer.status_code == 400
        return
    assert answer.status_code == 401
    ((*event, detail),) = recorded(running, request)
    wanted = f"{repo}{target}" if target is not None else f"{method} /v2/{repo}/{path}"
    assert event == ["alice", "token", HERE, action, wanted, "denied"]
    assert (detail["reason"], detail["name"]) == ("AccessMissing", repo)


def test_decisions_leave_their_reason(running: Registry, acting: Acting, repo: str) -> None:
    client = acting("bob", repo, request := new_id())
    assert client.put_manifest(repo, image_of(CONTENT, CONTENT), "v1").status_code == 403
    ((*event, detail),) = recorded(running, request)
    assert event == ["bob", "token", HERE, "manifest.push", f"{repo}:v1", "denied"]
    assert (detail["reason"], detail["tags"]) == ("TagMoveDenied", ["v1"])
    client = acting("alice", repo, request := new_id())
    assert client.delete(f"/v2/{repo}/blobs/{DIGEST}").status_code == 403
    ((*event, detail),) = recorded(running, request)
    assert event == ["alice", "token", HERE, "blob.delete", f"{repo}@{DIGEST}", "denied"]
    assert (detail["reason"], detail["used_by"]) == ("StillReferenced", [digest_of(image_of(CONTENT))])
    client = acting("root", "nobodys/x", request := new_id())
    assert client.post("/v2/nobodys/x/blobs/uploads/").status_code == 403
    ((*event, detail),) = recorded(running, request)
    assert event == ["root", "token", HERE, "blob.push", "nobodys/x", "denied"]
    assert detail == {"reason": "OrganisationUnknown", "organisation": "nobodys"}


def test_a_token_whose_user_may_nothing_any_more_leaves_a_denied_event(
    running: Registry, acting: Acting, repo: str
) -> None:
    settings = settings_of(running)
    administration.add_user(settings, user := f"u{uuid4().hex}", password=PASSWORD, is_admin=False)
    administration.grant(settings, f"user:{user}", "reader", "team-a")
    client = acting(user, repo, request := new_id(), "pull")
    assert client.get(f"/v2/{repo}/manifests/v1").status_code == 200
    assert recorded(running, request) == [done("pull", f"{repo}:v1", {}, user)]
    administration.disable(settings, user, kind="user")
    client.session.headers["X-Request-ID"] = request = new_id()
    for path in ("manifests/v1", "tags/list"):
        assert client.get(f"/v2/{repo}/{path}").status_code == 401
    assert client.get("/v2/").status_code == 401
    found = recorded(running, request)
    assert {event[0] for event in found} == {user}
    assert {(event[3], event[-2], event[-1]["reason"]) for event in found} == {
        ("pull", "denied", "AccessLost"),
        ("access", "denied", "AccessLost"),
    }


def test_strangers_leave_nothing(running: Registry, acting: Acting, repo: str) -> None:
    client = acting(None, repo, request := new_id())
    assert client.get(f"/v2/{repo}/manifests/v1").status_code == 401
    assert client.post(f"/v2/{repo}/blobs/uploads/").status_code == 401
    for value in ("Bearer nonsense", "Basic YTpi"):
        assert client.get("/v2/", headers={"Authorization": value}).status_code == 401
    del client.session.headers["Authorization"]
    assert client.delete(f"/v2/{repo}/manifests/v1").status_code == 401
    client = acting("bob", repo, later := new_id())
    assert client.delete(f"/v2/{repo}/manifests/v1").status_code == 401
    assert len(recorded(running, later)) == 1
    assert count_of(running, request) == 0


def test_an_identity_that_is_refused_leaves_a_denied_event_and_a_form_that_is_none_leaves_nothing(
    running: Registry, client: Client
) -> None:
    token = jwt.encode({"iss": "https://issuer.test"}, "x" * 32, "HS256", headers={"kid": "1"})
    form = {"grant_type": GRANT_TYPE, "subject_token": token, "client_id": "pipeline"}
    no_form, refused = new_id(), new_id()
    kind = {"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"}
    for more, request in (({}, no_form), (kind, refused)):
        answer = client.post("/auth/token", data=form | more, headers={"X-Request-ID": request})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    detail = {"client": "pipeline", "reason": "IdentityUnfit"}
    assert recorded(running, refused) == [("somebody", "none", HERE, "token.give", "token", "denied", detail)]
    assert count_of(running, no_form) == 0


def test_what_is_wrong_and_no_decision_leaves_nothing_denied(running: Registry, acting: Acting, repo: str) -> None:
    client = acting("alice", repo, request := new_id())
    assert client.get(f"/v2/{repo}/manifests/none").status_code == 404
    assert client.put_manifest(repo, index_of(b"absent"), "v9", INDEX).status_code == 404
    assert client.delete(f"/v2/{repo}/manifests/none").status_code == 404
    assert client.get(f"/v2/{repo}/manifests/v1").status_code == 200
    assert recorded(running, request) == [done("pull", f"{repo}:v1", {})]
