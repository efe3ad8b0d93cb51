"""Every move of a tag is kept, in the transaction that makes it; and the outbox has what was pushed."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from mediatypes.digest import Digest
from mediatypes.names import parse_tag
from registry.core.access import ALL, CredentialKind, Permission
from registry.core.audit import Actor
from registry.core.services import Services
from registry.errors import ManifestBlobUnknown, TagMoveDenied
from tests.core.support import NAME, image, push_blob, push_manifest

Sql = asyncpg.Connection
ALICE = Actor(7, "alice", CredentialKind.KEY)


async def history(sql: Sql, tag: str = "v1") -> list[tuple[bytes | None, bytes | None, str | None]]:
    rows = await sql.fetch("SELECT before, after, moved_by FROM tag_moves WHERE tag = $1 ORDER BY id", tag)
    return [(row["before"], row["after"], row["moved_by"]) for row in rows]


async def manifests(services: Services, *notes: str) -> list[bytes]:
    config = await push_blob(services, b"{}")
    return [image(config, note=note) for note in notes]


async def push(services: Services, content: bytes, *tags: str, actor: Actor | None = None) -> bytes:
    first, *others = map(parse_tag, tags)
    pushed = await services.manifests.push(
        NAME,
        content,
        media_type="application/vnd.oci.image.manifest.v1+json",
        reference=first,
        extra_tags=others,
        actor=actor,
    )
    return pushed.digest.to_bytes()


async def test_a_new_tag_a_moved_one_and_one_that_stays(services: Services, sql: Sql) -> None:
    first, second = await manifests(services, "a", "b")
    one = await push(services, first, "v1", "stays", actor=ALICE)
    assert await push(services, first, "v1") == one  # the same again is no move
    two = await push(services, second, "v1")
    assert await history(sql) == [(None, one, "alice"), (one, two, None)]
    assert await history(sql, "stays") == [(None, one, "alice")]


async def test_a_deleted_tag_and_one_that_goes_with_its_manifest(services: Services, sql: Sql) -> None:
    (content,) = await manifests(services, "a")
    digest = await push(services, content, "v1", "v2")
    await services.tags.delete(NAME, parse_tag("v1"), actor=ALICE)
    await services.manifests.delete(NAME, Digest.from_bytes(digest), actor=ALICE)
    assert await history(sql) == [(None, digest, None), (digest, None, "alice")]
    assert await history(sql, "v2") == [(None, digest, None), (digest, None, "alice")]


async def test_what_is_refused_has_no_history_and_leads_to_no_work(services: Services, sql: Sql) -> None:
    first, second = await manifests(services, "a", "b")
    one = await push(services, first, "v1")
    await sql.execute("DELETE FROM outbox")
    with pytest.raises(TagMoveDenied):
        await services.manifests.push(
            NAME,
            second,
            media_type="application/vnd.oci.image.manifest.v1+json",
            reference=parse_tag("v1"),
            extra_tags=[parse_tag("new")],
            held=ALL - {Permission.TAG_MOVE},
        )
    with pytest.raises(ManifestBlobUnknown):
        await push_manifest(services, image(Digest.of(b"absent")), "other")
    assert await history(sql) == [(None, one, None)]
    assert await sql.fetchval("SELECT count(*) FROM tag_moves") == 1
    assert await sql.fetchval("SELECT count(*) FROM outbox") == 0


async def test_pushes_of_one_tag_at_once_make_one_chain(services: Services, other_services: Services, sql: Sql) -> None:
    contents = await manifests(services, *map(str, range(12)))
    await asyncio.gather(
        *(push((services, other_services)[number % 2], content, "v1") for number, content in enumerate(contents))
    )
    moves = await history(sql)
    assert len(moves) == 12
    assert [before for before, _, _ in moves] == [None, *(after for _, after, _ in moves[:-1])]
    assert moves[-1][1] == await sql.fetchval("SELECT digest FROM tags WHERE name = 'v1'")


async def test_each_push_is_in_the_outbox(services: Services, sql: Sql) -> None:
    (content,) = await manifests(services, "a")
    digest = await push(services, content, "v1")
    await push(services, content, "v1")
    rows = await sql.fetch("SELECT kind, digest FROM outbox")
    assert [(row["kind"], row["digest"]) for row in rows] == [("manifest-pushed", digest)] * 2
