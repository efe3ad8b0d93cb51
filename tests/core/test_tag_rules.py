"""Rules of tags: what is immutable names what it named first, and what is protected is moved by those who are named."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from mediatypes.digest import Digest
from mediatypes.names import parse_tag
from registry.core.access import ALL, CredentialKind
from registry.core.audit import Actor
from registry.core.identities import Identities
from registry.core.services import Services
from registry.core.tag_rules import MOST_RULES, RuleKind, TagRules
from registry.core.teams import Teams
from registry.db.pool import Database
from registry.errors import (
    DelegationDenied,
    IdentityRefused,
    IdentityUnknown,
    RegistryError,
    TagImmutable,
    TagProtected,
)
from tests.core.support import NAME, OTHER, image, push_blob

Sql = asyncpg.Connection
LOCAL = Actor(None, "local:root", CredentialKind.LOCAL)
TYPE = "application/vnd.oci.image.manifest.v1+json"
SIGNATURE = f"sha256-{'a' * 64}.sig"


@pytest.fixture
async def rules(services: Services, database: Database) -> TagRules:
    del services
    await Identities(database).add_organisation("team", actor=LOCAL)
    return TagRules(database)


async def actor(database: Database, name: str) -> Actor:
    identities = Identities(database)
    await identities.add_user(name, password_hash=None, is_admin=False, actor=LOCAL)
    return await found(database, name)


async def found(database: Database, name: str) -> Actor:
    row = await database.read("find", lambda conn: conn.fetchrow("SELECT id FROM principals WHERE name = $1", name))
    return Actor(row["id"], name, CredentialKind.KEY)


async def push(
    services: Services, note: str, *tags: str, who: Actor | None = None, name: str = NAME, subject: Digest | None = None
) -> Digest:
    repository = OTHER if name == OTHER else NAME
    config = await push_blob(services, b"{}", repository)
    first, *others = map(parse_tag, tags)
    pushed = await services.manifests.push(
        repository,
        image(config, note=note, subject=subject),
        media_type=TYPE,
        reference=first,
        extra_tags=others,
        held=ALL,
        actor=who,
    )
    return pushed.digest


async def tagged(services: Services, tag: str) -> Digest:
    return (await services.manifests.resolve(NAME, parse_tag(tag))).digest


async def test_an_immutable_tag_names_what_it_named_first(services: Services, rules: TagRules) -> None:
    await rules.put("team/mod*", "v*", RuleKind.IMMUTABLE, actor=LOCAL)
    first = await push(services, "a", "v1", "latest")
    assert await push(services, "a", "v1") == first
    with pytest.raises(TagImmutable, match=r"tag v1 of team/model is immutable, by the rule v\* on team/mod\*"):
        await push(services, "b", "latest", "v1")
    assert await tagged(services, "latest") == first, "all or nothing"
    await push(services, "b", "latest")
    with pytest.raises(TagImmutable):
        await services.tags.delete(NAME, parse_tag("v1"))
    with pytest.raises(TagImmutable):
        await services.manifests.delete(NAME, first)
    assert await tagged(services, "v1") == first
    await push(services, "a", "v1", name=OTHER)
    await push(services, "b", "v1", name=OTHER)


async def test_what_only_looks_like_a_pattern_s_tag_is_free(services: Services, rules: TagRules) -> None:
    await rules.put("team", "v1_0", RuleKind.IMMUTABLE, actor=LOCAL)
    await rules.put("team", "r*-*.1", RuleKind.IMMUTABLE, actor=LOCAL)
    for tag in ("v1-0", "V1_0", "xv1_0", "v1_00", "r1-2.10", "r1-2x1"):
        await push(services, "a", tag)
        await push(services, "b", tag)
    for tag in ("v1_0", "r-.1", "r1-2-3.1"):
        await push(services, "a", tag)
        with pytest.raises(TagImmutable):
            await push(services, "b", tag)


async def test_tags_of_signatures_are_written_anew_whatever_rules_say(services: Services, rules: TagRules) -> None:
    await rules.put("team", "*", RuleKind.IMMUTABLE, actor=LOCAL)
    await rules.put("team", "sha256-*", RuleKind.PROTECTED, actor=LOCAL)
    for tag in (SIGNATURE, SIGNATURE.replace(".sig", ".att"), SIGNATURE.replace(".sig", ".sbom"), SIGNATURE[:-4]):
        await push(services, "a", tag)
        second = await push(services, "b", tag)
        assert await tagged(services, tag) == second
        await services.tags.delete(NAME, parse_tag(tag))
    with pytest.raises(TagProtected):
        await push(services, "a", SIGNATURE + "x")


async def test_a_protected_tag_is_for_those_who_are_named(
    services: Services, rules: TagRules, database: Database
) -> None:
    olga, tim, ann = [await actor(database, name) for name in ("olga", "tim", "ann")]
    await Teams(database).add("team/release", actor=LOCAL)
    await Teams(database).add_member("team/release", "tim", actor=LOCAL)
    await rules.put("team", "prod*", RuleKind.PROTECTED, ["user:olga", "team:team/release"], actor=LOCAL)
    for who in (None, ann, LOCAL):
        with pytest.raises(TagProtected, match="promote to its stage, or ask one of them"):
            await push(services, "a", "prod", who=who)
    await push(services, "a", "prod", who=olga)
    digest = await push(services, "b", "prod", who=tim)
    assert await push(services, "b", "prod", who=ann) == digest, "that changes nothing"
    for who in (None, ann):
        with pytest.raises(TagProtected):
            await push(services, "c", "prod", who=who)
        with pytest.raises(TagProtected):
            await services.tags.delete(NAME, parse_tag("prod"), actor=who)
        with pytest.raises(TagProtected):
            await services.manifests.delete(NAME, digest, actor=who)
    await services.tags.delete(NAME, parse_tag("prod"), actor=tim)


async def test_each_rule_counts_and_none_is_loosened_below(
    services: Services, rules: TagRules, database: Database
) -> None:
    olga, tim = [await actor(database, name) for name in ("olga", "tim")]
    await rules.put("team", "prod", RuleKind.PROTECTED, ["user:olga", "user:tim"], actor=LOCAL)
    await rules.put("team/model", "p*", RuleKind.PROTECTED, ["user:tim"], actor=LOCAL)
    with pytest.raises(TagProtected, match=r"by the rule p\* on team/model"):
        await push(services, "a", "prod", who=olga)
    await push(services, "a", "prod", who=tim)


async def test_who_is_deleted_leaves_no_name_that_somebody_could_take(
    services: Services, rules: TagRules, database: Database
) -> None:
    await actor(database, "olga")
    await rules.put("team", "prod", RuleKind.PROTECTED, ["user:olga"], actor=LOCAL)
    await Identities(database).delete("olga", actor=LOCAL)
    other = await actor(database, "olga")
    with pytest.raises(TagProtected):
        await push(services, "a", "prod", who=other)
    (rule,) = await rules.listed("team", by=None)
    assert rule.movers == []


async def test_of_two_pushes_at_once_one_gives_an_immutable_tag_its_manifest(
    services: Services, other_services: Services, rules: TagRules
) -> None:
    await rules.put("team", "v*", RuleKind.IMMUTABLE, actor=LOCAL)
    for number in range(20):
        answers = await asyncio.gather(
            *(
                push(node, f"{number} {place}", f"v{number}")
                for place, node in enumerate((services, other_services) * 3)
            ),
            return_exceptions=True,
        )
        pushed = [one for one in answers if isinstance(one, Digest)]
        assert len(pushed) == 1
        assert all(isinstance(one, TagImmutable) for one in answers if one not in pushed)
        assert await tagged(services, f"v{number}") == pushed[0]


async def test_rules_are_put_listed_and_removed(rules: TagRules, database: Database, sql: Sql) -> None:
    await actor(database, "olga")
    await rules.put("team", "v*", RuleKind.IMMUTABLE, actor=LOCAL)
    await rules.put("team/model", "prod", RuleKind.PROTECTED, ["user:olga", "user:olga"], actor=LOCAL)
    await rules.put("team/x*", "prod", RuleKind.PROTECTED, actor=LOCAL)

    async def shown(target: str) -> list[tuple[str, str, str, list[str]]]:
        return [(one.target, one.pattern, one.kind, one.movers) for one in await rules.listed(target, by=None)]

    everything = ("team", "v*", "immutable", [])
    model = ("team/model", "prod", "protected", ["user:olga"])
    assert await shown("team/model") == [everything, model]
    assert await shown("team/m*") == [everything, model]
    assert await shown("team") == [everything, model, ("team/x*", "prod", "protected", [])]
    await rules.put("team/model", "prod", RuleKind.PROTECTED, actor=LOCAL)
    assert (await shown("team/model"))[1][3] == []
    await rules.remove("team/model", "prod", RuleKind.PROTECTED, actor=LOCAL)
    with pytest.raises(IdentityRefused, match="tags prod of team/model are not protected"):
        await rules.remove("team/model", "prod", RuleKind.PROTECTED, actor=LOCAL)
    events = await sql.fetch(
        "SELECT action, target, detail FROM audit_inbox WHERE action LIKE 'tag-rule.%' ORDER BY at"
    )
    assert [(one["action"], one["target"]) for one in events][-2:] == [
        ("tag-rule.put", "team/model"),
        ("tag-rule.remove", "team/model"),
    ]
    assert '"movers":["user:olga","user:olga"]' in events[1]["detail"].replace(" ", "")


@pytest.mark.parametrize("pattern", ["", "**", "a b", ".x", "a" * 129, "*a" * 9, "a/b", "%", "a\0", "prod?", "-x"])
async def test_what_is_no_pattern_is_refused(rules: TagRules, pattern: str) -> None:
    with pytest.raises(IdentityRefused, match="can't be: it is a tag in which"):
        await rules.put("team", pattern, RuleKind.IMMUTABLE, actor=LOCAL)


async def test_who_can_t_be_named_is_refused(rules: TagRules) -> None:
    for subject, error in (("anonymous", IdentityRefused), ("user:none", IdentityUnknown), ("olga", IdentityRefused)):
        with pytest.raises(error):
            await rules.put("team", "prod", RuleKind.PROTECTED, [subject], actor=LOCAL)
    with pytest.raises(IdentityRefused, match="immutable tags are moved by nobody"):
        await rules.put("team", "prod", RuleKind.IMMUTABLE, ["user:x"], actor=LOCAL)
    with pytest.raises(IdentityRefused, match="100 are the most"):
        await rules.put("team", "prod", RuleKind.PROTECTED, ["user:x"] * 101, actor=LOCAL)
    with pytest.raises(IdentityUnknown):
        await rules.put("nowhere", "prod", RuleKind.PROTECTED, actor=LOCAL)


async def test_rules_are_for_those_who_may_grant_there(rules: TagRules, database: Database) -> None:
    maintainer, writer = [await actor(database, name) for name in ("maintainer", "writer")]
    await Identities(database).grant("user:maintainer", "maintainer", "team/model", actor=LOCAL)
    await Identities(database).grant("user:writer", "writer", "team", actor=LOCAL)
    await rules.put("team/model", "v*", RuleKind.IMMUTABLE, actor=maintainer)
    await rules.put("team", "v*", RuleKind.IMMUTABLE, actor=LOCAL)
    refused: list[RegistryError] = []
    for who, target in ((maintainer, "team"), (maintainer, "team/m*"), (writer, "team/model"), (writer, "none")):
        for verb in (
            rules.put(target, "x", RuleKind.IMMUTABLE, actor=who),
            rules.remove(target, "v*", RuleKind.IMMUTABLE, actor=who),
            rules.listed(target, by=who.principal_id),
        ):
            with pytest.raises(DelegationDenied) as raised:
                await verb
            refused.append(raised.value)
    assert len(refused) == 12
    assert [one.target for one in await rules.listed("team/model", by=maintainer.principal_id)] == [
        "team",
        "team/model",
    ]


async def test_an_organisation_has_no_more_rules_than_a_push_can_look_at(rules: TagRules, sql: Sql) -> None:
    await sql.execute(
        "INSERT INTO tag_rules (organisation_id, target, is_prefix, pattern, kind, created_by)"
        " SELECT o.id, 'team/', true, 'x' || n, 'immutable', 'x' FROM organisations o, generate_series(1, $1) n"
        " WHERE o.name = 'team'",
        MOST_RULES,
    )
    with pytest.raises(IdentityRefused, match="which are the most"):
        await rules.put("team", "v*", RuleKind.IMMUTABLE, actor=LOCAL)
