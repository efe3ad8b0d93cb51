"""What was taken away is gone with the next request, on every node, whatever was remembered of it there."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from registry.auth.secrets import API_KEY, new_secret
from registry.core.identities import Identities
from registry.core.roles import Roles
from registry.core.teams import Teams
from registry.db.pool import Database
from tests.actors import OPERATOR
from tests.attacks.tenants import PASSWORD, SERVICE, Tenants, add_key, basic, bearer, granted, settled
from tests.cluster import Cluster
from tests.http.client import Client, digest_of
from tests.http.server import serving

LAYER = b"a layer that two nodes have served"
PATHS = ("manifests/v1", f"blobs/{digest_of(LAYER)}", "tags/list", f"referrers/{digest_of(LAYER)}")
Change = Callable[[Database, str], Awaitable[object]]


@pytest.fixture(scope="module")
def nodes(cluster: Cluster, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Tenants]]:
    """Return two nodes of one installation, one of each server and door, that both have served acme/bert."""
    url, place = cluster.create("nodes_under_attack", template=template), tmp_path_factory.mktemp("nodes")
    key = place / "key"
    key.write_bytes(base64.b64encode(secrets.token_bytes(32)))
    shared = {"auth": "token", "database_url": url, "storage": f"file://{place}/blobs", "secret_key_file": key}
    with (
        serving(place / "one", **shared) as one,
        serving(place / "two", **shared, server="hypercorn", fast_lane="false") as two,
    ):
        first = settled(one, url)
        alice = first.acting("alice", "repository:acme/bert:pull,push")
        alice.push_image("acme/bert", "v1", LAYER)
        yield [first, Tenants(two, first.settings, url, first.keys)]
    cluster.drop("nodes_under_attack")


@pytest.fixture
def everybody(nodes: list[Tenants]) -> Callable[[str], list[Client]]:
    """Return what makes a user's clients: on each node with a token, and with his key."""

    def act(user: str) -> list[Client]:
        token = nodes[0].token(user, "repository:acme/bert:pull,push,delete")
        clients = []
        for node in nodes:
            for shown in (token, node.keys[user]):
                client = Client(node.registry)
                client.session.headers["Authorization"] = f"Bearer {shown}"
                clients.append(client)
        return clients

    return act


def statuses(clients: list[Client]) -> set[int]:
    return {client.get(f"/v2/acme/bert/{path}").status_code for client in clients for path in PATHS}


def identities(verb: str, *words: str) -> Change:
    """Return a change of somebody, whose name is put where the words have a gap."""
    return lambda db, user: getattr(Identities(db), verb)(*(word.format(user) for word in words), actor=OPERATOR)


def teams(verb: str, *words: str) -> Change:
    return lambda db, user: getattr(Teams(db), verb)(*(word.format(user) for word in words), actor=OPERATOR)


LOSSES: dict[str, tuple[list[Change], Change, list[Change]]] = {
    "revoked grant": (
        [identities("grant", "user:{}", "reader", "acme/bert")],
        identities("revoke", "user:{}", "reader", "acme/bert"),
        [],
    ),
    "revoked grant on all": (
        [identities("grant", "user:{}", "writer", "acme")],
        identities("revoke", "user:{}", "writer", "acme"),
        [],
    ),
    "removal from a team": (
        [
            teams("add", "acme/red"),
            teams("add_member", "acme/red", "{}"),
            identities("grant", "team:acme/red", "reader", "acme/b*"),
        ],
        teams("remove_member", "acme/red", "{}"),
        [teams("delete", "acme/red")],
    ),
    "deleted team": (
        [
            teams("add", "acme/blue"),
            teams("add_member", "acme/blue", "{}"),
            identities("grant", "team:acme/blue", "writer", "acme/*"),
        ],
        teams("delete", "acme/blue"),
        [],
    ),
    "grant of a team": (
        [
            teams("add", "acme/grey"),
            teams("add_member", "acme/grey", "{}"),
            identities("grant", "team:acme/grey", "reader", "acme"),
        ],
        identities("revoke", "team:acme/grey", "reader", "acme"),
        [teams("delete", "acme/grey")],
    ),
    "deleted role": (
        [
            lambda db, _: Roles(db).add("acme/seer", ["pull"], actor=OPERATOR),
            identities("grant", "user:{}", "seer", "acme/bert"),
        ],
        lambda db, _: Roles(db).delete("acme/seer", actor=OPERATOR),
        [],
    ),
    "no longer public": (
        [identities("grant", "anonymous", "reader", "acme/bert")],
        identities("revoke", "anonymous", "reader", "acme/bert"),
        [],
    ),
    "disabled user": (
        [identities("grant", "user:{}", "reader", "acme/bert")],
        identities("disable", "{}"),
        [],
    ),
    "deleted user": (
        [identities("grant", "user:{}", "reader", "acme/bert")],
        identities("delete", "{}"),
        [],
    ),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_privilege_kept_after(nodes: list[Tenants], everybody: Callable[[str], list[Client]], loss: str) -> None:
    """CVE-2025-23208: the very next request is refused, by tokens and keys, on the node that knew him and on the other."""
    gain, lose, tidy = LOSSES[loss]
    user = loss.replace(" ", "-")
    nodes[0].keys[user] = key = new_secret(API_KEY)

    async def prepare(db: Database) -> None:
        await Identities(db).add_user(user, password_hash=None, is_admin=False, actor=OPERATOR)
        await add_key(db, user, key)
        for change in gain:
            await change(db, user)

    nodes[0].do(prepare)
    clients = everybody(user)
    assert statuses(clients) == {200}
    nodes[0].do(lambda db: lose(db, user))
    assert statuses(clients) == {401}
    for node in nodes:
        answer = node.ask(user, "repository:acme/bert:pull")
        assert answer.status_code == 401 or granted(answer) == []
    for change in tidy:
        nodes[0].do(lambda db, done=change: done(db, user))


def test_a_name_that_somebody_else_has_now(nodes: list[Tenants], everybody: Callable[[str], list[Client]]) -> None:
    """Who is deleted and whose name is given away leaves the new one nothing, and has nothing of his."""
    nodes[0].keys["ghost"] = key = new_secret(API_KEY)

    async def first(db: Database) -> None:
        await Identities(db).add_user("ghost", password_hash=None, is_admin=True, actor=OPERATOR)
        await add_key(db, "ghost", key)

    async def again(db: Database) -> None:
        await Identities(db).delete("ghost", actor=OPERATOR)
        await Identities(db).add_user("ghost", password_hash=None, is_admin=False, actor=OPERATOR)
        await Identities(db).grant("user:ghost", "reader", "acme", actor=OPERATOR)

    nodes[0].do(first)
    clients = everybody("ghost")
    assert statuses(clients) == {200}
    nodes[0].do(again)
    assert statuses(clients) == {401}


def test_api_keys_of_who_is_disabled_and_such_as_have_expired(nodes: list[Tenants]) -> None:
    keys = {name: new_secret(API_KEY) for name in ("sleeper", "late")}

    async def prepare(db: Database) -> None:
        for name, key in keys.items():
            await Identities(db).add_user(name, password_hash=None, is_admin=False, actor=OPERATOR)
            lifetime = timedelta(seconds=-1) if name == "late" else None
            await add_key(db, name, key, lifetime=lifetime)
        await Identities(db).disable("sleeper", actor=OPERATOR)

    nodes[0].do(prepare)
    for node in nodes:
        client = Client(node.registry)
        with client.session:
            for name, key in keys.items():
                for path, headers in (
                    ("/v2/", bearer(key)),
                    ("/v2/", basic(name, key)),
                    ("/auth/token", basic(name, key)),
                ):
                    assert client.get(path, headers=headers).status_code == 401, name


def test_refresh_tokens_end_with_their_user_and_with_their_second_use(nodes: list[Tenants]) -> None:
    """Replay: of a token that was replaced and used since one copy is stolen, and nobody has the session any more."""
    clients = [Client(node.registry) for node in nodes]
    login = {"grant_type": "password", "client_id": "attacks", "access_type": "offline", "password": PASSWORD}

    def go_on(client: Client, token: str) -> str | None:
        form = {"grant_type": "refresh_token", "service": SERVICE, "client_id": "attacks", "refresh_token": token}
        answer = client.post("/auth/token", data=form)
        assert answer.status_code in (200, 401)
        return answer.json().get("refresh_token") if answer.ok else None

    first = clients[0].post("/auth/token", data=login | {"username": "erin"}).json()["refresh_token"]
    second = go_on(clients[0], first)
    assert second is not None
    third = go_on(clients[1], second)
    assert third is not None
    assert go_on(clients[1], first) is None, "replayed"
    assert [go_on(client, token) for client in clients for token in (second, third)] == [None] * 4
    fresh = clients[1].post("/auth/token", data=login | {"username": "dave"}).json()["refresh_token"]
    nodes[0].do(lambda db: Identities(db).disable("dave", actor=OPERATOR))
    assert [go_on(client, fresh) for client in clients] == [None] * 2
    nodes[0].do(lambda db: Identities(db).enable("dave", actor=OPERATOR))
    assert [go_on(client, fresh) for client in clients] == [None] * 2, "who is let in again logs in again"


def test_a_refresh_token_of_another_service(nodes: list[Tenants], tmp_path: Path) -> None:
    """Two registries with one database and one key, but another name: what one gave out is nothing to the other."""
    login = {
        "grant_type": "password",
        "client_id": "a",
        "access_type": "offline",
        "username": "carol",
        "password": PASSWORD,
    }
    given = Client(nodes[0].registry).post("/auth/token", data=login).json()
    shared = {
        "database_url": nodes[0].url,
        "secret_key_file": nodes[0].registry.directory.parent.parent / "key",
        "auth": "token",
    }
    with serving(tmp_path, **shared, token_service="another", storage="memory:") as registry:
        client = Client(registry)
        form = {"grant_type": "refresh_token", "client_id": "a", "refresh_token": given["refresh_token"]}
        assert client.post("/auth/token", data=form).status_code == 401
        assert client.get("/v2/", headers=bearer(given["access_token"])).status_code == 401
    assert Client(nodes[0].registry).post("/auth/token", data=form).status_code == 200, "and that has not used it up"


def test_cve_2026_35172_a_blob_that_was_deleted_here_and_is_still_there(nodes: list[Tenants]) -> None:
    """Touched in B on both nodes, with every cache warm: in A it is gone, and no mount or HEAD brings it back."""
    content = b"deleted in A, kept in B"
    blob = f"blobs/{digest_of(content)}"
    alices = [
        node.acting("alice", "repository:acme/a:pull,push,delete", "repository:acme/b:pull,push") for node in nodes
    ]
    for name in ("acme/a", "acme/b"):
        alices[0].push_blob(name, content)
    assert {alice.get(f"/v2/{name}/{blob}").status_code for alice in alices for name in ("acme/a", "acme/b")} == {200}
    assert alices[0].delete(f"/v2/acme/a/{blob}").status_code == 202
    for alice in (*alices, *alices):
        assert alice.get(f"/v2/acme/b/{blob}").content == content
        assert alice.get(f"/v2/acme/a/{blob}").status_code == 404
        assert alice.head(f"/v2/acme/a/{blob}").status_code == 404
