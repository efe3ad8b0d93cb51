"""Policies and trust roots as they are kept: in versions, within bounds, by who may, and told in the audit log."""

from __future__ import annotations

import json

import asyncpg
import pytest

from registry.core import policies as module
from registry.core.audit import Actor
from registry.core.identities import Identities
from registry.core.policies import Policies
from registry.core.services import Services
from registry.core.trust_roots import TrustRoots
from registry.db.pool import Database
from registry.errors import DelegationDenied, IdentityRefused, IdentityUnknown, PolicyRefused, TrustRootRefused
from signing.limits import LARGEST_POLICY, LARGEST_ROOT
from tests.core.admitting import ACTOR, policies, sandbox, services, signed_policy
from tests.signing.world import World

__all__ = ["policies", "sandbox", "services"]

ROOT = World().sigstore.root()


@pytest.fixture
def roots(database: Database, services: Services) -> TrustRoots:
    return TrustRoots(database, services.judge)


async def events(sql: asyncpg.Connection[asyncpg.Record]) -> list[tuple[str, str, dict[str, object]]]:
    rows = await sql.fetch(
        "SELECT action, target, detail FROM audit_inbox WHERE action LIKE 'policy.%' OR action LIKE 'trust-root.%' ORDER BY id"
    )
    return [(row[0], row[1], json.loads(row[2])) for row in rows]


async def epoch(sql: asyncpg.Connection[asyncpg.Record]) -> int:
    found: int = await sql.fetchval("SELECT policy_epoch FROM organisations WHERE name = 'team'")
    return found


async def test_every_change_is_a_version_an_event_and_another_epoch(
    policies: Policies, roots: TrustRoots, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    seen = [await epoch(sql)]
    assert seen == [0]
    assert await roots.put("team", "own", ROOT, actor=ACTOR) == 1
    assert await epoch(sql) == 0, "where there is no policy nothing is judged"
    assert (await policies.put("team/a*", signed_policy(), on="tag", tags=["prod"], actor=ACTOR)).version == 1
    seen.append(await epoch(sql))
    assert (await policies.put("team/a*", signed_policy(mode="warn"), actor=ACTOR)).version == 2
    seen.append(await epoch(sql))
    assert await roots.put("team", "own", ROOT, actor=ACTOR) == 2
    seen.append(await epoch(sql))
    await roots.remove("team", "own", actor=ACTOR)
    seen.append(await epoch(sql))
    assert sorted(set(seen)) == seen, "it only grows"
    await policies.remove("team/a*", "signed", actor=ACTOR)
    assert await epoch(sql) == 0
    told = await events(sql)
    assert [(action, target) for action, target, _ in told] == [
        ("trust-root.set", "trust-root:team/own"),
        ("policy.set", "team/a*"),
        ("policy.set", "team/a*"),
        ("trust-root.set", "trust-root:team/own"),
        ("trust-root.remove", "trust-root:team/own"),
        ("policy.remove", "team/a*"),
    ]
    assert told[1][2] == {"policy": "signed", "version": 1, "mode": "enforce", "on": "tag", "tags": ["prod"]}
    history = await policies.history("team/a*", "signed", by=None)
    assert [(one.version, one.mode, one.on, one.tags) for one in history] == [
        (3, "warn", "both", []),
        (2, "warn", "both", []),
        (1, "enforce", "tag", ["prod"]),
    ]
    assert (await policies.version("team/a*", "signed", 1, by=None)).content == signed_policy().decode()
    assert (await policies.put("team/a*", signed_policy(), actor=ACTOR)).version == 4


async def test_what_is_none_is_refused_and_changes_nothing(
    policies: Policies, roots: TrustRoots, sql: asyncpg.Connection[asyncpg.Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    for content in (b"\xff", b"version: 9", b"[", b"x" * (LARGEST_POLICY + 1)):
        with pytest.raises((PolicyRefused, IdentityRefused)):
            await policies.put("team", content, actor=ACTOR)
    for content in (b"\xff", b"{}", b"x" * (LARGEST_ROOT + 1)):
        with pytest.raises((TrustRootRefused, IdentityRefused)):
            await roots.put("team", "own", content, actor=ACTOR)
    for name in ("", "Own", "public-good", "a/b", "x" * 65):
        with pytest.raises(IdentityRefused):
            await roots.put("team", name, ROOT, actor=ACTOR)
    with pytest.raises(IdentityUnknown):
        await policies.put("nobody", signed_policy(), actor=ACTOR)
    for on, tags in (("never", []), ("pull", ["prod"]), ("tag", ["a b"]), ("tag", [""]), ("tag", ["x"] * 21)):
        with pytest.raises(IdentityRefused):
            await policies.put("team", signed_policy(), on=on, tags=tags, actor=ACTOR)
    monkeypatch.setattr(module, "MOST_POLICIES", 1)
    await policies.put("team", signed_policy(), actor=ACTOR)
    await policies.put("team", signed_policy(mode="warn"), actor=ACTOR)
    with pytest.raises(IdentityRefused, match="which are the most"):
        await policies.put("team/x", signed_policy(), actor=ACTOR)
    monkeypatch.setattr(module, "MOST_VERSIONS", 3)
    with pytest.raises(IdentityRefused, match="versions, which are the most"):
        await policies.put("team", signed_policy(), actor=ACTOR)
    await policies.remove("team", "signed", actor=ACTOR)
    assert len(await events(sql)) == 3


async def test_only_administrators_of_the_organisation_look_and_change(
    database: Database, policies: Policies, roots: TrustRoots, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    await Identities(database).add_user("mallory", password_hash=None, is_admin=False, actor=ACTOR)
    number = await sql.fetchval("SELECT id FROM principals WHERE name = 'mallory'")
    mallory = Actor(number, "mallory", ACTOR.credential_kind)
    for verb in (
        lambda: policies.put("team", signed_policy(), actor=mallory),
        lambda: policies.remove("team", "signed", actor=mallory),
        lambda: policies.listed("team", by=number),
        lambda: policies.version("team", "signed", None, by=number),
        lambda: policies.history("team", "signed", by=number),
        lambda: roots.put("team", "own", ROOT, actor=mallory),
        lambda: roots.remove("team", "own", actor=mallory),
        lambda: roots.listed("team", by=number),
        lambda: roots.version("team", "own", None, by=number),
    ):
        with pytest.raises(DelegationDenied):
            await verb()
    assert await events(sql) == []


async def test_a_policy_names_only_roots_that_there_are(policies: Policies, roots: TrustRoots) -> None:
    named = signed_policy().replace(b"release:\n", b"release:\n    root: own\n")
    with pytest.raises(IdentityRefused, match="names the trust root own, which team doesn't have"):
        await policies.put("team", named, actor=ACTOR)
    await roots.put("team", "own", ROOT, actor=ACTOR)
    await policies.put("team", named, actor=ACTOR)
    await policies.put("team", named.replace(b"root: own", b"root: public-good"), actor=ACTOR)
