"""Heads of the audit log in a bucket: each is made once, and lies where no blob does."""

from __future__ import annotations

import pytest

from mediatypes.ranges import ByteRange
from registry.storage.base import StorageError, new_key
from registry.storage.s3 import S3Store
from registry.storage.s3_bucket import Bucket
from registry.storage.s3_heads import S3Heads
from tests.s3_servers import S3Server


async def test_heads_are_objects_below_the_prefix_in_the_order_of_their_batches(s3_server: S3Server) -> None:
    location = s3_server.make_bucket()
    store = S3Store(location)
    await store.heads.put(9, b"nine\n")
    await store.heads.put(10, b"ten\n")
    await store.close()
    client = s3_server.client
    names = [found["Key"] for found in client.list_objects_v2(Bucket=location.bucket)["Contents"]]
    assert names == [f"some/prefix/audit/heads/{number:020}.json" for number in (9, 10)]
    assert client.get_object(Bucket=location.bucket, Key=names[1])["Body"].read() == b"ten\n"
    client.close()


async def test_a_head_is_never_replaced_and_another_of_its_number_is_said(s3_server: S3Server) -> None:
    bucket = Bucket(s3_server.make_bucket())
    heads = S3Heads(bucket)
    await heads.put(1, b"first\n")
    await heads.put(1, b"first\n")  # again, after an answer that was lost
    for other in (b"other\n", b"first\nand more\n", b"first"):
        with pytest.raises(StorageError, match=r"another head of batch 1 .* verify --head"):
            await heads.put(1, other)
    name = f"{bucket.location.prefix}audit/heads/{1:020}.json"
    body = await bucket.opened(name, 0, 100)
    assert await bucket.read(body, 100) == b"first\n"
    body.close()
    bucket.close()


async def test_deleting_blobs_leaves_heads_alone(s3_server: S3Server) -> None:
    store = S3Store(s3_server.make_bucket())
    await store.heads.put(1, b"first\n")
    key = new_key()
    writer = await store.open_writer(key, size=3)
    await writer.write(b"abc")
    await writer.commit()
    assert [piece async for piece in store.read(key, ByteRange(0, 3))] == [b"abc"]
    await store.delete(key)
    await store.heads.put(1, b"first\n")  # would make another one, were it gone
    with pytest.raises(StorageError, match="another head"):
        await store.heads.put(1, b"other\n")
    await store.close()
