"""Answers of S3 that end anywhere, in their heads, too: nothing is taken for missing, and nothing for done, that isn't."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar
from urllib.parse import urlsplit

import pytest

from mediatypes.ranges import ByteRange
from registry.storage import s3_bucket, s3_client
from registry.storage.base import ObjectMissing, StorageError, StorageKey, new_key
from registry.storage.s3 import S3Store
from registry.storage.s3_bucket import spool_of
from registry.storage_url import S3Location
from tests.relay import Relay, relaying
from tests.s3_servers import S3Server

pytestmark = [
    pytest.mark.filterwarnings("ignore:tzname"),  # what dateutil says of half a date
    # botocore forgets a body whose head it can't read.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
T = TypeVar("T")

CONTENT: Final = bytes(range(256)) * 15


@pytest.fixture
def way(s3_server: S3Server) -> Iterator[Relay]:
    with relaying(urlsplit(s3_server.endpoint).port or 0) as relay:
        yield relay


@pytest.fixture
def location(s3_server: S3Server, way: Relay) -> S3Location:
    return replace(s3_server.make_bucket(), endpoint=f"http://127.0.0.1:{way.port}")


@pytest.fixture
async def store(location: S3Location, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[S3Store]:
    monkeypatch.setattr(s3_bucket, "new_client", partial(s3_client.new_client, attempts=1))
    made = S3Store(location)
    yield made
    await made.close()


@pytest.fixture
async def blob(store: S3Store) -> StorageKey:
    return await written(store)


async def written(store: S3Store) -> StorageKey:
    key = new_key()
    writer = await store.open_writer(key)
    await writer.write(CONTENT)
    await writer.commit()
    return key


async def outcomes(store: S3Store, way: Relay, ask: Callable[[], Awaitable[T]]) -> list[T | None]:
    """Return what `ask` comes to where answers end after ever more bytes, until it does its work; None: StorageError."""
    found: list[T | None] = []
    for way.limit in range(
        1, 10_000, 11
    ):  # a server may send the lines of a head in any order, so each run cuts elsewhere
        store._bucket._client.close()  # each time on a connection of its own
        try:
            found.append(await ask())
            if found[-3:] == [found[-1]] * 3 and way.limit > 600:
                break
        except ObjectMissing:
            raise
        except StorageError:
            found.append(None)
    way.limit = None
    return found


async def test_no_cut_answer_says_that_an_object_is_missing_or_of_another_size(
    store: S3Store, way: Relay, blob: StorageKey
) -> None:
    assert set(await outcomes(store, way, lambda: store.holds(blob, len(CONTENT)))) == {True, None}


async def test_no_cut_answer_is_taken_for_an_object_that_is_shorter(
    store: S3Store, way: Relay, blob: StorageKey
) -> None:
    async def read() -> bytes:
        return b"".join([piece async for piece in store.read(blob, ByteRange(0, len(CONTENT)))])

    assert set(await outcomes(store, way, read)) == {CONTENT, None}


async def test_no_cut_list_is_taken_for_an_empty_one(store: S3Store, way: Relay) -> None:
    key = await written(store)

    async def delete() -> bool:
        await store.delete(key)
        limit, way.limit = way.limit, None
        try:
            return await store.holds(key, len(CONTENT))
        finally:
            way.limit = limit

    assert set(await outcomes(store, way, delete)) == {False, None}


async def test_no_cut_answer_gives_a_part_half_a_tag(store: S3Store, way: Relay) -> None:
    name = store._name(new_key())
    made = await store._bucket.call("create_multipart_upload", Key=name, ChecksumAlgorithm="CRC32")

    async def send() -> tuple[str, str]:
        with spool_of(CONTENT) as spool:
            return await store._bucket.put_part(name, made["UploadId"], 1, spool)

    assert len(set(await outcomes(store, way, send)) - {None}) == 1
