"""Every verb that changes what a repository holds leaves its event, in the transaction that makes the change."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from mediatypes.digest import Digest
from mediatypes.names import Tag, parse_tag
from mediatypes.oci import IMAGE_MANIFEST
from registry.core.access import ALL, Permission
from registry.core.services import Services
from registry.errors import ManifestUnknown, StillReferenced, TagMoveDenied
from tests.core.audit import ALICE
from tests.core.support import NAME, OTHER, body
from tests.http.client import descriptor, image_of

Sql = asyncpg.Connection
BLOB = b"a blob"
V1 = parse_tag("v1")


async def events(sql: Sql) -> list[tuple[str, str, dict[str, Any]]]:
    """Return the events since the last time: what was done to what, and its detail."""
    rows = await sql.fetch("WITH gone AS (DELETE FROM audit_inbox RETURNING *) SELECT * FROM gone ORDER BY id")
    assert {(row["principal_id"], row["principal"], row["credential_id"], row["outcome"]) for row in rows} <= {
        (7, "alice", "42", "done")
    }
    assert {(row["address"], row["request_id"]) for row in rows} <= {("192.0.2.1", "request-1")}
    return [(row["action"], row["target"], json.loads(row["detail"])) for row in rows]


async def push_blob(services: Services, content: bytes, name: Any = NAME) -> Digest:
    digest = Digest.of(content)
    await services.uploads.push(name, digest, body(content), actor=ALICE)
    return digest


async def push(services: Services, content: bytes, reference: Tag | Digest, *extra: Tag, **more: Any) -> Digest:
    pushed = await services.manifests.push(
        NAME, content, media_type=IMAGE_MANIFEST, reference=reference, extra_tags=extra, **{"actor": ALICE, **more}
    )
    return pushed.digest


@pytest.fixture
async def image(services: Services, sql: Sql) -> bytes:
    """Return a manifest whose blobs are there."""
    for content in (BLOB, b"{}"):
        await services.uploads.push(NAME, Digest.of(content), body(content))
    return image_of(BLOB)


async def test_without_an_actor_nothing_is_recorded(services: Services, sql: Sql, image: bytes) -> None:
    digest = await push(services, image, V1, actor=None)
    await push(services, image_of(), V1, actor=None)
    await services.tags.delete(NAME, V1)
    await services.blobs.mount(OTHER, Digest.of(BLOB), source=NAME)
    await services.manifests.delete(NAME, digest)
    await services.blobs.delete(NAME, Digest.of(BLOB))
    assert await events(sql) == []


async def test_a_blob_of_one_request_is_recorded_with_its_size(services: Services, sql: Sql) -> None:
    digest = await push_blob(services, BLOB)
    assert await events(sql) == [("blob.push", f"{NAME}@{digest}", {"size": 6})]
    await push_blob(services, BLOB)
    assert await events(sql) == [("blob.push", f"{NAME}@{digest}", {"size": 6})], "it was there already"


async def test_a_finished_upload_is_recorded_once_however_many_chunks_it_had(services: Services, sql: Sql) -> None:
    upload = await services.uploads.start(NAME)
    await services.uploads.append(NAME, upload, body(b"a "), chunk=None)
    assert await events(sql) == []
    await services.uploads.finish(NAME, upload, Digest.of(BLOB), body(b"blob"), chunk=None, actor=ALICE)
    assert await events(sql) == [("blob.push", f"{NAME}@{Digest.of(BLOB)}", {"size": 6})]


async def test_a_push_is_recorded_with_its_tags_and_types(services: Services, sql: Sql, image: bytes) -> None:
    digest = await push(services, image, V1)
    detail = {"media_type": IMAGE_MANIFEST, "size": len(image), "artifact_type": "application/vnd.oci.empty.v1+json"}
    assert await events(sql) == [("manifest.push", f"{NAME}@{digest}", detail | {"tags": ["v1"]})]
    referrer = image_of(BLOB, subject=descriptor(image, IMAGE_MANIFEST), artifactType="signature/x")
    digest = await push(services, referrer, Digest.of(referrer))
    (found,) = await events(sql)
    assert found[1] == f"{NAME}@{digest}"
    assert (found[2]["artifact_type"], found[2]["subject"]) == ("signature/x", str(Digest.of(image)))
    assert found[2]["tags"] == []


async def test_a_tag_that_moves_is_recorded_with_what_it_named_before(
    services: Services, sql: Sql, image: bytes
) -> None:
    first = await push(services, image, V1)
    second = await push(services, image_of(), V1, parse_tag("v2"))
    third = await push(services, image_of(BLOB, BLOB), parse_tag("v3"), parse_tag("v2"), V1)
    again = await push(services, image_of(BLOB, BLOB), V1)
    assert again == third
    assert [(action, target, detail) for action, target, detail in await events(sql) if action == "tag.move"] == [
        ("tag.move", f"{NAME}:v1", {"from": str(first), "to": str(second)}),
        ("tag.move", f"{NAME}:v1", {"from": str(second), "to": str(third)}),
        ("tag.move", f"{NAME}:v2", {"from": str(second), "to": str(third)}),
    ]
    assert [await name_of(services, tag) for tag in ("v1", "v2", "v3")] == [third] * 3


async def name_of(services: Services, tag: str) -> Digest:
    return (await services.manifests.resolve(NAME, parse_tag(tag))).digest


async def test_a_push_that_may_not_move_its_tag_changes_and_records_nothing(
    services: Services, sql: Sql, image: bytes
) -> None:
    first = await push(services, image, V1)
    await events(sql)
    with pytest.raises(TagMoveDenied):
        await push(services, image_of(), parse_tag("new"), V1, held=ALL - {Permission.TAG_MOVE})
    assert await events(sql) == []
    assert await name_of(services, "v1") == first
    with pytest.raises(ManifestUnknown):
        await name_of(services, "new")


async def test_a_mount_is_recorded_where_it_was_one(services: Services, sql: Sql) -> None:
    digest = await push_blob(services, BLOB, OTHER)
    await events(sql)
    assert not await services.blobs.mount(NAME, Digest.of(b"nothing"), source=OTHER, actor=ALICE)
    assert await events(sql) == []
    assert await services.blobs.mount(NAME, digest, source=OTHER, actor=ALICE)
    assert await services.blobs.mount(NAME, digest, source=None, actor=ALICE)
    target = f"{NAME}@{digest}"
    assert await events(sql) == [("blob.mount", target, {"from": OTHER}), ("blob.mount", target, {})]


async def test_what_is_deleted_is_recorded_with_what_named_it(services: Services, sql: Sql, image: bytes) -> None:
    digest = await push(services, image, V1, parse_tag("latest"), parse_tag("old"))
    await events(sql)
    await services.tags.delete(NAME, parse_tag("old"), actor=ALICE)
    await services.manifests.delete(NAME, digest, actor=ALICE)
    await services.blobs.delete(NAME, Digest.of(BLOB), actor=ALICE)
    assert await events(sql) == [
        ("tag.delete", f"{NAME}:old", {"digest": str(digest)}),
        ("manifest.delete", f"{NAME}@{digest}", {"tags": ["latest", "v1"]}),
        ("blob.delete", f"{NAME}@{Digest.of(BLOB)}", {}),
    ]


async def test_a_deletion_that_is_refused_records_nothing(services: Services, sql: Sql, image: bytes) -> None:
    await push(services, image, V1)
    await events(sql)
    with pytest.raises(StillReferenced):
        await services.blobs.delete(NAME, Digest.of(BLOB), actor=ALICE)
    with pytest.raises(ManifestUnknown):
        await services.tags.delete(NAME, parse_tag("none"), actor=ALICE)
    assert await events(sql) == []


Change = Callable[[Services, bytes], Awaitable[object]]
CHANGES: dict[str, Change] = {
    "manifest.push": lambda services, _image: push(services, image_of(), V1),
    "manifest.delete": lambda services, image: services.manifests.delete(NAME, Digest.of(image), actor=ALICE),
    "tag.move": lambda services, _image: push(services, image_of(), V1),
    "tag.delete": lambda services, _image: services.tags.delete(NAME, V1, actor=ALICE),
    "blob.push": lambda services, _image: push_blob(services, b"new"),
    "blob.mount": lambda services, _image: services.blobs.mount(OTHER, Digest.of(BLOB), source=NAME, actor=ALICE),
    "blob.delete": lambda services, _image: services.blobs.delete(NAME, Digest.of(b"unused"), actor=ALICE),
}
HOLDINGS = """
SELECT (SELECT count(*) FROM manifests), (SELECT count(*) FROM repository_blobs),
    (SELECT array_agg((name, digest)::text ORDER BY name) FROM tags)
"""


@pytest.mark.parametrize("action", CHANGES)
async def test_a_change_whose_event_can_not_be_written_is_not_made(
    services: Services, sql: Sql, image: bytes, action: str
) -> None:
    await push(services, image, V1, actor=None)
    await services.uploads.push(NAME, Digest.of(b"unused"), body(b"unused"))
    before = await sql.fetchrow(HOLDINGS)
    await sql.execute(f"ALTER TABLE audit_inbox ADD CHECK (action <> '{action}')")
    with pytest.raises(asyncpg.CheckViolationError):
        await CHANGES[action](services, image)
    assert await sql.fetchrow(HOLDINGS) == before
