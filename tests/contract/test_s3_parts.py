"""Blobs of several parts in S3: how they are cut, how writers go on with each other's parts, and what is left of them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from mediatypes.ranges import ByteRange
from registry.storage.base import (
    BlobStore,
    BlobWriter,
    ObjectExists,
    ObjectMissing,
    StorageError,
    StorageKey,
    new_key,
    place_of,
)
from registry.storage.s3 import S3Store
from registry.storage.s3_bucket import Bucket, spool_of
from registry.storage_url import S3Location
from tests.s3_servers import CREDENTIALS, S3Server

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

MIB = 1 << 20
PART = 8 * MIB  # bytes of a part where the blob's size is known
UNKNOWN_PART = 64 * MIB  # and where it isn't
SMALLEST = 5 * MIB  # bytes; S3 takes no smaller part but the last


@dataclass(frozen=True)
class Cluster:
    """The stores of two nodes that share nothing but a bucket, and a client that shares nothing with either."""

    one: S3Store
    other: S3Store
    client: S3Client
    location: S3Location

    def sizes(self, key: StorageKey) -> list[int]:
        """Return the sizes of a key's objects: the blob, and what lies beside it."""
        found = self.client.list_objects_v2(Bucket=self.location.bucket, Prefix=self._name(key))
        return sorted(item["Size"] for item in found.get("Contents", []))

    def parts(self, key: StorageKey) -> list[list[int]]:
        """Return the sizes of the parts of each unfinished upload of a key, by part number."""
        place = {"Bucket": self.location.bucket, "Key": self._name(key)}
        found = self.client.list_multipart_uploads(Bucket=place["Bucket"], Prefix=place["Key"]).get("Uploads", [])
        listed = [self.client.list_parts(**place, UploadId=upload["UploadId"]).get("Parts", []) for upload in found]
        return [[part["Size"] for part in parts] for parts in listed]

    def _name(self, key: StorageKey) -> str:
        return self.location.prefix + place_of(key)


@pytest.fixture(scope="module")
def cluster(s3_server: S3Server) -> Iterator[Cluster]:
    location = s3_server.make_bucket()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        made = Cluster(S3Store(location), S3Store(location), s3_server.client, location)
    yield made
    for node in (made.one, made.other):
        asyncio.run(node.close())
    made.client.close()


@pytest.fixture(scope="module")
def content() -> bytes:
    return random.Random(8).randbytes(3 * PART + 12_345)


async def read(store: BlobStore, key: StorageKey, size: int) -> bytes:
    async with contextlib.aclosing(store.read(key, ByteRange(0, size))) as pieces:
        return b"".join([piece async for piece in pieces])


async def test_an_object_that_is_there_is_refused_whenever_its_bytes_come(s3_server: S3Server) -> None:
    """S3 may end the connection then before its answer can be read."""
    bucket, content = Bucket(s3_server.make_bucket()), bytes(7 << 20)
    for attempt in range(12):
        with spool_of(content) as spool, pytest.raises(ObjectExists) if attempt else contextlib.nullcontext():
            await bucket.put("some/prefix/x", spool, IfNoneMatch="*")
    bucket.close()


@pytest.mark.parametrize("size", [PART, 3 * PART + 12_345])
async def test_a_blob_of_known_size_is_cut_into_parts_of_8_mib(cluster: Cluster, content: bytes, size: int) -> None:
    store, key = cluster.one, new_key()
    writer = await store.open_writer(key, size=size)
    for start in range(0, size, 777_777):
        await writer.write(content[start : min(start + 777_777, size)])
    await writer.save()
    assert cluster.parts(key) == [[PART] * (size // PART)]
    assert await writer.commit()
    await writer.tidy()
    assert await read(store, key, size) == content[:size]
    assert cluster.sizes(key) == [size]
    await store.delete(key)
    assert cluster.sizes(key) == []


async def test_a_blob_of_unknown_size_is_cut_into_parts_of_64_mib(cluster: Cluster, content: bytes) -> None:
    store, key = cluster.one, new_key()
    writer = await store.open_writer(key)
    whole = (content * 3)[: UNKNOWN_PART + 5]
    await writer.write(whole[: PART + 1])
    await writer.write(whole[PART + 1 :])
    await writer.save()
    assert cluster.parts(key) == [[UNKNOWN_PART]]
    assert await writer.commit()
    await writer.tidy()
    assert await read(store, key, len(whole)) == whole
    assert cluster.sizes(key) == [len(whole)]
    await store.delete(key)


async def test_what_fills_several_pages_of_a_list_is_deleted_to_the_last(cluster: Cluster) -> None:
    store, key = S3Store(cluster.location), new_key()
    bucket, name = store._bucket, store._name(key)
    events = bucket._client.meta.events
    events.register("provide-client-params.s3.ListObjectsV2", lambda params, **_: {**params, "MaxKeys": 1})
    for number in range(3):
        await bucket.call("put_object", Key=f"{name}.{number}", Body=b"x")
    await store.delete(key)
    assert cluster.sizes(key) == []
    await store.close()


@pytest.mark.parametrize("size", [1, PART, 2 * PART - 1, 2 * PART + SMALLEST])
async def test_what_was_saved_is_durable_and_another_node_goes_on_with_it(
    cluster: Cluster, content: bytes, size: int
) -> None:
    """At the end of a part or inside one. Nobody closes the first writer: its node has died."""
    store, other, key = cluster.one, cluster.other, new_key()
    writer = await store.open_writer(key, size=len(content), epoch=1)
    await writer.write(content[:size])
    state = await writer.save(last=True)
    end = [size % PART] if size % PART else []
    assert cluster.parts(key) == ([[PART] * (size // PART)] if size >= PART else [])
    assert cluster.sizes(key) == end
    resumed = await other.open_writer(key, offset=size, state=state, epoch=2)
    assert resumed.offset == size
    await resumed.write(content[size:])
    assert await resumed.commit()
    await resumed.tidy()
    assert await read(other, key, len(content)) == content
    assert cluster.sizes(key) == [len(content)]
    await writer.close()
    await other.delete(key)
    assert cluster.sizes(key) == []


async def test_many_requests_that_end_below_the_smallest_part_make_parts_of_equal_size(
    cluster: Cluster, content: bytes
) -> None:
    key, state, position = new_key(), b"", 0
    lengths = itertools.cycle([1, 1_300_000, 17, SMALLEST - 1, 3, 2_000_000])
    for number, length in enumerate(lengths, 1):
        writer = await (cluster.one, cluster.other)[number % 2].open_writer(
            key, offset=position, state=state, size=len(content) if number == 1 else None, epoch=number
        )
        await writer.write(content[position : position + length])
        position = writer.offset
        state = await writer.save(last=True)
        await writer.close()
        whole, end = divmod(position, PART)
        assert cluster.parts(key) == ([[PART] * whole] if whole else [])
        objects = cluster.sizes(key)
        assert not end or end in objects
        assert len(objects) <= 2  # the end, and the one before it until it is known that no state names it
        if position == len(content):
            break
    last = await cluster.one.open_writer(key, offset=position, state=state, epoch=number + 1)
    assert await last.commit()
    await last.tidy()
    assert await read(cluster.other, key, len(content)) == content
    assert cluster.sizes(key) == [len(content)]
    await cluster.other.delete(key)
    assert cluster.sizes(key) == []


@pytest.mark.parametrize("saved", [0, PART, 2 * PART - 1])
async def test_a_writer_that_notices_that_it_was_overtaken_leaves_nothing(
    cluster: Cluster, content: bytes, saved: int
) -> None:
    """Both send parts by turns; the state that the first saves at last is not kept."""
    late, writer, key = await overtaken(cluster, content, saved)
    for start in range(saved, len(content), PART):
        await late.write(bytes(PART))
        await writer.write(content[start : start + PART])
    await late.write(b"end")
    await late.save()
    await late.withdraw()
    await late.close()
    assert cluster.sizes(key) == ([saved % PART] if saved % PART else [])
    assert len(cluster.parts(key)) == 1
    assert await writer.commit()
    await writer.tidy()
    assert cluster.sizes(key) == [len(content)]
    assert cluster.parts(key) == []
    assert await read(cluster.one, key, len(content)) == content
    await cluster.one.delete(key)


@pytest.mark.parametrize("saved", [0, PART, 2 * PART - 1])
async def test_an_overtaken_writer_that_sends_parts_until_after_the_commit_changes_no_byte(
    cluster: Cluster, content: bytes, saved: int
) -> None:
    late, writer, key = await overtaken(cluster, content, saved)
    for start in range(saved, len(content), PART):
        await late.write(bytes(PART))
        await writer.write(content[start : start + PART])
    await late.write(bytes(PART))
    assert await writer.commit()
    await writer.tidy()
    with contextlib.suppress(StorageError):  # the upload may be gone
        await late.write(bytes(2 * PART))
    with pytest.raises(ObjectMissing):
        await late.commit()
    assert await read(cluster.one, key, len(content)) == content
    await late.close()
    await cluster.other.delete(key)
    assert cluster.sizes(key) == []
    assert cluster.parts(key) == []


async def test_of_an_unfinished_upload_nothing_is_left_when_it_is_deleted(cluster: Cluster, content: bytes) -> None:
    key = new_key()
    writer = await cluster.one.open_writer(key, size=len(content))
    await writer.write(content[: 2 * PART + 1])
    await writer.save(last=True)
    await writer.close()
    assert cluster.sizes(key) == [1]
    assert cluster.parts(key) == [[PART, PART]]
    await cluster.other.delete(key)
    assert cluster.sizes(key) == []
    assert cluster.parts(key) == []


@pytest.mark.parametrize("end", ["close", "commit"])
async def test_a_deletion_while_a_part_is_on_its_way_leaves_nothing(cluster: Cluster, content: bytes, end: str) -> None:
    for turns in range(6):
        key = new_key()
        writer = await cluster.one.open_writer(key, size=len(content))
        await writer.write(content[:PART])
        for _ in range(turns):
            await asyncio.sleep(0)
        await cluster.one.delete(key)
        await writer.write(content[PART : 2 * PART + 1])
        await writer.save()
        await getattr(writer, end)()
        assert cluster.sizes(key) == []
        assert cluster.parts(key) == []


async def overtaken(cluster: Cluster, content: bytes, saved: int) -> tuple[BlobWriter, BlobWriter, StorageKey]:
    """Return a writer that has saved so many bytes of the content, and one of the other node that goes on there."""
    key = new_key()
    late = await cluster.one.open_writer(key, size=len(content), epoch=1)
    await late.write(content[:saved])
    state = await late.save()
    return late, await cluster.other.open_writer(key, offset=saved, state=state, size=len(content), epoch=2), key
