"""Uploads: what is kept, what is refused, what expires, and digests by either algorithm however the bytes came."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from mediatypes.digest import Digest
from mediatypes.ranges import ByteRange
from registry.core import session
from registry.core.services import Services
from registry.core.session import PIECE
from registry.errors import (
    BlobUnknown,
    BodyIncomplete,
    DigestMismatch,
    SizeMismatch,
    UploadOutOfOrder,
    UploadUnknown,
)
from registry.storage.base import BlobStore
from tests.core.support import NAME, OTHER, Gate, body, clean, contents, push_blob, read_blob, vanishing

Sql = asyncpg.Connection

LARGE = bytes(range(256)) * (4 * PIECE // 256) + b"end"

both_stores = pytest.mark.parametrize("store", ["memory", "filesystem"], indirect=True)


def pieces(content: bytes, size: int) -> list[bytes]:
    return [content[start : start + size] for start in range(0, len(content), size)]


async def count(sql: Sql, table: str) -> int:
    found: int = await sql.fetchval(f"SELECT count(*) FROM {table}")
    return found


@both_stores
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("size", [65_537, PIECE, PIECE + 1, len(LARGE)])
async def test_a_body_in_pieces_of_any_size_becomes_the_blob(services: Services, algorithm: str, size: int) -> None:
    digest = Digest.of(LARGE, algorithm)
    await services.uploads.push(NAME, digest, body(*pieces(LARGE, size)))
    assert await read_blob(services, digest) == LARGE


@both_stores
async def test_an_empty_blob_is_one(services: Services) -> None:
    await push_blob(services, b"")
    assert await read_blob(services, Digest.of(b"")) == b""
    upload = await services.uploads.start(NAME)
    await services.uploads.finish(NAME, upload, Digest.of(b"", "sha512"), body(), chunk=None)
    assert await read_blob(services, Digest.of(b"", "sha512")) == b""


@both_stores
async def test_a_long_body_is_saved_on_its_way(
    services: Services, other_services: Services, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_SAVE_SECONDS", -1.0)
    upload = await services.uploads.start(NAME)
    gate = Gate()
    long = asyncio.create_task(
        services.uploads.append(NAME, upload, gate.body(*pieces(LARGE[: 3 * PIECE], PIECE)), chunk=None)
    )
    await gate.arrival()
    assert await other_services.uploads.status(NAME, upload) == 2 * PIECE
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    held = await other_services.uploads.status(NAME, upload)
    assert held == 2 * PIECE
    await other_services.uploads.finish(NAME, upload, Digest.of(LARGE), body(LARGE[held:]), chunk=None)
    assert await read_blob(services, Digest.of(LARGE)) == LARGE


@both_stores
@pytest.mark.parametrize("began", ["sha256", "sha512"])
@pytest.mark.parametrize("ends", ["sha256", "sha512"])
async def test_the_algorithm_that_counts_is_the_last_requests(
    services: Services, other_services: Services, began: str, ends: str
) -> None:
    upload = await services.uploads.start(NAME, algorithm=began)
    await services.uploads.append(NAME, upload, body(b"first "), chunk=None)
    await other_services.uploads.append(NAME, upload, body(b"second "), chunk=None)
    digest = Digest.of(b"first second third", ends)
    await services.uploads.finish(NAME, upload, digest, body(b"third"), chunk=None)
    assert await read_blob(services, digest) == b"first second third"


@both_stores
async def test_without_libcrypto_uploads_are_resumed_by_reading_again(
    services: Services, other_services: Services, sql: Sql, without_libcrypto: None
) -> None:
    upload = await services.uploads.start(NAME)
    await services.uploads.append(NAME, upload, body(b"first "), chunk=None)
    assert await sql.fetchval("SELECT hash_state FROM uploads") is None
    await other_services.uploads.append(NAME, upload, body(b"second "), chunk=None)
    with pytest.raises(BodyIncomplete):
        await other_services.uploads.append(NAME, upload, vanishing(b"third"), chunk=None)
    await services.uploads.finish(NAME, upload, Digest.of(b"first second third"), body(), chunk=None)
    assert await read_blob(services, Digest.of(b"first second third")) == b"first second third"


async def test_a_hash_state_that_can_not_be_restored_is_made_up_for_by_reading_again(
    services: Services, sql: Sql
) -> None:
    """As one of a machine of another byte order, or one that was damaged."""
    upload = await services.uploads.start(NAME)
    await services.uploads.append(NAME, upload, body(b"first "), chunk=None)
    await sql.execute("UPDATE uploads SET hash_state = 'damaged'")
    await services.uploads.append(NAME, upload, body(b"second "), chunk=None)
    await services.uploads.finish(NAME, upload, Digest.of(b"first second third"), body(b"third"), chunk=None)
    assert await read_blob(services, Digest.of(b"first second third")) == b"first second third"


@pytest.mark.parametrize("announced", [1, 3, 5, 100])
async def test_a_chunk_of_another_length_than_announced_is_refused_and_its_bytes_are_not_kept(
    services: Services, announced: int
) -> None:
    upload = await services.uploads.start(NAME)
    await services.uploads.append(NAME, upload, body(b"kept"), chunk=ByteRange(0, 4))
    with pytest.raises(SizeMismatch):
        await services.uploads.append(NAME, upload, body(b"more"), chunk=ByteRange(4, 4 + announced))
    assert await services.uploads.status(NAME, upload) == 4
    await services.uploads.finish(NAME, upload, Digest.of(b"kept and"), body(b" and"), chunk=ByteRange(4, 8))
    assert await read_blob(services, Digest.of(b"kept and")) == b"kept and"


async def test_a_chunk_out_of_order_is_refused_before_a_byte_of_it_is_read(services: Services) -> None:
    upload = await services.uploads.start(NAME)
    await services.uploads.append(NAME, upload, body(b"four"), chunk=None)
    untouched = vanishing(b"would be noticed")
    for start in (0, 3, 5, 1 << 62):
        with pytest.raises(UploadOutOfOrder) as refusal:
            await services.uploads.append(NAME, upload, untouched, chunk=ByteRange(start, start + 1))
        assert refusal.value.offset == 4
    assert await anext(untouched) == b"would be noticed"


async def test_a_wrong_digest_ends_the_session_and_its_bytes(services: Services, store: BlobStore, sql: Sql) -> None:
    upload = await services.uploads.start(NAME)
    await services.uploads.append(NAME, upload, body(b"content"), chunk=None)
    with pytest.raises(DigestMismatch):
        await services.uploads.finish(NAME, upload, Digest.of(b"other"), body(), chunk=None)
    with pytest.raises(UploadUnknown):
        await services.uploads.status(NAME, upload)
    for digest in (Digest.of(b"content"), Digest.of(b"other")):
        with pytest.raises(BlobUnknown):
            await services.blobs.find(NAME, digest)
    assert contents(store) == []
    assert await count(sql, "dead_objects") == 0


async def test_a_cancelled_session_is_gone_with_its_bytes_at_once(
    services: Services, store: BlobStore, sql: Sql
) -> None:
    upload = await services.uploads.start(NAME)
    await services.uploads.append(NAME, upload, body(b"content"), chunk=None)
    await services.uploads.cancel(NAME, upload)
    assert contents(store) == []
    assert await count(sql, "dead_objects") == 0
    for act in (
        services.uploads.status(NAME, upload),
        services.uploads.cancel(NAME, upload),
        services.uploads.append(NAME, upload, body(b"x"), chunk=None),
        services.uploads.finish(NAME, upload, Digest.of(b"content"), body(), chunk=None),
    ):
        with pytest.raises(UploadUnknown):
            await act


@pytest.mark.parametrize("moment", range(8))
async def test_a_push_that_is_cancelled_leaves_neither_a_session_nor_bytes(
    services: Services, store: BlobStore, sql: Sql, moment: int
) -> None:
    gate = Gate()
    push = asyncio.create_task(
        services.uploads.push(NAME, Digest.of(LARGE), gate.body(*pieces(LARGE[: moment * 300_000], 65_536)))
    )
    await gate.arrival()
    push.cancel()
    with pytest.raises(asyncio.CancelledError):
        await push
    assert await count(sql, "uploads") == 0
    assert await count(sql, "dead_objects") == 0
    assert contents(store) == []


async def test_sessions_are_of_one_repository(services: Services) -> None:
    upload = await services.uploads.start(NAME)
    await services.uploads.start(OTHER)
    for name, which in ((OTHER, upload), (NAME, uuid4())):
        for act in (
            services.uploads.status(name, which),
            services.uploads.cancel(name, which),
            services.uploads.append(name, which, body(b"x"), chunk=None),
        ):
            with pytest.raises(UploadUnknown):
                await act
    assert await services.uploads.status(NAME, upload) == 0


async def test_a_session_expires_after_its_last_byte_and_not_while_it_is_written(
    services: Services, other_services: Services, store: BlobStore, sql: Sql
) -> None:
    age = "UPDATE uploads SET touched_at = now() - make_interval(secs => $2) WHERE id = $1"
    old, young, busy = [await services.uploads.start(NAME) for _ in range(3)]
    for upload in (old, young, busy):
        await services.uploads.append(NAME, upload, body(b"content"), chunk=None)
    gate = Gate()
    writing = asyncio.create_task(services.uploads.append(NAME, busy, gate.body(b" more"), chunk=None))
    await gate.arrival()
    for upload, seconds in ((old, 86401), (young, 86390), (busy, 86401)):
        await sql.execute(age, upload, seconds)
    assert await asyncio.gather(services.cleanup.expire_uploads(), other_services.cleanup.expire_uploads()) in (
        [0, 1],
        [1, 0],
    )
    gate.open()
    assert await writing == 12
    assert await services.cleanup.expire_uploads() == 0  # its last byte came just now
    await clean(services)
    assert contents(store) == [b"content", b"content more"]
    with pytest.raises(UploadUnknown):
        await services.uploads.status(NAME, old)
    assert await services.uploads.append(NAME, young, body(b"!"), chunk=None) == 8
    assert await services.cleanup.count_uploads() == 2


async def test_cleaners_of_many_nodes_share_the_work(
    services: Services, other_services: Services, store: BlobStore, sql: Sql
) -> None:
    for _ in range(250):
        await services.uploads.start(NAME)
    await sql.execute("UPDATE uploads SET touched_at = now() - interval '2 days'")
    found = await asyncio.gather(*(node.cleanup.expire_uploads() for node in (services, other_services) * 4))
    assert sum(found) == 250
    assert max(found) <= 100
    found = await asyncio.gather(*(node.cleanup.delete_dead_objects() for node in (services, other_services) * 4))
    assert sum(found) == 250
    assert await count(sql, "dead_objects") == 0


async def test_the_same_content_is_stored_once_and_linked_everywhere(
    services: Services, store: BlobStore, sql: Sql
) -> None:
    for name in (NAME, OTHER, NAME):
        await push_blob(services, b"shared", name)
    assert contents(store) == [b"shared"]
    assert await count(sql, "dead_objects") == 0
    assert await read_blob(services, Digest.of(b"shared"), OTHER) == b"shared"
    await services.blobs.delete(NAME, Digest.of(b"shared"))
    with pytest.raises(BlobUnknown):
        await services.blobs.find(NAME, Digest.of(b"shared"))
    assert await read_blob(services, Digest.of(b"shared"), OTHER) == b"shared"


async def test_many_push_a_blob_that_the_storage_has_lost_and_one_of_theirs_is_kept(
    services: Services, other_services: Services, store: BlobStore, sql: Sql
) -> None:
    for number in range(15):
        content = b"once lost %d" % number
        await push_blob(services, content)
        await store.delete(await sql.fetchval("SELECT storage_key FROM blobs WHERE size = $1", len(content)))
        await asyncio.gather(
            *(push_blob(node, content, name) for node in (services, other_services) for name in (NAME, OTHER) * 2)
        )
        await sql.execute("UPDATE dead_objects SET due_at = now()")
        await clean(services)
        assert contents(store) == [content]
        assert await read_blob(other_services, Digest.of(content), OTHER) == content
        await sql.execute("DELETE FROM repository_blobs")
        await store.delete(await sql.fetchval("DELETE FROM blobs RETURNING storage_key"))
