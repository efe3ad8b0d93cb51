"""Stages of a target: who sets them, what they may be, and which are a repository's."""

from __future__ import annotations

import json

import asyncpg
import pytest

from mediatypes.names import RepositoryName
from registry.core.access import EVERYONE
from registry.core.identities import Identities
from registry.core.services import Services
from registry.core.stages import MOST_IN_ORGANISATION, Stage, Stages
from registry.core.tag_rules import RuleKind, TagRules
from registry.core.teams import Teams
from registry.db.pool import Database
from registry.errors import DelegationDenied, IdentityRefused, IdentityUnknown, PromotionRefused, StageDenied
from tests.core.stage import LOCAL, PROD, Line

Sql = asyncpg.Connection


@pytest.fixture
async def line(services: Services, database: Database) -> Line:
    for name in ("team", "other"):
        await Identities(database).add_organisation(name, actor=LOCAL)
    return Line(services, database)


async def test_stages_are_set_listed_and_removed(line: Line, sql: Sql) -> None:
    stages = Stages(line.database)
    await line.user("olga")
    await line.set(Stage("dev"), Stage("prod", "release-*", "team/prod/*", ["user:olga", "user:olga"], may_skip=True))
    await line.set(Stage("only"), target="team/model")
    await line.set(Stage("staging"), Stage("only", promoters=[]), target="team/model")

    async def shown(target: str) -> list[tuple[object, ...]]:
        return [one[:6] for one in await stages.listed(target, by=None)]

    assert await shown("team") == [
        ("team", "dev", "dev", None, None, False),
        ("team", "prod", "release-*", "team/prod/*", ["user:olga"], True),
        ("team/model", "staging", "staging", None, None, False),
        ("team/model", "only", "only", None, [], False),
    ]
    assert await shown("team/other") == (await shown("team"))[:2]
    await stages.remove("team/model", actor=LOCAL)
    with pytest.raises(IdentityRefused, match="team/model has no stages of its own"):
        await stages.remove("team/model", actor=LOCAL)
    rows = await sql.fetch("SELECT action, target, detail FROM audit_inbox WHERE action LIKE 'stages.%' ORDER BY at")
    assert [(row["action"], row["target"]) for row in rows] == [
        ("stages.set", "team"),
        ("stages.set", "team/model"),
        ("stages.set", "team/model"),
        ("stages.remove", "team/model"),
    ]
    assert json.loads(rows[0]["detail"])["stages"][1]["may_skip"] is True


async def test_the_most_specific_target_decides(line: Line) -> None:
    await line.set(Stage("a"), target="team")
    await line.set(Stage("b"), target="team/mod*")
    await line.push("a", "v1")

    async def names() -> list[str]:
        return [one.stage.name for one in await line.services.stage_history.stages(line.name, EVERYONE)]

    assert await names() == ["b"]
    await line.set(Stage("c"), target="team/model*")
    assert await names() == ["c"]
    await line.set(Stage("d"), target="team/model")
    assert await names() == ["d"]
    await line.set(Stage("e"), target="team/mo*")
    assert await names() == ["d"]


@pytest.mark.parametrize(
    ("stages", "why"),
    [
        ([], "has 1 to 20 stages"),
        ([Stage(f"s{number}") for number in range(21)], "has 1 to 20 stages"),
        ([Stage("a"), Stage("a", "b")], "stands twice"),
        ([Stage("a"), Stage("b", "a")], "is another one's, too"),
        ([Stage("A")], "can't be: a name"),
        ([Stage("a b")], "can't be: a name"),
        ([Stage("a", "b/c")], "can't be: it is a tag"),
        ([Stage("a", "*-*")], "more than one"),
        ([Stage("a", "*")], "is any version's own"),
        ([Stage("a", "*", "team")], "is any version's own"),
        ([Stage("a", repository="other/x*")], "of another organisation"),
        ([Stage("a", repository="team/x")], "must be a name that ends with"),
        ([Stage("a", repository="team/*x")], "is not lower-case"),
        ([Stage("a", promoters=["anonymous"])], "anonymous is everybody"),
        ([Stage("a", promoters=["olga"])], "is none of"),
    ],
)
async def test_what_can_t_be_a_stage_is_refused(line: Line, stages: list[Stage], why: str) -> None:
    with pytest.raises(IdentityRefused, match=why):
        await Stages(line.database).put("team", stages, actor=LOCAL)


async def test_of_one_repository_stages_are_in_one(line: Line) -> None:
    with pytest.raises(IdentityRefused, match="must be one repository"):
        await line.set(Stage("a", repository="team/x*"), target="team/model")
    with pytest.raises(IdentityUnknown):
        await line.set(Stage("a"), target="nowhere")
    await line.set(Stage("a", repository="team/x"), target="team/model")


async def test_an_organisation_has_no_more_stages_than_anybody_could_read(line: Line, sql: Sql) -> None:
    await sql.execute(
        "INSERT INTO stages (organisation_id, target, is_prefix, position, name, tag, may_skip, is_restricted, created_by)"
        " SELECT o.id, 'team/x' || n, false, 0, 'x', 'x', false, false, 'x' FROM organisations o, generate_series(1, $1) n"
        " WHERE o.name = 'team'",
        MOST_IN_ORGANISATION,
    )
    with pytest.raises(IdentityRefused, match="which are the most"):
        await line.set()


async def test_stages_are_set_by_those_who_may_grant_and_move_there(line: Line) -> None:
    _, keeper = await line.user("keeper", ("maintainer", "team/model"))
    _, writer = await line.user("writer", ("writer", "team"))
    await line.set(Stage("a"), target="team/model", actor=keeper)
    assert await Stages(line.database).listed("team/model", by=keeper.principal_id)
    for who, target in ((keeper, "team"), (keeper, "team/m*"), (writer, "team/model"), (keeper, "none/x")):
        with pytest.raises(DelegationDenied):
            await line.set(Stage("a"), target=target, actor=who)
        with pytest.raises(DelegationDenied):
            await Stages(line.database).remove(target, actor=who)
        with pytest.raises(DelegationDenied):
            await Stages(line.database).listed(target, by=who.principal_id)
    with pytest.raises(DelegationDenied, match="team/prod"):
        await line.set(Stage("a", repository="team/prod"), target="team/model", actor=keeper)
    await Identities(line.database).grant("user:keeper", "maintainer", "team/prod", actor=LOCAL)
    await line.set(Stage("a", repository="team/prod"), target="team/model", actor=keeper)


async def test_what_was_said_above_is_not_undone_below(line: Line) -> None:
    _, keeper = await line.user("keeper", ("maintainer", "team/model"))
    rules = TagRules(line.database)
    await rules.put("team", "prod", RuleKind.PROTECTED, actor=LOCAL)
    for tag in ("prod", "p*"):
        with pytest.raises(DelegationDenied, match="rights on team are changed by"):
            await line.set(Stage("mine", tag), target="team/model", actor=keeper)
    await line.set(Stage("mine", "other"), target="team/model", actor=keeper)
    await rules.remove("team", "prod", RuleKind.PROTECTED, actor=LOCAL)
    await line.set(Stage("mine", "prod"), target="team/model", actor=keeper)
    await line.set(Stage("dev"))
    with pytest.raises(DelegationDenied, match="rights on team are changed by"):
        await line.set(Stage("mine", "other"), target="team/model", actor=keeper)
    await Stages(line.database).remove("team/model", actor=keeper)


async def test_where_the_last_promoter_is_gone_nobody_promotes(line: Line) -> None:
    await line.push("a", "v1")
    await Teams(line.database).add("team/release", actor=LOCAL)
    await line.set(Stage(PROD, promoters=["team:team/release"]))
    await Teams(line.database).delete("team/release", actor=LOCAL)
    writer = await line.user("writer", ("writer", "team"))
    with pytest.raises(StageDenied, match="that is for nobody"):
        await line.promote("v1", PROD, who=writer)


async def test_a_repository_that_can_t_be_is_refused(services: Services, line: Line) -> None:
    await line.set(Stage("prod", repository="team/x/*"), target="team/m*")
    longest = RepositoryName(f"team/m{'o' * 249}")
    there = Line(services, line.database, longest)
    await there.push("a", "v1")
    with pytest.raises(PromotionRefused, match="is longer than 255"):
        await there.promote("v1", "prod")
