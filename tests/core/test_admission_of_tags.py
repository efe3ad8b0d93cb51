"""Policies decide on moves of tags and on promotions, and are tried on what tags name."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName, parse_tag
from mediatypes.oci import IMAGE_MANIFEST
from registry.core.policies import Policies
from registry.core.promotions import Roll
from registry.core.services import Services
from registry.core.stages import Stage
from registry.core.trials import Trials
from registry.db.pool import Database
from registry.errors import ManifestUnknown, NotAdmitted
from tests.core.admitting import (
    ACTOR,
    OTHER_KEY,
    InProcess,
    attach,
    enforce,
    image_of,
    is_admitted,
    policies,
    push,
    push_image,
    sandbox,
    services,
    sign,
    signed_policy,
    tag_of,
)
from tests.core.stage import DEV, PROD, STAGING, Line
from tests.core.support import NAME, OTHER

__all__ = ["policies", "sandbox", "services"]


# Tags


async def test_a_tag_only_names_what_passes(services: Services, policies: Policies) -> None:
    await enforce(policies, on="tag", tags=("prod", "release-*"))
    content = await image_of(services, b"layer")
    for tag in ("prod", "release-1"):
        with pytest.raises(NotAdmitted, match=f" as {tag} is not admitted"):
            await push(services, content, tag)
    digest = await push(services, content, "dev")
    assert await is_admitted(services, digest)
    with pytest.raises(NotAdmitted):
        await push(services, content, "prod")
    signature = await sign(services, digest)
    await push(services, content, "prod")
    await services.manifests.delete(NAME, signature)
    with pytest.raises(NotAdmitted):
        await push(services, content, "release-1")
    with pytest.raises(ManifestUnknown):
        await services.manifests.resolve(NAME, parse_tag("release-1"))
    assert (await services.manifests.resolve(NAME, parse_tag("prod"))).digest == digest


async def test_tags_of_signatures_are_free(services: Services, policies: Policies) -> None:
    await enforce(policies, on="both")
    digest = await push_image(services, b"layer")
    await attach(services, tag_of(digest), tag=f"sha256-{digest.encoded}.sig")
    with pytest.raises(NotAdmitted):
        await push(services, await image_of(services, b"other"), "v1")
    await push(services, await image_of(services, b"layer"), "v1")


async def test_a_tag_does_not_move_by_a_signature_that_is_gone_by_then(
    services: Services, policies: Policies, sandbox: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    await enforce(policies, on="tag")
    digest = Digest.of(content := await image_of(services, b"layer"))
    await push(services, content)
    signature = await sign(services, digest)
    run = sandbox.run

    async def meanwhile(*arguments: object, **more: object) -> object:
        found = await run(*arguments, **more)  # type: ignore[arg-type]
        monkeypatch.setattr(sandbox, "run", run)
        await services.manifests.delete(NAME, signature)
        return found

    await services.admission.covering(NAME)
    monkeypatch.setattr(sandbox, "run", meanwhile)
    with pytest.raises(NotAdmitted):
        await push(services, content, "prod")


async def test_a_tag_does_not_move_by_an_older_policy(
    services: Services, policies: Policies, sandbox: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    await enforce(policies, on="tag")
    digest = Digest.of(content := await image_of(services, b"layer"))
    await push(services, content)
    await sign(services, digest)
    run = sandbox.run

    async def meanwhile(*arguments: object, **more: object) -> object:
        found = await run(*arguments, **more)  # type: ignore[arg-type]
        monkeypatch.setattr(sandbox, "run", run)
        await policies.put("team", signed_policy(key=OTHER_KEY), on="tag", actor=ACTOR)
        return found

    await services.admission.covering(NAME)
    monkeypatch.setattr(sandbox, "run", meanwhile)
    with pytest.raises(NotAdmitted):
        await push(services, content, "prod")


async def test_a_warning_goes_with_a_tag(services: Services, database: Database, policies: Policies) -> None:
    await policies.put("team", signed_policy(mode="warn"), on="tag", actor=ACTOR)
    pushed = await services.manifests.push(
        NAME,
        await image_of(services, b"layer"),
        media_type=IMAGE_MANIFEST,
        reference=parse_tag("v1"),
        extra_tags=[],
    )
    assert pushed.warnings[0].startswith("policy signed (version 1 on team): ")
    line = Line(services, database)
    await line.set()
    assert (await line.promote(pushed.digest, DEV)).warnings == pushed.warnings
    assert (await line.promote(await line.push("signed later"), DEV)).warnings
    assert (await line.roll(DEV)).warnings == pushed.warnings
    assert (await line.roll(DEV, Roll(is_forward=True, is_forced=True))).warnings == ()


# Trials


async def test_a_policy_is_tried_on_what_tags_name_and_have_named(
    services: Services, database: Database, policies: Policies, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    first = await push(services, await image_of(services, b"first"), "v1")
    second = await push(services, await image_of(services, b"second"), "v1")
    third = await push(services, await image_of(services, b"third", name=OTHER), "v1", name=OTHER)
    await push_image(services, b"never tagged")
    await services.manifests.delete(NAME, await push(services, await image_of(services, b"gone"), "v0"))
    await sign(services, second)
    await attach(services, tag_of(third, OTHER_KEY), tag=f"sha256-{third.encoded}.sig", name=OTHER)
    trials = Trials(database, services.gathering, services.judge)
    found, after = [], ""
    while after is not None:
        page = await trials.page("team", signed_policy(), since=None, after=after, limit=1, by=None)
        found += page.items
        after = page.next_after  # type: ignore[assignment]
    assert {(one.repository, one.digest): one.passes for one in found} == {
        (NAME, str(first)): False,
        (NAME, str(second)): True,
        (OTHER, str(third)): False,
    }
    assert [one.tags for one in found] == [["v1"]] * 3
    await sql.execute("UPDATE tag_moves SET moved_at = now() - interval '1 day'")
    page = await trials.page("team/model", signed_policy(), since=timedelta(hours=1), after="", limit=50, by=None)
    assert [one.digest for one in page.items] == [str(second)]
    assert not await sql.fetchval("SELECT count(*) FROM verdicts")


# Promotions


async def test_a_stage_names_what_its_policy_lets_it_and_rolls_back_to_nothing_else(
    services: Services, database: Database, policies: Policies
) -> None:
    await enforce(policies, on="tag", tags=("prod",))
    line = Line(services, database)
    await line.set()
    first, second = await line.push("a", "v1"), await line.push("b", "v2")
    signatures = [await sign(services, digest) for digest in (first, second)]
    for digest in (first, second):
        for stage in (DEV, STAGING, PROD):
            await line.promote(digest, stage)
    await services.manifests.delete(NAME, signatures[0])
    with pytest.raises(NotAdmitted, match="policy signed"):
        await line.roll(PROD)
    assert await line.named(PROD) == second
    await line.roll(PROD, Roll(is_forced=True))
    assert await line.named(PROD) == first
    third = await line.push("c", "v3")
    for stage in (DEV, STAGING):
        await line.promote(third, stage)
    with pytest.raises(NotAdmitted):
        await line.promote(third, PROD)
    assert await line.named(PROD) == first


async def test_what_may_not_be_pulled_is_not_copied(services: Services, database: Database, policies: Policies) -> None:
    line = Line(services, database)
    olga = await line.user("olga", ("reader", "team/model"))
    boss = await line.user("boss", ("admin", "team"))
    await line.set(
        Stage(DEV, repository="team/tested/*", promoters=["user:olga"]), Stage(PROD, repository="team/sold/*")
    )
    digest = await line.push("a", "v1")
    await enforce(policies, "team/model")
    with pytest.raises(NotAdmitted, match="policy signed"):
        await line.promote("v1", DEV, who=olga)
    tested = RepositoryName("team/tested/model")
    assert tested not in (await services.repositories.page(after="", limit=10)).items
    await sign(services, digest)
    await line.promote("v1", DEV, who=olga)
    await services.manifests.delete(NAME, digest)
    await line.push("a", "v1")
    await line.promote("v1", PROD, who=boss)
    assert await line.named(PROD, RepositoryName("team/sold/model")) == digest, "who may push there may pull"


async def test_a_policy_that_is_set_while_something_is_promoted_decides_on_it(
    services: Services, database: Database, policies: Policies, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line(services, database)
    await line.set()
    digest = await line.push("a", "v1")
    judged = line.gate.judge_tags

    async def judge_tags(*arguments: Any, **options: Any) -> Any:
        found = await judged(*arguments, **options)
        if len(line.gate.asked) == 1:
            await enforce(policies, on="tag")
        return found

    monkeypatch.setattr(line.gate, "judge_tags", judge_tags)
    with pytest.raises(NotAdmitted):
        await line.promote(digest, DEV)
    assert len(line.gate.asked) == 2
