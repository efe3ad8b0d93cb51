"""More than was granted: by scopes, by prefixes that look alike, by roles, by what one may pass on."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.core.identities import Identities
from registry.core.roles import Roles
from registry.core.teams import Teams
from registry.errors import DelegationDenied, IdentityRefused
from tests.actors import OPERATOR, acting
from tests.attacks.tenants import Tenants, bearer, granted, settled
from tests.http.client import IMAGE, Client, descriptor, digest_of, image_of, refusal
from tests.http.server import serving

SCOPES = [
    "repository:acme:pull", "repository:acme-b/x:pull", "repository:Acme/bert:pull", "repository:acme/../rival/x:pull",
    "repository:acme/bert/:pull", "repository:/acme/bert:pull", "repository:acme//bert:pull", "repository:acme%2Fbert:pull",
    "repository:acme/bertha:pull", "repository:acme/bert/x:pull", "repository:localhost:5000/acme/bert:pull", "repository:*:*",
    "repository:acme/*:pull", "repository:acme/bert*:pull", "repository:acme/bert\t:pull", "repository:acme/bert\u00a0:pull",
    "user:root:admin", "registry:acme/bert:*", "registry:catalog:pull", "repository(x):acme/secret:pull",
]  # fmt: skip


@pytest.mark.parametrize("scope", SCOPES)
def test_scope_escalation_by_crafted_scopes(tenants: Tenants, bert: str, scope: str) -> None:
    """No scope makes a token that carol's own grant doesn't: whatever it says, acme/bert is pulled and nothing else done."""
    found = tenants.ask("carol", scope)
    if found.status_code == 400:
        return
    assert [one for one in granted(found) if not one.endswith(":")] == []
    client = Client(tenants.registry)
    with client.session:
        for path in (f"/v2/{bert}/manifests/v1", "/v2/acme/secret/tags/list", "/v2/_catalog"):
            assert client.get(path, headers=bearer(found.json()["token"])).status_code == 401


def test_scopes_that_hide_actions_from_one_another(tenants: Tenants) -> None:
    asked = [
        ("repository:acme/bert:pull repository:acme/bert:push", ["repository:acme/bert:pull"]),
        ("repository:acme/bert:push,pull,delete,*", ["repository:acme/bert:pull"]),
        ("repository:acme/bert:admin,grant,sign,tag", []),
        ("repository:acme/bert:pull repository:acme/secret:pull", ["repository:acme/bert:pull"]),
    ]
    for scope, expected in asked:
        assert granted(tenants.ask("carol", scope)) == expected
    assert tenants.ask("carol", "repository:acme/bert:PULL").status_code == 400
    assert tenants.ask("carol", *["repository:acme/bert:pull"] * 101).status_code == 400


PREFIXES = {
    "acme/team": {"dave", "erin"}, "acme/team-b": {"dave"}, "acme/teams": {"dave"}, "acme/team/x": {"dave"},
    "acme/team.b": {"dave"},
    "acme/tea": set(), "acme/xteam": set(), "acme/x/team": set(), "acme-b/team": set(), "team": set(), "library/team": set(),
    "rival/team": set(), "acme": set(), "acme/ateam": set(),
}  # fmt: skip


def test_prefix_grants_and_names_that_look_alike(tenants: Tenants) -> None:
    """Dave writes to acme/team*, erin to acme/team: by tokens, by keys, and by mounts from there."""
    client = Client(tenants.registry)
    with client.session:
        for name, writers in PREFIXES.items():
            for user in ("dave", "erin"):
                may = user in writers
                assert (granted(tenants.ask(user, f"repository:{name}:push")) != []) == may, (user, name)
                answer = client.post(f"/v2/{name}/blobs/uploads/", headers=bearer(tenants.keys[user]))
                assert answer.status_code == (202 if may else 401), (user, name)
        for name in (
            "acme/Team",
            "Acme/team",
            "acme/team/..",
            "acme/team/../bert",
            "acme/team//",
            "acme/team*",
            "acme/team%2f",
        ):
            for user in ("dave", "erin"):
                answer = client.post(f"/v2/{name}/blobs/uploads/", headers=bearer(tenants.keys[user]))
                assert answer.status_code in (400, 401, 404), (user, name)


@pytest.mark.parametrize(
    "target", ["acme*", "*", "acme/te*m", "acme/**", "acme/*/x", "/acme", "acme/../rival", "acme/%2e*", "acme/A*", ""]
)
def test_a_star_that_would_reach_further_than_one_reads(tenants: Tenants, target: str) -> None:
    with pytest.raises(IdentityRefused):
        tenants.do(lambda db: Identities(db).grant("user:mallory", "reader", target, actor=OPERATOR))


def test_cve_2026_31801_who_may_only_make_tags_moves_none_not_even_latest(tenants: Tenants) -> None:
    """Decided in the very transaction that writes; also where a digest is pushed with `tag` beside it (PROJQUAY-10504)."""
    alice = tenants.acting("alice", "repository:acme/fixed:pull,push,delete")
    for tag in ("latest", "v1"):
        alice.push_image("acme/fixed", tag, b"first")

    async def make(db: object) -> None:
        await Roles(db).add("acme/maker", ["pull", "push"], actor=OPERATOR)  # type: ignore[arg-type]
        await Identities(db).grant("user:mallory", "maker", "acme/fixed", actor=OPERATOR)  # type: ignore[arg-type]

    tenants.do(make)
    mallory = tenants.acting("mallory", "repository:acme/fixed:pull,push,delete")
    mallory.push_image("acme/fixed", "new", b"second")
    content = image_of(b"second")
    for tag in ("latest", "v1"):
        refusal(mallory.put_manifest("acme/fixed", content, tag), 403, "DENIED")
        beside = mallory.put(
            f"/v2/acme/fixed/manifests/{digest_of(content)}?tag=newer&tag={tag}",
            data=content,
            headers={"Content-Type": IMAGE},
        )
        refusal(beside, 403, "DENIED")
        assert mallory.delete(f"/v2/acme/fixed/manifests/{tag}").status_code == 401
        assert alice.get(f"/v2/acme/fixed/manifests/{tag}").content == image_of(b"first")
    assert mallory.get("/v2/acme/fixed/manifests/newer").status_code == 404, "all or nothing"
    tenants.do(lambda db: Identities(db).revoke("user:mallory", "maker", "acme/fixed", actor=OPERATOR))


def test_who_may_only_sign_stores_nothing_else(tenants: Tenants, bert: str) -> None:
    async def make(db: object) -> None:
        await Roles(db).add("acme/signer", ["pull", "sign"], actor=OPERATOR)  # type: ignore[arg-type]
        await Identities(db).grant("user:mallory", "signer", bert, actor=OPERATOR)  # type: ignore[arg-type]

    tenants.do(make)
    mallory = tenants.acting("mallory", f"repository:{bert}:pull,push,delete")
    image = mallory.get(f"/v2/{bert}/manifests/v1").content
    mallory.push_blob(bert, b"signature")
    mallory.push_blob(bert, b"{}")
    plain, signature = image_of(b"signature"), image_of(b"signature", subject=descriptor(image, IMAGE))
    for reference in ("v1", "v2", "latest", "sha256-x", f"sha256-{'a' * 63}", None):
        assert mallory.put_manifest(bert, plain, reference).status_code == 401, reference
    assert mallory.put_manifest(bert, signature, "v1").status_code == 401, "a referrer that takes a tag along"
    assert mallory.put_manifest(bert, signature).status_code == 201
    assert mallory.get(f"/v2/{bert}/manifests/v1").content == image
    tenants.do(lambda db: Identities(db).revoke("user:mallory", "signer", bert, actor=OPERATOR))


@pytest.mark.parametrize("role", ["writer", "maintainer", "admin", "keeper"])
def test_nothing_but_pulls_is_ever_public(tenants: Tenants, role: str) -> None:
    with pytest.raises(IdentityRefused):
        tenants.do(lambda db: Identities(db).grant("anonymous", role, "rival/x", actor=OPERATOR))


async def confused(db: object, by: int) -> list[str]:
    """Return what alice, who maintains acme, could do by every way to become more; she should find none."""
    identities, roles, teams = Identities(db), Roles(db), Teams(db)  # type: ignore[arg-type]
    who = acting(by)
    attempts = {
        "admin on a repository": identities.grant("user:alice", "admin", "acme/bert", actor=who),
        "admin of all": identities.grant("user:alice", "admin", "acme", actor=who),
        "admin of all, written as a prefix": identities.grant("user:alice", "admin", "acme/*", actor=who),
        "admin by a friend": identities.grant("user:mallory", "admin", "acme/x", actor=who),
        "another organisation's": identities.grant("user:alice", "reader", "rival", actor=who),
        "one whose name begins alike": identities.grant("user:alice", "reader", "acme-b", actor=who),
        "one that is not there": identities.grant("user:alice", "reader", "acme-c", actor=who),
        "a role of her own with admin": roles.add("acme/mine", ["admin"], actor=who),
        "another organisation's role": identities.grant("user:alice", "keeper", "acme", actor=who),
        "a team": teams.add("acme/mine", actor=who),
        "a robot": identities.add_robot("acme+mine", actor=who),
        "a user who may do everything": identities.add_user("evil", password_hash=None, is_admin=True, actor=who),
        "an organisation": identities.add_organisation("evil", actor=who),
        "an administrator's end": identities.disable("root", actor=who),
        "an administrator's grant": identities.revoke("user:bob", "admin", "rival", actor=who),
    }
    done = []
    for what, attempt in attempts.items():
        try:
            await attempt
            done.append(what)
        except (DelegationDenied, IdentityRefused):
            pass
    return done


def test_the_confused_deputy_of_delegation(tenants: Tenants) -> None:
    async def attack(db: object) -> list[str]:
        found = await db.read("who", lambda conn: conn.fetchval("SELECT id FROM principals WHERE name = 'alice'"))  # type: ignore[attr-defined]
        return await confused(db, found)

    assert tenants.do(attack) == []


def test_cve_2026_41888_no_way_to_delete_where_deletion_is_off(tmp_path: Path) -> None:
    """By tag, by digest, of a blob, by a token with every action or a key: the switch is above all of them (PROJQUAY-10504)."""
    with serving(tmp_path, auth="token", delete="off") as registry:
        tenants = settled(registry)
        root = tenants.acting("root", "repository:acme/bert:*")
        content = root.push_image("acme/bert", "v1", b"layer")
        kept = (f"manifests/{digest_of(content)}", "manifests/v1", f"blobs/{digest_of(b'layer')}")
        for client in (root, tenants.acting("root"), tenants.acting("alice")):
            for what in kept:
                refusal(client.delete(f"/v2/acme/bert/{what}"), 405, "UNSUPPORTED")
        assert [root.get(f"/v2/acme/bert/{what}").status_code for what in kept] == [200] * 3
