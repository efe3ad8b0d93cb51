"""Uploads to S3: parts, the ends of requests that are no whole part, and a second node that goes on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from mediatypes.digest import Digest
from mediatypes.ranges import ByteRange
from registry.compose.verbs import create_services
from registry.config import Settings
from registry.core.services import Services
from registry.db import blobs
from registry.db.pool import Database
from registry.errors import BlobTooLarge, BodyIncomplete, DigestMismatch, Unavailable, UploadOutOfOrder, UploadUnknown
from registry.storage import s3_writer
from registry.storage.base import BlobStore, ObjectMissing, StorageError, StorageKey, new_key
from registry.storage.s3 import S3Store
from registry.storage.s3_bucket import Bucket
from registry.storage.s3_writer import UploadState
from registry.storage_url import S3Location
from tests import s3_servers
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


async def test_of_two_that_share_an_upload_one_is_told_that_the_blob_is_not_its_own(
    store: BlobStore, location: S3Location
) -> None:
    """Versitygw says to both that all is well."""
    key, other = new_key(), S3Store(location)
    late = await store.open_writer(key, epoch=1)
    await late.write(b"s" * PART)
    state = await late.save()
    writer = await other.open_writer(key, offset=PART, state=state, epoch=2)
    await late.write(b"e" * PART)
    await writer.write(b"g" * PART)
    assert [await late.commit(), await writer.commit()] == [True, False]
    pieces = [piece async for piece in store.read(key, ByteRange(PART, 2 * PART))]
    assert b"".join(pieces) == b"e" * PART
    await other.close()


async def test_no_other_bytes_than_those_that_were_pushed_become_a_blob(
    services: Services, other_services: Services, sql: asyncpg.Connection, content: bytes
) -> None:
    """A node that was overtaken makes the object, of other bytes, before the one that has the upload by now."""
    upload, wrong = await services.uploads.start(NAME), content[:PART] + b"w" * PART
    right = content[:PART] + b"r" * PART
    await services.uploads.append(NAME, upload, body(content[:PART]), chunk=None)
    gates = Gate(), Gate()

    async def finish(node: Services, gate: Gate, pushed: bytes) -> None:
        await node.uploads.finish(NAME, upload, Digest.of(pushed), gate.body(pushed[PART:]), chunk=None)

    tasks = []
    for node, gate, pushed in zip((services, other_services), gates, (wrong, right), strict=True):
        tasks.append(asyncio.create_task(finish(node, gate, pushed)))
        await gate.arrival()
        await sql.execute("UPDATE uploads SET lease_until = now() - interval '1 second'")
    await sql.execute("UPDATE uploads SET lease_until = now() + interval '10 seconds'")
    for gate, task in zip(gates, tasks, strict=True):
        gate.open()
        await asyncio.wait([task])
    assert isinstance(tasks[0].exception(), UploadOutOfOrder)
    assert isinstance(tasks[1].exception(), DigestMismatch)
    assert await sql.fetchval("SELECT count(*) FROM blobs") == 0


async def test_an_object_that_is_not_there_after_its_assembly_is_not_taken_for_made(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Versitygw says so to a second request while it is at the first."""
    writer = await store.open_writer(new_key(), size=2 * PART)
    await writer.write(bytes(2 * PART))
    call = Bucket.call

    async def early(bucket: Bucket, operation: str, **parameters: Any) -> Any:
        return await call(bucket, operation, **{**parameters, "Key": "elsewhere"})

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "call", early)
        with pytest.raises(StorageError, match="still assembling") as caught:
            await writer.commit()
    assert not isinstance(caught.value, ObjectMissing)  # the upload would be given up
    await writer.close()


async def test_an_end_that_was_spoiled_in_s3_ends_the_upload(
    services: Services, s3_server: S3Server, location: S3Location, content: bytes
) -> None:
    upload = await services.uploads.start(NAME)
    await services.uploads.append(NAME, upload, body(content[:1000]), chunk=None)
    (name,) = await asyncio.to_thread(names, s3_server, location)
    client = s3_server.client
    await asyncio.to_thread(client.put_object, Bucket=location.bucket, Key=name, Body=b"x" * 1000)
    client.close()
    with pytest.raises(UploadUnknown):
        await services.uploads.finish(NAME, upload, Digest.of(content), body(content[1000:]), chunk=None)


async def test_of_an_overtaken_finish_with_more_bytes_nothing_is_left(
    services: Services,
    other_services: Services,
    sql: asyncpg.Connection,
    content: bytes,
    s3_server: S3Server,
    location: S3Location,
) -> None:
    upload, gate = await services.uploads.start(NAME), Gate()

    async def overtaken() -> None:
        longer = gate.body(content[:10], then=(content[10:], b"x"))
        with pytest.raises((UploadUnknown, UploadOutOfOrder)):
            await services.uploads.finish(NAME, upload, Digest.of(content), longer, chunk=None)

    first = asyncio.create_task(overtaken())
    await gate.arrival()
    await sql.execute("UPDATE uploads SET lease_until = now() - interval '1 second'")
    await other_services.uploads.finish(NAME, upload, Digest.of(content), body(content), chunk=None)
    gate.open()
    await first
    assert await read_blob(services, Digest.of(content)) == content
    assert s3_server.contents(location) == [len(content)]


async def test_chunks_out_of_order_use_up_no_part_numbers(services: Services, sql: asyncpg.Connection) -> None:
    upload = await services.uploads.start(NAME)
    for _ in range(3):
        with pytest.raises(UploadOutOfOrder) as caught:
            await services.uploads.append(NAME, upload, body(b"x"), chunk=ByteRange(1, 2))
        assert "the chunk begins at 1" in str(caught.value)
    assert await sql.fetchval("SELECT lease_epoch FROM uploads") == 0


async def test_a_state_of_a_version_to_come_is_kept(store: BlobStore) -> None:
    """The node that wrote it can go on with it; of who can't read it nothing is ended."""
    with pytest.raises(StorageError, match="of another version") as caught:
        await store.open_writer(new_key(), offset=1, state=b"\xc1")
    assert not isinstance(caught.value, ObjectMissing)


def test_a_state_that_was_saved_once_can_be_read_for_ever() -> None:
    saved = bytes.fromhex("99ce0400000002c3c2a15503919301a3226522a3637263a52e7461696c90")
    known = UploadState.decode(saved, 0)
    assert (known.part_size, known.epoch, known.upload_id, known.next_number) == (64 << 20, 2, "U", 3)
    assert [(part.number, part.etag, part.crc32) for part in known.parts] == [(1, '"e"', "crc")]


@pytest.mark.parametrize(
    ("size", "last"),
    [(5, 0), (PART, 0), (PART + 5, 0), (3 * PART + 5, 2 * PART + 5)],
    ids=["end", "part", "part and end", "more parts"],
)
async def test_a_finish_that_could_not_be_recorded_can_be_repeated(
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    s3_server: S3Server,
    location: S3Location,
    size: int,
    last: int,
) -> None:
    upload, digest = await services.uploads.start(NAME), Digest.of(content[:size])
    await services.uploads.append(NAME, upload, body(content[: size - last]), chunk=None)
    rest = content[size - last : size]

    async def away(*_: object, **__: object) -> bool:
        raise Unavailable("the database")

    with monkeypatch.context() as patch:
        patch.setattr(blobs, "insert", away)
        with pytest.raises(Unavailable):
            await services.uploads.finish(NAME, upload, digest, body(rest), chunk=None)
    await services.uploads.finish(NAME, upload, digest, body(rest), chunk=None)
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


async def test_parts_that_grow_are_gone_on_with_by_another_node(
    settings: Settings,
    database: Database,
    other_database: Database,
    location: S3Location,
    content: bytes,
    s3_server: S3Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(s3_writer, "_PART", PART)
    monkeypatch.setattr(s3_writer, "_GROWS_AFTER", 1)
    first, second = (S3Store(replace(location, growing_parts=True)) for _ in range(2))
    nodes = create_services(settings, database, first), create_services(settings, other_database, second)
    upload, position = await nodes[0].uploads.start(NAME), 0
    for number, size in enumerate([PART - 1, 2, PART, PART, len(content)]):
        chunk = content[position : position + size]
        position = await nodes[number % 2].uploads.append(NAME, upload, body(chunk), chunk=None)
    await nodes[1].uploads.finish(NAME, upload, Digest.of(content), body(), chunk=None)
    assert await read_blob(nodes[0], Digest.of(content)) == content
    assert s3_server.contents(location) == [len(content)]
    if s3_server.name != "moto":  # of whose objects nobody is told the parts
        assert await asyncio.to_thread(part_sizes, s3_server, location) == [PART, 2 * PART, 12_345]
    await first.close()
    await second.close()


def part_sizes(server: S3Server, location: S3Location) -> list[int]:
    """Return the sizes of the parts that the one object in the bucket was assembled of."""
    client = server.client
    (found,) = client.list_objects_v2(Bucket=location.bucket)["Contents"]
    named = {"Bucket": location.bucket, "Key": found["Key"]}
    count = client.head_object(**named, PartNumber=1)["PartsCount"]
    sizes = [client.head_object(**named, PartNumber=number)["ContentLength"] for number in range(1, count + 1)]
    client.close()
    return sizes


@pytest.mark.parametrize("index", [0, 1, 999, 1000, 1001, 2500, 5000, 9999])
def test_growing_parts_begin_where_those_before_them_end(index: int) -> None:
    state = UploadState(64 << 20, grows=True)
    assert state.start_of(index) == sum(map(state.size_of, range(index)))
    for position in (state.start_of(index), state.start_of(index + 1) - 1):
        assert state.part_end(position) == state.start_of(index + 1)
    assert state.start_of(10_000) > 6 << 40


async def test_a_request_without_bytes_or_out_of_order_fetches_nothing(
    services: Services, content: bytes, s3_server: S3Server, location: S3Location
) -> None:
    upload = await services.uploads.start(NAME)
    await services.uploads.append(NAME, upload, body(content[: PART + 7]), chunk=None)
    before = await asyncio.to_thread(names, s3_server, location)
    assert await services.uploads.append(NAME, upload, body(), chunk=None) == PART + 7
    with pytest.raises(UploadOutOfOrder):
        await services.uploads.append(NAME, upload, body(b"later"), chunk=ByteRange(PART + 8, PART + 13))
    assert await asyncio.to_thread(names, s3_server, location) == before
    await services.uploads.finish(NAME, upload, Digest.of(content), body(content[PART + 7 :]), chunk=None)
    assert await read_blob(services, Digest.of(content)) == content
    assert s3_server.contents(location) == [len(content)]


def names(server: S3Server, location: S3Location) -> list[str]:
    client = server.client
    found = client.list_objects_v2(Bucket=location.bucket)["Contents"]
    client.close()
    return [item["Key"] for item in found]


async def test_of_a_node_that_notices_after_the_commit_nothing_is_left(
    services: Services,
    other_services: Services,
    sql: asyncpg.Connection,
    content: bytes,
    s3_server: S3Server,
    location: S3Location,
) -> None:
    """It begins a multipart upload that no state names when the blob is there already."""
    upload = await services.uploads.start(NAME)
    gate = Gate()

    async def overtaken() -> None:
        with pytest.raises(UploadUnknown):
            await services.uploads.append(NAME, upload, gate.body(b"first", then=(content,)), chunk=None)

    first = asyncio.create_task(overtaken())
    await gate.arrival()
    await sql.execute("UPDATE uploads SET lease_until = now() - interval '1 second'")
    await other_services.uploads.finish(NAME, upload, Digest.of(content), body(content), chunk=None)
    gate.open()
    await first
    assert await read_blob(services, Digest.of(content)) == content
    assert s3_server.contents(location) == [len(content)]


async def test_what_is_written_is_encrypted_as_the_location_says(tmp_path: Path, content: bytes) -> None:
    with s3_servers.running("moto", tmp_path / "moto") as server:  # the one here that takes each kind
        location = server.make_bucket()
        store = S3Store(replace(location, encryption="aws:kms", kms_key="alias/models"))
        for size in (5, 2 * PART):  # at once, and in parts
            writer = await store.open_writer(new_key(), size=size)
            await writer.write(content[:size])
            await writer.commit()
        writer = await store.open_writer(new_key())
        await writer.write(b"the end of an unfinished upload")
        await writer.save()
        await writer.close()
        await store.close()
        assert await asyncio.to_thread(encryptions, server, location) == [("aws:kms", "alias/models")] * 3


def encryptions(server: S3Server, location: S3Location) -> list[tuple[str, str]]:
    client = server.client
    heads = [client.head_object(Bucket=location.bucket, Key=name) for name in names(server, location)]
    client.close()
    return [(head["ServerSideEncryption"], head["SSEKMSKeyId"]) for head in heads]
