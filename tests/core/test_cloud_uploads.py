"""Uploads to Azure and Google Cloud Storage: segments, requests that end in the midst of one, and a second node."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
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
from registry.errors import BodyIncomplete, DigestMismatch, Unavailable, UploadOutOfOrder, UploadUnknown
from registry.storage import cloud_writer
from registry.storage.base import BlobStore, ObjectExists, ObjectMissing, StorageError, StorageKey, new_key
from registry.storage.cloud import CloudStore
from registry.storage.cloud_container import Container
from tests.cloud_servers import CloudServer, Location
from tests.core.support import NAME, Gate, body, clean, read_blob, vanishing

SEGMENT = 100_000  # bytes
END = 1000  # bytes that no segment is made for


@pytest.fixture
def location(cloud_server: CloudServer) -> Location:
    return cloud_server.make_location()


@pytest.fixture
async def store(location: Location, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[BlobStore]:
    monkeypatch.setattr(cloud_writer, "_SEGMENT", SEGMENT)
    monkeypatch.setattr(cloud_writer, "_LARGEST_END", END)
    made = CloudStore(location)
    yield made
    await made.close()


@pytest.fixture
async def other_store(location: Location) -> AsyncIterator[BlobStore]:
    """Return the store of a second node, which sees nothing of the first but what lies there."""
    made = CloudStore(location)
    yield made
    await made.close()


@pytest.fixture
def other_services(settings: Settings, other_database: Database, other_store: BlobStore) -> Services:
    return create_services(settings, other_database, other_store)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Return the names of all objects that are sent, with the bytes of each."""
    found: list[tuple[str, int]] = []
    for kind in ("put", "create"):
        send = getattr(Container, kind)

        async def note(self: Container, name: str, content: bytes, send: Callable[..., Awaitable[None]] = send) -> None:
            found.append((name, len(content)))
            await send(self, name, content)

        monkeypatch.setattr(Container, kind, note)
    return found


@pytest.fixture
def content() -> bytes:
    return random.Random(7).randbytes(3 * SEGMENT + 12_345)


async def stored(store: BlobStore, key: StorageKey, size: int) -> bytes:
    return b"".join([piece async for piece in store.read(key, ByteRange(0, size))])


async def test_chunks_that_alternate_between_nodes_are_sent_once_and_never_copied(
    services: Services,
    other_services: Services,
    content: bytes,
    cloud_server: CloudServer,
    location: Location,
    sent: list[tuple[str, int]],
) -> None:
    upload = await services.uploads.start(NAME)
    sizes = [1, END, SEGMENT - END - 2, SEGMENT + 5, 7, END + 1, 2 * SEGMENT]
    position = 0
    for number, size in enumerate(sizes):
        node = (services, other_services)[number % 2]
        chunk = content[position : position + size]
        assert await node.uploads.append(NAME, upload, body(chunk), chunk=None) == position + len(chunk)
        position += len(chunk)
    assert position == len(content)
    await other_services.uploads.finish(NAME, upload, Digest.of(content), body(), chunk=None)
    assert await read_blob(services, Digest.of(content)) == content
    assert cloud_server.contents(location) == [len(content)]
    assert len({name for name, _ in sent}) == len(sent)
    assert len(content) < sum(size for _, size in sent) < len(content) + 500  # the description


@pytest.mark.parametrize("size", [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT])
async def test_a_blob_of_one_request_is_segments_and_one_object(
    services: Services, content: bytes, cloud_server: CloudServer, location: Location, size: int
) -> None:
    digest = Digest.of(content[:size])
    await services.uploads.push(NAME, digest, body(content[:size]), length=size)
    assert await read_blob(services, digest) == content[:size]
    assert cloud_server.contents(location) == [size]
    assert len(cloud_server.objects(location)) == size // SEGMENT + 1


async def test_many_small_chunks_make_few_objects(
    services: Services, other_services: Services, content: bytes, cloud_server: CloudServer, location: Location
) -> None:
    upload = await services.uploads.start(NAME)
    for start in range(0, 3000, 100):
        node = (services, other_services)[start % 200 // 100]
        await node.uploads.append(NAME, upload, body(content[start : start + 100]), chunk=None)
    assert list(cloud_server.objects(location).values()) == [END + 100, END + 100]
    await services.uploads.finish(NAME, upload, Digest.of(content[:3000]), body(), chunk=None)
    assert await read_blob(other_services, Digest.of(content[:3000])) == content[:3000]


async def test_what_came_before_a_client_vanished_is_kept_for_another_node(
    services: Services, other_services: Services, content: bytes, cloud_server: CloudServer, location: Location
) -> None:
    upload = await services.uploads.start(NAME)
    with pytest.raises(BodyIncomplete):
        await services.uploads.append(NAME, upload, vanishing(content[: SEGMENT + 99]), chunk=None)
    assert await other_services.uploads.status(NAME, upload) == SEGMENT + 99
    await other_services.uploads.finish(NAME, upload, Digest.of(content), body(content[SEGMENT + 99 :]), chunk=None)
    assert await read_blob(services, Digest.of(content)) == content
    assert cloud_server.contents(location) == [len(content)]


async def test_a_node_that_was_overtaken_does_no_harm(
    services: Services,
    other_services: Services,
    sql: asyncpg.Connection,
    content: bytes,
    cloud_server: CloudServer,
    location: Location,
) -> None:
    """The first makes segments of its own until it notices."""
    upload = await services.uploads.start(NAME)
    gate = Gate()
    wrong = bytes(2 * SEGMENT + 1)

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
    assert cloud_server.contents(location) == [len(content)]


async def test_what_a_node_left_that_died_is_removed_when_another_has_made_the_blob(
    store: BlobStore, other_store: BlobStore, content: bytes, cloud_server: CloudServer, location: Location
) -> None:
    key = new_key()
    dead = await store.open_writer(key, epoch=1)
    await dead.write(content[: SEGMENT + 1])
    state = await dead.save()
    await dead.write(bytes(2 * SEGMENT))
    await dead.close()
    writer = await other_store.open_writer(key, offset=SEGMENT + 1, state=state, epoch=2)
    await writer.write(content[SEGMENT + 1 :])
    assert await writer.commit()
    assert sorted(cloud_server.contents(location)) == [SEGMENT, SEGMENT, len(content)]
    await writer.tidy()
    assert cloud_server.contents(location) == [len(content)]
    assert await stored(store, key, len(content)) == content


@pytest.mark.parametrize("size", [5, 2 * SEGMENT], ids=["one object", "segments"])
async def test_an_overtaken_writer_that_commits_last_changes_no_blob(
    store: BlobStore, other_store: BlobStore, cloud_server: CloudServer, location: Location, size: int
) -> None:
    key = new_key()
    late = await store.open_writer(key, epoch=1)
    await late.write(b"e" * size)
    writer = await other_store.open_writer(key, epoch=2)
    await writer.write(b"g" * size)
    assert await writer.commit()
    assert not await late.commit()
    await late.tidy()
    assert await stored(store, key, size) == b"g" * size
    assert cloud_server.contents(location) == [size]


async def test_an_overtaken_writer_with_other_bytes_commits_nothing(store: BlobStore, other_store: BlobStore) -> None:
    key = new_key()
    late = await store.open_writer(key, epoch=1)
    await late.write(b"longer")
    writer = await other_store.open_writer(key, epoch=2)
    await writer.write(b"short")
    assert await writer.commit()
    with pytest.raises(ObjectMissing):
        await late.commit()
    await late.close()
    assert await stored(store, key, 5) == b"short"


async def test_of_an_overtaken_finish_with_more_bytes_nothing_is_left(
    services: Services,
    other_services: Services,
    sql: asyncpg.Connection,
    content: bytes,
    cloud_server: CloudServer,
    location: Location,
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
    assert cloud_server.contents(location) == [len(content)]


async def test_no_other_bytes_than_those_that_were_pushed_become_a_blob(
    services: Services, other_services: Services, sql: asyncpg.Connection, content: bytes
) -> None:
    """A node that was overtaken makes the object, of other bytes, before the one that has the upload by now."""
    upload, wrong = await services.uploads.start(NAME), content[:SEGMENT] + b"w" * SEGMENT
    right = content[:SEGMENT] + b"r" * SEGMENT
    await services.uploads.append(NAME, upload, body(content[:SEGMENT]), chunk=None)
    gates = Gate(), Gate()

    async def finish(node: Services, gate: Gate, pushed: bytes) -> None:
        await node.uploads.finish(NAME, upload, Digest.of(pushed), gate.body(pushed[SEGMENT:]), chunk=None)

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


async def test_a_state_of_a_version_to_come_is_kept(store: BlobStore) -> None:
    """The node that wrote it can go on with it; of who can't read it nothing is ended."""
    with pytest.raises(StorageError, match="of another version") as caught:
        await store.open_writer(new_key(), offset=1, state=b"\xc1")
    assert not isinstance(caught.value, ObjectMissing)


async def test_a_commit_whose_answer_was_lost_is_known_as_ones_own(
    store: BlobStore, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library repeats a request that got no answer, and is told that the object is there."""
    key = new_key()
    writer = await store.open_writer(key)
    await writer.write(content)
    create = Container.create

    async def repeated(self: Container, name: str, content: bytes) -> None:
        await create(self, name, content)
        await create(self, name, content)

    monkeypatch.setattr(Container, "create", repeated)
    assert await writer.commit()
    assert await stored(store, key, len(content)) == content


async def test_a_finish_that_meets_a_conflict_without_an_object_can_be_repeated(
    services: Services, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """Either service answers 409 for other reasons too; nothing is lost then."""
    upload = await services.uploads.start(NAME)
    await services.uploads.append(NAME, upload, body(content[: 2 * SEGMENT]), chunk=None)

    async def conflict(*_: object) -> None:
        raise ObjectExists

    with monkeypatch.context() as patch:
        patch.setattr(Container, "create", conflict)
        with pytest.raises(StorageError):
            await services.uploads.finish(NAME, upload, Digest.of(content), body(content[2 * SEGMENT :]), chunk=None)
    await services.uploads.finish(NAME, upload, Digest.of(content), body(content[2 * SEGMENT :]), chunk=None)
    assert await read_blob(services, Digest.of(content)) == content


@pytest.mark.parametrize("size", [5, SEGMENT, SEGMENT + 5], ids=["end", "segment", "segment and end"])
async def test_a_finish_that_could_not_be_recorded_can_be_repeated(
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    cloud_server: CloudServer,
    location: Location,
    size: int,
) -> None:
    upload, digest = await services.uploads.start(NAME), Digest.of(content[:size])
    await services.uploads.append(NAME, upload, body(content[: size - 3]), chunk=None)

    async def away(*_: object, **__: object) -> bool:
        raise Unavailable("the database")

    with monkeypatch.context() as patch:
        patch.setattr(blobs, "insert", away)
        with pytest.raises(Unavailable):
            await services.uploads.finish(NAME, upload, digest, body(content[size - 3 : size]), chunk=None)
    await services.uploads.finish(NAME, upload, digest, body(content[size - 3 : size]), chunk=None)
    assert await read_blob(services, digest) == content[:size]
    assert cloud_server.contents(location) == [size]


async def test_nothing_is_left_of_uploads_that_fail(
    services: Services, content: bytes, cloud_server: CloudServer, location: Location
) -> None:
    async def begun() -> UUID:
        upload = await services.uploads.start(NAME)
        await services.uploads.append(NAME, upload, body(content[: SEGMENT + 1]), chunk=None)
        return upload

    await services.uploads.cancel(NAME, await begun())
    with pytest.raises(DigestMismatch):
        await services.uploads.finish(NAME, await begun(), Digest.of(b"other"), body(), chunk=None)
    with pytest.raises(DigestMismatch):
        await services.uploads.push(NAME, Digest.of(b"other"), body(content))
    await clean(services)
    assert cloud_server.objects(location) == {}


async def test_an_upload_that_the_storage_has_lost_is_unknown(
    services: Services, sql: asyncpg.Connection, store: BlobStore, content: bytes
) -> None:
    upload = await services.uploads.start(NAME)
    await services.uploads.append(NAME, upload, body(content[: 2 * SEGMENT]), chunk=None)
    await store.delete(StorageKey(await sql.fetchval("SELECT storage_key FROM uploads")))
    with pytest.raises(UploadUnknown):
        await services.uploads.finish(NAME, upload, Digest.of(content), body(content[2 * SEGMENT :]), chunk=None)


@pytest.mark.parametrize("is_shorter", [True, False], ids=["shorter", "gone"])
async def test_a_blob_whose_segment_is_lost_is_missing_and_is_made_anew_by_the_next_push(
    services: Services,
    store: CloudStore,
    content: bytes,
    cloud_server: CloudServer,
    location: Location,
    is_shorter: bool,
) -> None:
    digest = Digest.of(content)
    await services.uploads.push(NAME, digest, body(content), length=len(content))
    container = Container(location)
    segment = next(name for name, size in cloud_server.objects(location).items() if size == SEGMENT)
    name = segment.removeprefix(location.prefix)
    await (container.put(name, bytes(9)) if is_shorter else container.delete(name))
    container.close()
    with pytest.raises(ObjectMissing):
        await read_blob(services, digest)
    await services.uploads.push(NAME, digest, body(content), length=len(content))
    assert await read_blob(services, digest) == content
