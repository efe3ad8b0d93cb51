"""Uploads to S3: parts, the ends of requests that are no whole part, and a second node that goes on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest

from mediatypes.digest import Digest
from mediatypes.ranges import ByteRange
from registry.compose import create_services
from registry.config import Settings
from registry.core.services import Services
from registry.db import blobs
from registry.db.pool import Database
from registry.errors import BlobTooLarge, BodyIncomplete, DigestMismatch, Unavailable, UploadOutOfOrder, UploadUnknown
from registry.storage import s3_writer
from registry.storage.base import BlobStore, StorageKey, new_key
from registry.storage.s3 import S3Store
from registry.storage_url import S3Location
from tests.core.support import NAME, Gate, body, clean, read_blob, vanishing
from tests.s3_servers import S3Server

PART = 5 << 20  # bytes; S3 takes no smaller one


@pytest.fixture
def location(s3_server: S3Server) -> S3Location:
    return s3_server.make_bucket()


@pytest.fixture
async def store(location: S3Location, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[BlobStore]:
    monkeypatch.setattr(s3_writer, "_PART", PART)
    monkeypatch.setattr(s3_writer, "_SMALL_PART", PART)
    made = S3Store(location)
    yield made
    await made.close()


@pytest.fixture
async def other_services(
    settings: Settings, other_database: Database, store: BlobStore, location: S3Location
) -> AsyncIterator[Services]:
    """Return the verbs of a second node, which sees nothing of the first but what is in database and bucket."""
    made = S3Store(location)
    yield create_services(settings, other_database, made)
    await made.close()


@pytest.fixture
def content() -> bytes:
    return random.Random(7).randbytes(3 * PART + 12_345)


async def test_chunks_that_alternate_between_nodes_make_one_object(
    services: Services, other_services: Services, content: bytes, s3_server: S3Server, location: S3Location
) -> None:
    upload = await services.uploads.start(NAME)
    sizes = [1, 1000, PART - 1001, PART + 5, 7, 2 * PART]
    position = 0
    for number, size in enumerate(sizes):
        node = (services, other_services)[number % 2]
        chunk = content[position : position + size]
        assert await node.uploads.append(NAME, upload, body(chunk), chunk=None) == position + len(chunk)
        position += len(chunk)
    assert position == len(content)
    await other_services.uploads.finish(NAME, upload, Digest.of(content), body(), chunk=None)
    assert await read_blob(services, Digest.of(content)) == content
    assert s3_server.contents(location) == [len(content)]


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 2 * PART])
async def test_a_blob_of_one_request_is_one_object(
    services: Services, content: bytes, s3_server: S3Server, location: S3Location, size: int
) -> None:
    digest = Digest.of(content[:size])
    await services.uploads.push(NAME, digest, body(content[:size]), length=size)
    assert await read_blob(services, digest) == content[:size]
    assert s3_server.contents(location) == [size]


async def test_what_came_before_a_client_vanished_is_kept_for_another_node(
    services: Services, other_services: Services, content: bytes, s3_server: S3Server, location: S3Location
) -> None:
    upload = await services.uploads.start(NAME)
    with pytest.raises(BodyIncomplete):
        await services.uploads.append(NAME, upload, vanishing(content[: PART + 99]), chunk=None)
    assert await other_services.uploads.status(NAME, upload) == PART + 99
    await other_services.uploads.finish(NAME, upload, Digest.of(content), body(content[PART + 99 :]), chunk=None)
    assert await read_blob(services, Digest.of(content)) == content
    assert s3_server.contents(location) == [len(content)]


async def test_a_node_that_was_overtaken_does_no_harm(
    services: Services,
    other_services: Services,
    sql: asyncpg.Connection,
    content: bytes,
    s3_server: S3Server,
    location: S3Location,
) -> None:
    """The first sends parts of its own until it notices, and a multipart upload that nothing names."""
    upload = await services.uploads.start(NAME)
    gate = Gate()
    wrong = bytes(2 * PART + 1)

    async def overtaken() -> None:
        with pytest.raises(UploadOutOfOrder):
            await services.uploads.append(NAME, upload, gate.body(wrong, then=(wrong,)), chunk=None)

    first = asyncio.create_task(overtaken())
    await gate.arrival()
    await sql.execute("UPDATE uploads SET lease_until = now() - interval '1 second'")
    half = len(content) // 2
    await other_services.uploads.append(NAME, upload, body(content[:half]), chunk=None)
    gate.open()
    await first
    await other_services.uploads.finish(NAME, upload, Digest.of(content), body(content[half:]), chunk=None)
    assert await read_blob(services, Digest.of(content)) == content
    assert s3_server.contents(location) == [len(content)]


@pytest.mark.parametrize("size", [5, 2 * PART], ids=["one request", "parts"])
async def test_an_overtaken_writer_that_commits_last_changes_no_blob(
    store: BlobStore, location: S3Location, size: int
) -> None:
    key, other = new_key(), S3Store(location)
    late = await store.open_writer(key, epoch=1)
    await late.write(b"e" * size)
    writer = await other.open_writer(key, epoch=2)
    await writer.write(b"g" * size)
    assert await writer.commit()
    assert not await late.commit()
    pieces = [piece async for piece in store.read(key, ByteRange(0, size))]
    assert b"".join(pieces) == b"g" * size
    await other.close()


@pytest.mark.parametrize("size", [5, PART, PART + 5], ids=["end", "part", "part and end"])
async def test_a_finish_that_could_not_be_recorded_can_be_repeated(
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    s3_server: S3Server,
    location: S3Location,
    size: int,
) -> None:
    upload, digest = await services.uploads.start(NAME), Digest.of(content[:size])
    await services.uploads.append(NAME, upload, body(content[:size]), chunk=None)

    async def away(*_: object, **__: object) -> bool:
        raise Unavailable("the database")

    with monkeypatch.context() as patch:
        patch.setattr(blobs, "insert", away)
        with pytest.raises(Unavailable):
            await services.uploads.finish(NAME, upload, digest, body(), chunk=None)
    await services.uploads.finish(NAME, upload, digest, body(), chunk=None)
    assert await read_blob(services, digest) == content[:size]
    assert s3_server.contents(location) == [size]


async def test_nothing_is_left_of_uploads_that_fail(
    services: Services, content: bytes, s3_server: S3Server, location: S3Location
) -> None:
    async def begun() -> UUID:
        upload = await services.uploads.start(NAME)
        await services.uploads.append(NAME, upload, body(content[: PART + 1]), chunk=None)
        return upload

    await services.uploads.cancel(NAME, await begun())
    with pytest.raises(DigestMismatch):
        await services.uploads.finish(NAME, await begun(), Digest.of(b"other"), body(), chunk=None)
    with pytest.raises(DigestMismatch):
        await services.uploads.push(NAME, Digest.of(b"other"), body(content))
    await clean(services)
    assert s3_server.contents(location) == []


async def test_an_upload_that_the_storage_has_lost_is_unknown(
    services: Services, sql: asyncpg.Connection, store: BlobStore, content: bytes
) -> None:
    upload = await services.uploads.start(NAME)
    await services.uploads.append(NAME, upload, body(content[: 2 * PART]), chunk=None)
    await store.delete(StorageKey(await sql.fetchval("SELECT storage_key FROM uploads")))
    with pytest.raises(UploadUnknown):
        await services.uploads.append(NAME, upload, body(content[2 * PART :]), chunk=None)


async def test_more_parts_than_s3_takes_are_refused(
    services: Services, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_writer, "_PARTS", 2)
    upload = await services.uploads.start(NAME)
    with pytest.raises(BlobTooLarge) as caught:
        await services.uploads.append(NAME, upload, body(content), chunk=None)
    assert caught.value.detail == {"limit": 2 * PART}
