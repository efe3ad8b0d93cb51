"""Promotions: stages name what was in the stage before them, each in one transaction, with its history and its event."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from mediatypes.digest import Digest
from mediatypes.names import parse_tag
from registry.core.access import ANONYMOUS, EVERYONE, Bound, Credential, CredentialKind, Permission
from registry.core.identities import Identities
from registry.core.promotions import Expected, Roll
from registry.core.services import Services
from registry.core.stages import Stage
from registry.core.tag_rules import RuleKind, TagRules
from registry.core.teams import Teams
from registry.db import manifests
from registry.db.pool import Connection, Database
from registry.errors import (
    AccessDenied,
    DelegationDenied,
    ManifestUnknown,
    NameUnknown,
    PromotionRefused,
    StageDenied,
    StageMoved,
    StageUnknown,
    TagImmutable,
    TagProtected,
)
from tests.core.stage import DEV, LOCAL, PROD, STAGING, Line, NotPassing
from tests.core.support import NAME, OTHER, index

Sql = asyncpg.Connection
FORCED = Roll(is_forced=True)
FORWARD = Roll(is_forward=True)
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
async def line(services: Services, database: Database) -> Line:
    await Identities(database).add_organisation("team", actor=LOCAL)
    made = Line(services, database)
    await made.set()
    return made


async def test_an_artifact_goes_from_stage_to_stage(line: Line, sql: Sql) -> None:
    digest = await line.push("a", "v1")
    done = await line.promote("v1", DEV, reason="it is new")
    assert (done.kind, done.stage, done.repository, done.tag, done.digest, done.before) == (
        "promotion",
        DEV,
        NAME,
        "dev",
        digest,
        None,
    )
    await line.promote(digest, STAGING)
    await line.promote(None, PROD)
    assert await line.named("prod") == digest
    assert line.gate.asked == [(NAME, digest, tag) for tag in (DEV, STAGING, PROD)]
    assert await line.history() == [("promotion", stage, stage, digest) for stage in (PROD, STAGING, DEV)]
    assert await line.history(DEV) == [("promotion", DEV, DEV, digest)]
    events = await sql.fetch("SELECT * FROM audit_inbox WHERE action = 'stage.promote' ORDER BY at")
    assert [one["target"] for one in events] == [f"{NAME}:{tag}" for tag in (DEV, STAGING, PROD)]
    assert json.loads(events[0]["detail"]) == {"stage": DEV, "from": None, "to": str(digest), "reason": "it is new"}
    assert events[0]["principal"] == "local:root"
    moves = await sql.fetch("SELECT tag, moved_by FROM tag_moves WHERE tag = 'prod'")
    assert [tuple(one) for one in moves] == [("prod", "local:root")]


async def test_what_a_stage_names_already_is_promoted_without_a_trace(line: Line, sql: Sql) -> None:
    digest = await line.push("a", "v1")
    await line.promote("v1", DEV)
    again = await line.promote("v1", DEV)
    assert (again.digest, again.before) == (digest, digest)
    assert len(await line.history()) == 1
    assert await sql.fetchval("SELECT count(*) FROM audit_inbox WHERE action = 'stage.promote'") == 1


async def test_no_stage_is_skipped_unless_it_may_be(line: Line) -> None:
    digest = await line.push("a", "v1")
    with pytest.raises(PromotionRefused, match="has never been in stage staging, which comes before prod"):
        await line.promote("v1", PROD)
    with pytest.raises(ManifestUnknown):
        await line.named("prod")
    await line.push("a", "staging")  # a push brings it there as well
    await line.push("b", "staging")
    await line.promote("v1", PROD)  # it was there
    assert await line.named("prod") == digest
    await line.set(Stage(DEV), Stage(STAGING), Stage(PROD, may_skip=True))
    other = await line.push("c", "v2")
    await line.promote("v2", PROD)
    assert await line.named("prod") == other


async def test_what_is_not_there_is_not_promoted(line: Line, services: Services) -> None:
    await line.push("a", "v1")
    for reference in ("none", Digest.of(b"none")):
        with pytest.raises(ManifestUnknown):
            await line.promote(reference, DEV)
    with pytest.raises(StageUnknown, match="its stages are dev, staging, prod"):
        await line.promote("v1", "none")
    with pytest.raises(PromotionRefused, match="say which artifact"):
        await line.promote(None, DEV)
    with pytest.raises(PromotionRefused, match="stage dev of team/model names nothing"):
        await line.promote(None, STAGING)
    with pytest.raises(PromotionRefused, match="go with what they sign"):
        await line.promote(f"sha256-{'a' * 64}.sig", DEV)
    with pytest.raises(PromotionRefused, match="500 are the most"):
        await line.promote("v1", DEV, reason="x" * 501)
    with pytest.raises(NameUnknown):
        await Line(services, line.database, OTHER).promote("v1", DEV)
    with pytest.raises(PromotionRefused, match="nothing that stage dev named 1 step before"):
        await line.roll(DEV)
    assert await line.history() == []


async def test_what_policies_refuse_is_not_promoted(line: Line, sql: Sql) -> None:
    digest = await line.push("a", "v1")
    line.gate.refused.add(digest)
    with pytest.raises(NotPassing):
        await line.promote("v1", DEV)
    with pytest.raises(ManifestUnknown):
        await line.named("dev")
    assert await line.history() == []
    assert await sql.fetchval("SELECT count(*) FROM audit_inbox WHERE action = 'stage.promote'") == 0


async def test_a_stage_must_name_what_is_expected(line: Line) -> None:
    first, second = await line.push("a", "v1"), await line.push("b", "v2")
    with pytest.raises(StageMoved, match=f"names nothing now, not {first}"):
        await line.promote("v1", DEV, expected=Expected(first))
    await line.promote("v1", DEV, expected=Expected(None))
    with pytest.raises(StageMoved, match=f"names {first} now, not nothing"):
        await line.promote("v2", DEV, expected=Expected(None))
    await line.promote("v2", DEV, expected=Expected(first))
    with pytest.raises(StageMoved):
        await line.roll(DEV, expected=Expected(first))
    await line.roll(DEV, expected=Expected(second))
    assert await line.named("dev") == first


async def test_of_two_promotions_at_once_that_expect_the_same_one_is_done(line: Line, other_services: Services) -> None:
    other = Line(other_services, line.database)
    now: Digest | None = None
    for number in range(10):
        wanted = [await line.push(f"{number} {one}", f"v{number}-{one}") for one in range(4)]
        answers = await asyncio.gather(
            *(
                node.promote(digest, DEV, expected=Expected(now))
                for digest, node in zip(wanted, (line, other, line, other), strict=True)
            ),
            return_exceptions=True,
        )
        done = [one.digest for one in answers if not isinstance(one, BaseException)]
        assert len(done) == 1
        assert sum(isinstance(one, StageMoved) for one in answers) == 3
        now = await line.named("dev")
        assert [now] == done
    history = await line.history()
    assert len(history) == 10


async def test_promotions_at_once_leave_one_line_of_history(line: Line, other_services: Services, sql: Sql) -> None:
    other = Line(other_services, line.database)
    wanted = [await line.push(str(number), f"v{number}") for number in range(12)]
    await asyncio.gather(*(node.promote(digest, DEV) for digest, node in zip(wanted, (line, other) * 6, strict=True)))
    rows = await sql.fetch("SELECT digest, before FROM promotions ORDER BY id")
    assert [row["before"] for row in rows] == [None, *(row["digest"] for row in rows[:-1])]
    assert (await line.named("dev")).to_bytes() == rows[-1]["digest"]


async def test_a_push_meanwhile_makes_no_hole_in_the_history(line: Line, sql: Sql) -> None:
    wanted = [await line.push(str(number), f"v{number}") for number in range(10)]
    await asyncio.gather(
        *(line.promote(digest, DEV) for digest in wanted[:5]),
        *(line.push(str(number), "dev") for number in range(5, 10)),
        return_exceptions=True,
    )
    rows = await sql.fetch("SELECT digest, before, kind FROM promotions ORDER BY id")
    assert [row["before"] for row in rows] == [None, *(row["digest"] for row in rows[:-1])]


async def test_manifests_are_locked_before_tags_as_by_pushes(line: Line, sql: Sql) -> None:
    a, b = await line.push("a", "a"), await line.push("b", "b")
    for digest in (a, b):
        await line.promote(digest, DEV)
    for wanted, attempt in ((a, line.promote(a, DEV)), (b, line.roll(DEV))):
        async with sql.transaction():
            await sql.execute("SELECT FROM manifests WHERE digest = $1 FOR NO KEY UPDATE", wanted.to_bytes())
            promoting = asyncio.create_task(attempt)
            async with asyncio.timeout(30):
                while not await sql.fetchval(_WAITING):  # noqa: ASYNC110 - the database says it
                    await asyncio.sleep(0.01)
            await sql.execute("SELECT FROM tags WHERE name = 'dev' FOR UPDATE NOWAIT")
        assert (await promoting).digest == wanted == await line.named("dev")


async def test_what_the_tag_names_already_is_reached_as_anything_else(line: Line, services: Services) -> None:
    a, b = await line.push("a", "v1"), await line.push("b", "v2")
    await line.promote(a, DEV)
    await services.tags.delete(NAME, parse_tag(DEV))
    await line.promote(a, DEV)
    done = await line.roll(DEV)
    assert (done.digest, done.before) == (a, a)
    await line.promote(b, DEV)
    await line.promote(a, DEV)
    done = await line.roll(DEV, Roll(steps=2))
    assert (done.digest, done.before) == (a, a)


async def test_a_tag_that_moves_meanwhile_is_looked_at_again(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    a, _, c = [await line.push(one, one) for one in "abc"]
    held = manifests.held
    meanwhile = [line.push("b", DEV), line.services.tags.delete(NAME, parse_tag(DEV)), line.push("c", DEV)]

    async def looked_up(conn: Connection, *arguments: Any, **options: Any) -> set[Digest]:
        if meanwhile:
            await meanwhile.pop(0)
        return await held(conn, *arguments, **options)

    monkeypatch.setattr(manifests, "held", looked_up)
    done = await line.promote("a", DEV)
    assert (done.before, await line.named("dev")) == (c, a)
    assert [(kind, digest) for kind, _, _, digest in await line.history()] == [("promotion", a), ("found", c)]


async def test_a_stage_goes_back_and_forward(line: Line, sql: Sql) -> None:
    a, b, c, d = [await line.push(one, one) for one in "abcd"]
    for one in "abc":
        await line.promote(one, DEV)
    back = await line.roll(DEV)
    assert (back.kind, back.digest, back.before) == ("rollback", b, c)
    assert (await line.roll(DEV)).digest == a
    with pytest.raises(PromotionRefused):
        await line.roll(DEV)
    assert (await line.roll(DEV, FORWARD)).digest == b
    assert (await line.roll(DEV, FORWARD)).kind == "roll-forward"
    with pytest.raises(PromotionRefused, match="nothing that stage dev was rolled back from 1 step ago"):
        await line.roll(DEV, FORWARD)
    assert (await line.roll(DEV, Roll(2))).digest == a
    assert (await line.roll(DEV, Roll(2, is_forward=True))).digest == c
    await line.roll(DEV, Roll(2))
    await line.promote("d", DEV)
    assert (await line.roll(DEV)).digest == a, "before d there was a"
    assert (await line.roll(DEV, FORWARD)).digest == d, "and after it d, the newest"
    events = await sql.fetch("SELECT action FROM audit_inbox WHERE action LIKE 'stage.%' ORDER BY at")
    assert [one["action"] for one in events][:5] == ["stage.promote"] * 3 + ["stage.rollback"] * 2
    assert "stage.roll-forward" in {one["action"] for one in events}


async def test_what_something_else_has_put_there_is_in_the_history(line: Line) -> None:
    a, _ = await line.push("a", "dev", "a"), await line.push("b", "b")
    await line.promote("b", DEV)
    assert (await line.roll(DEV)).digest == a, "what was pushed there before"
    c = await line.push("c", "dev")
    assert (await line.roll(DEV)).digest == a
    assert (await line.roll(DEV, FORWARD)).digest == c
    await line.services.tags.delete(NAME, parse_tag("dev"))
    back = await line.roll(DEV)
    assert (back.digest, back.before) == (c, None), "what it named last"
    assert [kind for kind, *_ in await line.history()] == [
        "rollback", "roll-forward", "rollback", "found", "rollback", "promotion", "found",
    ]  # fmt: skip


async def test_what_no_longer_passes_comes_back_by_force_of_an_administrator_only(line: Line, sql: Sql) -> None:
    a, b = await line.push("a", "a"), await line.push("b", "b")
    await line.promote("a", DEV)
    await line.promote("b", DEV)
    line.gate.refused.add(a)
    boss = await line.user("boss", ("admin", "team"))
    keeper = await line.user("keeper", ("maintainer", "team"))
    for who in ((EVERYONE, LOCAL), boss, keeper):
        with pytest.raises(NotPassing):
            await line.roll(DEV, who=who)
    with pytest.raises(DelegationDenied):
        await line.roll(DEV, FORCED, who=keeper)
    limited = replace(boss[0], bound=Bound({NAME: frozenset(Permission)}, catalog=False))
    with pytest.raises(AccessDenied):
        await line.roll(DEV, FORCED, who=(limited, boss[1]))
    assert await line.named("dev") == b
    assert (await line.roll(DEV, FORCED, who=boss)).digest == a
    detail = await sql.fetchval("SELECT detail FROM audit_inbox WHERE action = 'stage.rollback'")
    assert json.loads(detail)["forced"] is True
    assert await sql.fetchval("SELECT is_forced FROM promotions ORDER BY id DESC LIMIT 1")


async def test_what_is_gone_does_not_come_back(line: Line) -> None:
    a = await line.push("a", "a")
    await line.promote("a", DEV)
    await line.push("b", "b")
    await line.promote("b", DEV)
    await line.services.manifests.delete(NAME, a)
    with pytest.raises(ManifestUnknown, match=str(a)):
        await line.roll(DEV, FORCED)


async def test_who_may_promote(line: Line) -> None:
    await line.push("a", "a")
    writer = await line.user("writer", ("writer", "team"))
    reader = await line.user("reader", ("reader", "team"))
    olga = await line.user("olga", ("reader", "team"))
    tim = await line.user("tim", ("reader", "team"))
    nobody = await line.user("nobody")
    await Teams(line.database).add("team/release", actor=LOCAL)
    await Teams(line.database).add_member("team/release", "tim", actor=LOCAL)
    await line.set(Stage(DEV), Stage(STAGING, promoters=["user:olga", "team:team/release"]), Stage(PROD, promoters=[]))
    for who in (nobody, (ANONYMOUS, LOCAL)):
        with pytest.raises(NameUnknown):
            await line.promote("a", DEV, who=who)
    with pytest.raises(StageDenied, match="those who may push to team/model and move tags there"):
        await line.promote("a", DEV, who=reader)
    await line.promote("a", DEV, who=writer)
    for who in (writer, reader):
        with pytest.raises(StageDenied, match="that is for team:team/release, user:olga; ask one"):
            await line.promote("a", STAGING, who=who)
        with pytest.raises(StageDenied):
            await line.roll(STAGING, who=who)
    reading = Bound({NAME: frozenset((Permission.PULL,))}, catalog=False)
    with pytest.raises(StageDenied):
        await line.promote("a", STAGING, who=(replace(olga[0], bound=reading), olga[1]))
    await line.promote("a", STAGING, who=olga)
    assert (await line.promote("a", STAGING, who=tim)).before is not None
    with pytest.raises(StageDenied, match="that is for nobody"):
        await line.promote("a", PROD, who=olga)
    foreign = replace(EVERYONE, bound=reading, credential=Credential(CredentialKind.TOKEN))
    with pytest.raises(StageDenied):
        await line.promote("a", PROD, who=(foreign, LOCAL))


async def test_protected_tags_are_moved_by_promotion_and_immutable_ones_by_nothing(line: Line) -> None:
    rules = TagRules(line.database)
    a, b = await line.push("a", "a"), await line.push("b", "b")
    await rules.put("team", "*", RuleKind.PROTECTED, actor=LOCAL)
    with pytest.raises(TagProtected):
        await line.push("c", "c")
    await line.promote("a", DEV)
    await line.promote("b", DEV)
    await line.roll(DEV)
    assert await line.named("dev") == a
    await rules.put("team", "dev", RuleKind.IMMUTABLE, actor=LOCAL)
    for attempt in (
        line.promote("b", DEV),
        line.roll(DEV, FORWARD),
        line.roll(DEV, Roll(is_forward=True, is_forced=True)),
    ):
        with pytest.raises(TagImmutable):
            await attempt
    assert await line.named("dev") == a != b


async def test_a_stage_s_tag_may_have_the_version_in_it(line: Line) -> None:
    await line.set(Stage(DEV, "*-dev"), Stage(STAGING, "rc-*"), Stage(PROD, "release-*"))
    digest = await line.push("a", "1.4")
    assert (await line.promote("1.4", DEV)).tag == "1.4-dev"
    assert (await line.promote("1.4-dev", STAGING)).tag == "rc-1.4"
    assert (await line.promote("rc-1.4", PROD)).tag == "release-1.4"
    assert await line.named("release-1.4") == digest
    with pytest.raises(PromotionRefused, match="has a version in it: name the artifact by a tag"):
        await line.promote(digest, PROD)
    with pytest.raises(PromotionRefused, match="say which artifact"):
        await line.promote(None, PROD)
    await line.push("b", "2.0", "rc-2.0")
    assert (await line.promote("2.0", PROD)).tag == "release-2.0"
    await line.push("c", "x" * 128)
    with pytest.raises(PromotionRefused, match="is not 1 to 128"):
        await line.promote("x" * 128, DEV)
    with pytest.raises(PromotionRefused):
        await line.roll(PROD)
    await line.push("c", "2.0")
    await line.promote("2.0", DEV)
    await line.promote("2.0", STAGING)
    await line.promote("2.0", PROD)
    assert (await line.roll(PROD, Roll(version=parse_tag("2.0")))).tag == "release-2.0"


async def test_an_index_is_promoted_as_it_is(line: Line) -> None:
    child = await line.push("a")
    parent = await line.put_index(index(child), "v1")
    assert (await line.promote("v1", DEV)).digest == parent


async def test_what_people_see(line: Line) -> None:
    digest = await line.push("a", "a")
    await line.promote("a", DEV)
    reader = await line.user("reader", ("reader", "team/model"))
    stranger = await line.user("stranger")
    shown = await line.services.stage_history.stages(NAME, reader[0])
    assert [(one.stage.name, one.repository, one.digest) for one in shown] == [
        (DEV, NAME, digest),
        (STAGING, NAME, None),
        (PROD, NAME, None),
    ]
    assert await line.history(caller=reader[0]) == [("promotion", DEV, DEV, digest)]
    for attempt in (line.services.stage_history.stages(NAME, stranger[0]), line.history(caller=stranger[0])):
        with pytest.raises(NameUnknown):
            await attempt
