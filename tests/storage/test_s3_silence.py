"""An S3 server that vanishes: connections that were open stay silent for ever, new ones find another machine."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

import pytest

from mediatypes.ranges import ByteRange
from registry.storage import s3, s3_bucket, s3_client
from registry.storage.base import StorageKey, new_key
from registry.storage.s3 import S3Store
from registry.storage_url import S3Location
from tests.faults.s3_proxy import S3Proxy
from tests.relay import Relay, relaying
from tests.s3_servers import S3Server

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def way(s3_server: S3Server) -> Iterator[Relay]:
    """Return the way to S3; connections are kept alive, whatever the server itself does."""
    with contextlib.closing(S3Proxy(urlsplit(s3_server.endpoint).port or 0)) as proxy, relaying(proxy.port) as relay:
        yield relay


@pytest.fixture
def location(s3_server: S3Server, way: Relay) -> S3Location:
    return replace(s3_server.make_bucket(), endpoint=f"http://127.0.0.1:{way.port}")


@pytest.fixture
async def store(location: S3Location, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[S3Store]:
    monkeypatch.setattr(s3_bucket, "new_client", partial(s3_client.new_client, read_seconds=1))
    monkeypatch.setattr(s3_bucket, "_ASSEMBLY_SECONDS", 20)
    made = S3Store(location)
    yield made
    await made.close()


@pytest.fixture
async def blob(store: S3Store, way: Relay) -> StorageKey:
    """Return the key of a blob; several connections to S3 are open."""
    key = new_key()
    writer = await store.open_writer(key)
    await writer.write(CONTENT)
    await writer.commit()
    while way.connections < 3:
        await asyncio.gather(*(store.holds(key, len(CONTENT)) for _ in range(16)))
    return key


async def content(store: S3Store, key: StorageKey) -> bytes:
    return b"".join([piece async for piece in store.read(key, ByteRange(0, len(CONTENT)))])


async def test_of_all_connections_that_are_silent_only_one_is_used(
    store: S3Store, blob: StorageKey, way: Relay
) -> None:
    way.freeze()
    assert await content(store, blob) == CONTENT
    assert all(await asyncio.gather(*(store.holds(blob, len(CONTENT)) for _ in range(16))))
    assert len(way.unheard) == 1


async def test_a_read_that_falls_silent_half_way_goes_on_at_a_new_connection(
    store: S3Store, blob: StorageKey, way: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "CHUNK_SIZE", 1000)
    pieces = store.read(blob, ByteRange(0, len(CONTENT)))
    first = await anext(pieces)
    way.freeze()
    assert first + b"".join([piece async for piece in pieces]) == CONTENT


async def test_an_object_that_is_there_is_found_though_the_answer_to_its_assembly_was_lost(
    store: S3Store, way: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_bucket, "_LOOK_SECONDS", 0.2)
    key, size = new_key(), 17 << 20
    writer = await store.open_writer(key, size=size)
    await writer.write(bytes(size))

    def lose(**_: object) -> None:
        way.loses_answer = True

    store._bucket._assembler.meta.events.register("before-send.s3.CompleteMultipartUpload", lose)
    async with asyncio.timeout(30):
        assert await writer.commit() is False, "of whose bytes nothing is known but how many they are"
    assert not way.loses_answer
    assert await store.holds(key, size)
