"""What is promoted into another repository goes there whole: children, referrers, signatures, and no byte of a blob."""

from __future__ import annotations

from typing import Any

import pytest

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName, parse_tag
from mediatypes.oci import IMAGE_MANIFEST
from registry.core.conformance import Mode
from registry.core.identities import Identities
from registry.core.promotions import Roll
from registry.core.schemas import Schemas
from registry.core.services import Services
from registry.core.stages import Stage
from registry.core.tag_rules import RuleKind, TagRules
from registry.db.pool import Database
from registry.errors import ManifestNonconforming, ManifestUnknown, PromotionRefused, StageDenied
from registry.storage.base import BlobStore
from tests.core.stage import LOCAL, PROD, STAGING, Line, NotPassing
from tests.core.support import NAME, clean, contents, image, index, push_blob, read_blob
from tests.schemas.making import written

TESTED, SOLD = RepositoryName("team/staging/model"), RepositoryName("team/prod/model")


@pytest.fixture
async def line(services: Services, database: Database) -> Line:
    await Identities(database).add_organisation("team", actor=LOCAL)
    made = Line(services, database)
    await made.set(
        Stage("dev"), Stage(STAGING, repository="team/staging/*"), Stage(PROD, "stable", repository="team/prod/*")
    )
    return made


def signature_tag(digest: Digest, suffix: str = ".sig") -> str:
    return f"{str(digest).replace(':', '-')}{suffix}"


async def referrers(services: Services, name: RepositoryName, digest: Digest) -> set[str]:
    page = await services.referrers.page(name, digest, artifact_type=None, after=None, limit=100)
    return {line.split(b'"digest":"')[1].split(b'"')[0].decode() for line in page.items}


async def test_an_index_goes_with_its_children_their_referrers_and_signatures(
    line: Line, services: Services, store: BlobStore
) -> None:
    children = [await line.push(one) for one in ("a", "b")]
    inner = await line.put_index(index(children[1], note="inner"))
    outer = await line.put_index(index(children[0], inner), "v1")
    referrer = await line.push("of outer", subject=outer)
    second = await line.push("of the referrer", subject=referrer)
    signature = await line.push("signature", signature_tag(children[1]))
    listed = await line.put_index(index(referrer, note="fallback"), signature_tag(outer, ""))
    await line.push("a stranger")
    before = contents(store)
    done = await line.promote("v1", "dev")
    done = await line.promote("v1", STAGING)
    assert (done.repository, done.tag, done.digest) == (TESTED, "staging", outer)
    for digest in (*children, inner, outer, referrer, second, signature, listed):
        there = await services.manifests.resolve(TESTED, digest)
        assert there.content == (await services.manifests.resolve(NAME, digest)).content
    assert await referrers(services, TESTED, outer) == {str(referrer)}
    assert await line.named(signature_tag(children[1]), TESTED) == signature
    assert await line.named(signature_tag(outer, ""), TESTED) == listed
    assert await read_blob(services, Digest.of(b"b"), TESTED) == b"b"
    page = await services.tags.page(TESTED, after="", limit=None)
    assert set(page.items) == {"staging", signature_tag(children[1]), signature_tag(outer, "")}
    with pytest.raises(ManifestUnknown):
        await services.manifests.resolve(
            TESTED, Digest.of(image(Digest.of(b"{}"), Digest.of(b"a stranger"), note="a stranger"))
        )
    assert contents(store) == before, "no byte is copied"


async def test_what_was_signed_in_the_stage_before_goes_on(line: Line) -> None:
    digest = await line.push("a", "v1")
    await line.promote("v1", "dev")
    await line.promote("v1", STAGING)
    tested = await line.push("tested", subject=digest, name=TESTED)
    await line.push("signature", signature_tag(digest), name=TESTED)
    await line.promote("v1", PROD)
    assert await line.named("stable", SOLD) == digest
    assert await referrers(line.services, SOLD, digest) == {str(tested)}
    assert await line.named(signature_tag(digest), SOLD) == await line.named(signature_tag(digest), TESTED)
    assert (await line.promote(None, PROD)).before == digest, "without a reference, what staging names"


async def signed(line: Line, digest: Digest, *signatures: str, name: RepositoryName = NAME) -> Digest:
    """Push a tag of signatures that holds these."""
    config, *layers = [await push_blob(line.services, one.encode(), name) for one in ("{}", *signatures)]
    return await line.put(
        image(config, *layers, note="-".join(signatures)), IMAGE_MANIFEST, signature_tag(digest), name=name
    )


async def test_newer_signatures_replace_what_they_hold_and_nothing_else(line: Line) -> None:
    digest = await line.push("a", "v1", "dev")
    once = await signed(line, digest, "one")

    async def promoted() -> Digest:
        await line.services.tags.delete(TESTED, parse_tag("staging"))
        await line.promote("v1", STAGING)
        return await line.named(signature_tag(digest), TESTED)

    await line.promote("v1", STAGING)
    assert await line.named(signature_tag(digest), TESTED) == once
    twice = await signed(line, digest, "one", "two")
    assert await promoted() == twice
    assert await signed(line, digest, "one") == once
    assert await promoted() == twice, "an older one comes back nowhere"
    own = await signed(line, digest, "one", "three", name=TESTED)
    await signed(line, digest, "one", "two", "four")
    assert await promoted() == own
    await line.push("no signature", signature_tag(digest))
    assert await promoted() == own
    all_of_them = await signed(line, digest, "three", "one", "two")
    assert await promoted() == all_of_them


async def test_a_signature_that_comes_meanwhile_stays(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = await line.push("a", "v1", "dev")
    await signed(line, digest, "one")
    await line.promote("v1", STAGING)
    await line.services.tags.delete(TESTED, parse_tag("staging"))
    await signed(line, digest, "one", "two")
    push = line.services.manifests.push
    own: list[Digest] = []

    async def pushing(name: RepositoryName, content: bytes, **options: Any) -> Any:
        if name == TESTED and not own and options["extra_tags"]:
            own.append(digest)
            own.append(await signed(line, digest, "one", "three", name=TESTED))
        return await push(name, content, **options)

    monkeypatch.setattr(line.services.manifests, "push", pushing)
    await line.promote("v1", STAGING)
    assert await line.named(signature_tag(digest), TESTED) == own[1]


async def test_what_was_signed_elsewhere_comes_back_to_the_first_repository(line: Line) -> None:
    await line.set(Stage("dev"), Stage(STAGING, repository="team/staging/*"), Stage(PROD))
    digest = await line.push("a", "v1", "dev")
    await line.promote("v1", STAGING)
    signature = await line.push("signature", signature_tag(digest), name=TESTED)
    tested = await line.push("tested", subject=digest, name=TESTED)
    await line.promote("v1", PROD)
    assert await line.named(signature_tag(digest)) == signature
    assert await referrers(line.services, NAME, digest) == {str(tested)}
    await line.services.manifests.delete(NAME, digest)
    assert (await line.promote(None, PROD)).digest == digest == await line.named(PROD)


async def test_signatures_are_copied_whatever_rules_there_are(line: Line) -> None:
    for kind in RuleKind:
        await TagRules(line.database).put("team/staging/*", "*", kind, actor=LOCAL)
    digest = await line.push("a", "v1", "dev")
    await line.push("signed once", signature_tag(digest))
    await line.promote("v1", STAGING)
    assert await line.named("staging", TESTED) == digest


async def test_what_fails_there_is_not_promoted(line: Line) -> None:
    digest = await line.push("a", "v1", "dev")
    line.gate.refused.add(digest)
    with pytest.raises(NotPassing):
        await line.promote("v1", STAGING)
    with pytest.raises(ManifestUnknown):
        await line.named("staging", TESTED)
    assert line.gate.asked == [(TESTED, digest, "staging")]
    line.gate.refused.clear()
    schemas = Schemas(line.database)
    await schemas.add(written("team/owned", required=["owner"]), actor=LOCAL)
    await schemas.bind("team/staging*", "team/owned/1", Mode.ENFORCE, actor=LOCAL)
    config = await push_blob(line.services, b"{}")
    await line.put(image(config, note="other"), IMAGE_MANIFEST, "v2", "dev")
    with pytest.raises(ManifestNonconforming):
        await line.promote("v2", STAGING)


async def test_who_may_promote_need_not_push_there_and_others_copy_nothing(line: Line, services: Services) -> None:
    await line.push("a", "v1", "dev")
    olga = await line.user("olga", ("reader", "team/model"))
    writer = await line.user("writer", ("writer", "team/model"))
    with pytest.raises(StageDenied, match="those who may push to team/staging/model"):
        await line.promote("v1", STAGING, who=writer)
    await line.set(Stage("dev"), Stage(STAGING, repository="team/staging/*", promoters=["user:olga"]))
    with pytest.raises(StageDenied):
        await line.promote("v1", STAGING, who=writer)
    assert "team/staging/model" not in (await services.repositories.page(after="", limit=10)).items
    await line.promote("v1", STAGING, who=olga)
    assert await line.named("staging", TESTED)


async def test_what_a_stage_names_stays_while_rubbish_is_collected(line: Line, services: Services) -> None:
    digest = await line.push("a", "v1", "dev")
    await line.promote("v1", STAGING)
    await services.tags.delete(NAME, parse_tag("dev"))
    await services.manifests.delete(NAME, digest)
    for blob in (Digest.of(b"a"), Digest.of(b"{}")):
        await services.blobs.delete(NAME, blob)
    await clean(services)
    await services.cleanup.expire_uploads()
    assert await line.named("staging", TESTED) == digest
    assert await read_blob(services, Digest.of(b"a"), TESTED) == b"a"


async def test_a_rollback_there_copies_nothing(line: Line) -> None:
    first = await line.push("a", "v1", "dev")
    await line.promote("v1", STAGING)
    await line.push("b", "v2", "dev")
    await line.promote("v2", STAGING)
    done = await line.roll(STAGING)
    assert (done.repository, done.digest) == (TESTED, first)
    with pytest.raises(PromotionRefused, match="nothing has been promoted to prod"):
        await line.roll(PROD, Roll(2))


async def test_more_than_can_be_copied_is_refused(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry.core.copying.MOST_COPIED", 3)
    digest = await line.push("a", "v1", "dev")
    for number in range(3):
        await line.push(f"referrer {number}", subject=digest)
    with pytest.raises(PromotionRefused, match="more than 3 children and referrers"):
        await line.promote("v1", STAGING)


async def test_a_tag_of_signatures_that_names_what_contains_it_ends(line: Line) -> None:
    digest = await line.push("a")
    around = await line.put_index(index(digest), "v1", "dev", signature_tag(digest))
    await line.promote("v1", STAGING)
    assert await line.named(signature_tag(digest), TESTED) == around


async def test_one_segment_names_are_of_the_library(services: Services, database: Database) -> None:
    await Identities(database).add_organisation("library", actor=LOCAL)
    line = Line(services, database, RepositoryName("model"))
    await line.set(Stage(PROD, repository="library/prod-*"), target="library")
    digest = await line.push("a", "v1")
    assert (await line.promote("v1", PROD)).repository == "prod-model"
    assert await line.named(PROD, RepositoryName("prod-model")) == digest
