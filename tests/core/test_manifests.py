"""Manifests are resolved truly, whatever other nodes do at the same moment, and never name a blob that was taken away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from mediatypes.digest import Digest
from mediatypes.names import parse_tag
from mediatypes.oci import DOCKER_MANIFEST, IMAGE_MANIFEST, NON_DISTRIBUTABLE
from registry.core import referrers
from registry.core.services import Services
from registry.db.manifests import INLINE_SIZE, ManifestRow
from registry.errors import (
    BlobUnknown,
    DigestMismatch,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    MediaTypeUnsupported,
    RegistryError,
    StillReferenced,
)
from registry.storage.base import BlobStore, ObjectMissing
from tests.core.support import NAME, OTHER, clean, contents, image, index, push_blob, push_manifest, read_blob

Sql = asyncpg.Connection
V1 = parse_tag("v1")
ROUNDS = 50


async def outcome(work: Awaitable[object]) -> RegistryError | None:
    """Return what the registry refused a verb with; None where it was done."""
    try:
        await work
    except RegistryError as error:
        return error
    return None


async def broken_references(sql: Sql) -> int:
    """Count what manifests name and their repository doesn't hold."""
    found: int = await sql.fetchval(
        """
        SELECT count(*) FROM manifest_references f
        WHERE NOT EXISTS (
            SELECT FROM repository_blobs l WHERE l.repository_id = f.repository_id AND l.digest = f.digest)
        AND NOT EXISTS (
            SELECT FROM manifests m WHERE m.repository_id = f.repository_id AND m.digest = f.digest)
        """
    )
    return found


async def test_what_was_pushed_through_one_node_is_resolved_through_another_at_once(
    services: Services, other_services: Services
) -> None:
    config = await push_blob(services, b"{}")
    for number in range(20):
        content = image(config, note=str(number))
        digest = await push_manifest(services, content)
        for node in (other_services, services):
            for reference in (V1, digest):
                found = await node.manifests.resolve(NAME, reference)
                assert (found.digest, found.media_type, found.content) == (digest, IMAGE_MANIFEST, content)


@pytest.mark.parametrize("note", ["small", "large " * INLINE_SIZE])
async def test_what_was_deleted_through_one_node_is_unknown_on_every_other_at_once(
    services: Services, other_services: Services, note: str
) -> None:
    config = await push_blob(services, b"{}")
    digest = await push_manifest(services, image(config, note=note))
    for node in (services, other_services):
        await node.manifests.resolve(NAME, V1)
        await node.manifests.resolve(NAME, digest)
    await services.manifests.delete(NAME, digest)
    for node in (services, other_services):
        for reference in (V1, digest):
            with pytest.raises(ManifestUnknown):
                await node.manifests.resolve(NAME, reference)


async def test_a_deleted_tag_is_unknown_at_once_and_its_manifest_stays(
    services: Services, other_services: Services
) -> None:
    digest = await push_manifest(services, image(await push_blob(services, b"{}")))
    await other_services.manifests.resolve(NAME, V1)
    await services.tags.delete(NAME, V1)
    with pytest.raises(ManifestUnknown):
        await other_services.manifests.resolve(NAME, V1)
    assert (await other_services.manifests.resolve(NAME, digest)).digest == digest


async def test_bytes_that_are_cached_are_not_served_from_a_repository_that_lacks_them(services: Services) -> None:
    digest = await push_manifest(services, image(await push_blob(services, b"{}")))
    await services.manifests.resolve(NAME, digest)
    await push_blob(services, b"{}", OTHER)
    with pytest.raises(ManifestUnknown):
        await services.manifests.resolve(OTHER, digest)


@pytest.mark.parametrize("size", [INLINE_SIZE - 1, INLINE_SIZE, INLINE_SIZE + 1, 4 << 20])
async def test_a_manifest_of_any_size_comes_back_byte_for_byte(
    services: Services, other_services: Services, size: int
) -> None:
    config = await push_blob(services, b"{}")
    content = image(config)
    content += b" " * (size - len(content))
    digest = await push_manifest(services, content)
    for reference in (V1, digest, V1):
        assert (await other_services.manifests.resolve(NAME, reference)).content == content


async def test_a_tag_that_moves_on_while_its_large_manifest_is_read_still_names_one(
    services: Services, other_services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = await push_blob(services, b"{}")
    large = await push_manifest(services, image(config, note="large " * INLINE_SIZE))
    contents = other_services.manifests._contents
    read_large = contents._large
    moved: list[Digest] = []

    async def move_on_first(row: ManifestRow) -> bytes | None:
        if not moved:
            moved.append(await push_manifest(services, image(config, note="next")))
            await services.manifests.delete(NAME, large)
        return await read_large(row)

    monkeypatch.setattr(contents, "_large", move_on_first)
    assert (await other_services.manifests.resolve(NAME, V1)).digest == moved[0]


async def test_many_resolve_at_once_and_each_gets_its_own(services: Services) -> None:
    config = await push_blob(services, b"{}")
    digests = [await push_manifest(services, image(config, note=str(n)), f"v{n}") for n in range(20)]
    wanted = [number % 25 for number in range(500)]
    found = await asyncio.gather(
        *(services.manifests.resolve(NAME, parse_tag(f"v{number}")) for number in wanted), return_exceptions=True
    )
    for number, result in zip(wanted, found, strict=True):
        if number < 20:
            assert not isinstance(result, BaseException)
            assert result.digest == digests[number]
        else:
            assert isinstance(result, ManifestUnknown)


async def test_the_same_manifest_is_pushed_by_many_at_once(
    services: Services, other_services: Services, sql: Sql
) -> None:
    config, layer = await push_blob(services, b"{}"), await push_blob(services, b"layer")
    for number in range(10):
        content = image(config, layer, note=str(number))
        results = await asyncio.gather(
            *(push_manifest(node, content, "v1", f"t{number}") for node in (services, other_services) * 4)
        )
        assert set(results) == {Digest.of(content)}
    assert await sql.fetchval("SELECT count(*) FROM manifests") == 10
    assert await sql.fetchval("SELECT count(*) FROM tags") == 11


async def test_many_move_the_same_tags_at_once_and_each_tag_names_one_of_theirs(
    services: Services, other_services: Services
) -> None:
    config = await push_blob(services, b"{}")
    contents = [image(config, note=str(number)) for number in range(8)]
    nodes = [services, other_services] * 4
    for _ in range(5):
        await asyncio.gather(
            *(push_manifest(node, content, "b", "a", "c") for node, content in zip(nodes, contents, strict=True))
        )
        named = {(await services.manifests.resolve(NAME, parse_tag(tag))).digest for tag in "abc"}
        assert len(named) == 1
        assert named <= {Digest.of(content) for content in contents}


async def test_a_push_and_the_delete_of_its_blob_at_once_never_leave_a_manifest_without_its_blob(
    services: Services, other_services: Services, sql: Sql
) -> None:
    done = {"pushed": 0, "deleted": 0}
    for number in range(ROUNDS):
        config, layer = await push_blob(services, b"{}"), await push_blob(services, b"layer %d" % number)
        pushed, deleted = await asyncio.gather(
            outcome(push_manifest(services, image(config, layer, note=str(number)))),
            outcome(other_services.blobs.delete(NAME, layer)),
        )
        assert await broken_references(sql) == 0
        assert (pushed is None) != (deleted is None)
        assert pushed is None or isinstance(pushed, ManifestBlobUnknown)
        assert deleted is None or isinstance(deleted, StillReferenced)
        done["pushed"] += pushed is None
        done["deleted"] += deleted is None
    assert sum(done.values()) == ROUNDS


async def test_a_push_of_an_index_and_the_delete_of_its_child_at_once_never_leave_it_without(
    services: Services, other_services: Services, sql: Sql
) -> None:
    config = await push_blob(services, b"{}")
    for number in range(ROUNDS):
        child = await push_manifest(services, image(config, note=str(number)), f"child{number}")
        pushed, deleted = await asyncio.gather(
            outcome(push_manifest(services, index(child), "index")),
            outcome(other_services.manifests.delete(NAME, child)),
        )
        assert await broken_references(sql) == 0
        assert (pushed is None) != (deleted is None)


async def test_pushes_and_deletes_in_any_order_end_without_a_deadlock_or_a_broken_reference(
    services: Services, other_services: Services, sql: Sql
) -> None:
    layers = [await push_blob(services, b"layer %d" % number) for number in range(6)]
    config = await push_blob(services, b"{}")
    images = [image(config, *layers[n:], *layers[:n], note=str(n)) for n in range(6)]
    for _ in range(10):
        nodes = [services, other_services] * 6
        work: list[Awaitable[object]] = []
        for number, content in enumerate(images):
            node, digest = nodes[number], Digest.of(content)
            work += [
                outcome(push_manifest(node, content, "v1", f"t{number}", "latest")),
                outcome(node.manifests.delete(NAME, digest)),
                outcome(push_manifest(node, index(digest, note="index"), f"i{number}", "latest")),
                outcome(node.blobs.delete(NAME, layers[number])),
                outcome(push_blob(node, b"layer %d" % number)),
                outcome(node.blobs.mount(NAME, layers[number], source=NAME)),
                outcome(node.tags.delete(NAME, parse_tag("latest"))),
            ]
        for result in await asyncio.gather(*work):
            assert result is None or isinstance(
                result, ManifestBlobUnknown | StillReferenced | ManifestUnknown | BlobUnknown
            ), result
        assert await broken_references(sql) == 0


async def test_the_same_repository_is_made_by_many_at_once(services: Services, other_services: Services) -> None:
    uploads = await asyncio.gather(*(node.uploads.start(NAME) for node in (services, other_services) * 5))
    assert len(set(uploads)) == 10


async def test_the_same_blob_is_pushed_by_many_at_once_and_stored_once(
    services: Services, other_services: Services, sql: Sql
) -> None:
    for number in range(10):
        await asyncio.gather(*(push_blob(node, b"%d" % number) for node in (services, other_services) * 4))
    assert await sql.fetchval("SELECT count(*) FROM blobs") == 10
    assert await sql.fetchval("SELECT count(*) FROM dead_objects") == 0


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda content: content[:-1], ManifestInvalid),
        (lambda content: content.replace(b'"layers"', b'"manifests"'), ManifestInvalid),
        (lambda content: content.replace(b"sha256:", b"sha256:0000"), ManifestInvalid),
    ],
)
async def test_a_refused_push_makes_nothing(
    services: Services, sql: Sql, change: Callable[[bytes], bytes], error: type[RegistryError]
) -> None:
    config = Digest.of(b"{}")
    with pytest.raises(error):
        await services.manifests.push(
            NAME, change(image(config)), media_type=IMAGE_MANIFEST, reference=V1, extra_tags=[]
        )
    with pytest.raises(ManifestBlobUnknown) as refusal:
        await push_manifest(services, image(config))
    assert refusal.value.detail["missing"] == [str(config)]
    with pytest.raises(MediaTypeUnsupported):
        await services.manifests.push(NAME, image(config), media_type="application/json", reference=V1, extra_tags=[])
    with pytest.raises(DigestMismatch):
        await services.manifests.push(
            NAME, image(config), media_type=IMAGE_MANIFEST, reference=Digest.of(b""), extra_tags=[]
        )
    assert await sql.fetchval("SELECT count(*) FROM repositories") == 0


async def test_pushing_again_under_another_type_changes_every_answer(services: Services) -> None:
    """Bytes without a mediaType may be pushed as either type; the last push counts."""
    config = await push_blob(services, b"{}")
    document = json.loads(image(config, subject=Digest.of(b"subject")))
    del document["mediaType"]
    content = json.dumps(document).encode()
    for media_type in (IMAGE_MANIFEST, DOCKER_MANIFEST):
        await services.manifests.push(NAME, content, media_type=media_type, reference=V1, extra_tags=[])
        assert (await services.manifests.resolve(NAME, V1)).media_type == media_type
        page = await services.referrers.page(NAME, Digest.of(b"subject"), artifact_type=None, after=None, limit=None)
        assert [json.loads(item)["mediaType"] for item in page.items] == [media_type]


async def test_pages_of_referrers_are_bounded_in_bytes_and_lose_none(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(referrers, "REFERRERS_BYTES", 10_000)
    config, subject = await push_blob(services, b"{}"), Digest.of(b"subject")
    expected = set()
    for number in range(12):
        note = "x" * (200 if number % 4 else 12_000) + str(number)
        expected.add(str(await push_manifest(services, image(config, subject=subject, note=note), f"v{number}")))
    found: list[str] = []
    after: Digest | None = None
    sizes = []
    while True:
        page = await services.referrers.page(NAME, subject, artifact_type=None, after=after, limit=None)
        assert page.items
        sizes.append((len(page.items), sum(map(len, page.items))))
        found += [json.loads(item)["digest"] for item in page.items]
        if page.next_after is None:
            break
        after = Digest.parse(page.next_after)
    assert found == sorted(expected)
    assert all(count == 1 or size <= 10_000 for count, size in sizes)
    assert len(sizes) > 3


@pytest.mark.parametrize("limit", [1, 2, 5, 6, 7])
async def test_pages_of_referrers_are_as_long_as_asked_for(services: Services, limit: int) -> None:
    config, subject = await push_blob(services, b"{}"), Digest.of(b"subject")
    expected = sorted(
        [str(await push_manifest(services, image(config, subject=subject, note=str(n)), f"v{n}")) for n in range(6)]
    )
    found: list[str] = []
    after: Digest | None = None
    while True:
        page = await services.referrers.page(NAME, subject, artifact_type=None, after=after, limit=limit)
        assert 0 < len(page.items) <= limit
        found += [json.loads(item)["digest"] for item in page.items]
        if page.next_after is None:
            break
        assert len(page.items) == limit
        after = Digest.parse(page.next_after)
    assert found == expected


async def test_referrers_are_filtered_by_their_artifact_type(services: Services) -> None:
    config, subject = await push_blob(services, b"{}"), Digest.of(b"subject")
    digest = await push_manifest(services, image(config, subject=subject))
    for wanted, expected in (("application/vnd.example.config", [str(digest)]), ("other", [])):
        page = await services.referrers.page(NAME, subject, artifact_type=wanted, after=None, limit=None)
        assert [json.loads(item)["digest"] for item in page.items] == expected


async def test_an_index_may_name_blobs_which_then_are_in_use(services: Services) -> None:
    blob = await push_blob(services, b"a layer in a cache of builds")
    digest = await push_manifest(services, index(blob))
    with pytest.raises(StillReferenced):
        await services.blobs.delete(NAME, blob)
    await services.manifests.delete(NAME, digest)
    await services.blobs.delete(NAME, blob)
    with pytest.raises(ManifestBlobUnknown):
        await push_manifest(services, index(blob))


async def test_a_layer_that_need_not_be_there_is_in_use_where_it_is(services: Services) -> None:
    config, layer = await push_blob(services, b"{}"), Digest.of(b"foreign")
    content = json.loads(image(config, layer))
    content["layers"][0]["mediaType"] = min(NON_DISTRIBUTABLE)
    await push_manifest(services, json.dumps(content).encode())
    assert await push_blob(services, b"foreign") == layer
    with pytest.raises(StillReferenced):
        await services.blobs.delete(NAME, layer)


async def test_a_blob_that_the_storage_has_lost_comes_back_with_the_next_push(
    services: Services, store: BlobStore, sql: Sql
) -> None:
    digest = await push_blob(services, b"once lost")
    lost = await sql.fetchval("SELECT storage_key FROM blobs")
    await store.delete(lost)
    with pytest.raises(ObjectMissing):
        await read_blob(services, digest)
    assert await push_blob(services, b"once lost", OTHER) == digest
    assert await read_blob(services, digest) == b"once lost"
    assert await sql.fetchval("SELECT count(*) FROM dead_objects") == 0
    await clean(services)
    assert contents(store) == [b"once lost"]
