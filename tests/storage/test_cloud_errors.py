"""What Azure Blob Storage and Google Cloud Storage fail with is told apart from what they haven't got."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import obstore
import pytest

from mediatypes.ranges import ByteRange
from registry.storage import cloud_container
from registry.storage.base import ObjectMissing, StorageError, new_key, place_of
from registry.storage.cloud import CloudStore
from registry.storage.cloud_container import Container
from registry.storage_url import AzureLocation, GoogleLocation
from tests.cloud_servers import CloudServer, Location
from tests.relay import relaying

Locate = Callable[[str], Location]
PLACES: list[Locate] = [
    lambda endpoint: AzureLocation("models", "", "team", f"{endpoint}/team"),
    lambda endpoint: GoogleLocation("models", "", endpoint),
]


@pytest.fixture
async def silence() -> AsyncIterator[str]:
    """Return the URL of a server that takes every request and answers none."""
    clients: set[asyncio.StreamWriter] = set()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clients.add(writer)
        with contextlib.suppress(OSError):
            await reader.read()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    for client in clients:
        client.close()


def attempts(store: CloudStore) -> list[Coroutine[Any, Any, object]]:
    async def read() -> bytes:
        return b"".join([piece async for piece in store.read(key, ByteRange(0, 1))])

    async def write() -> None:
        writer = await store.open_writer(key)
        try:
            await writer.write(b"x")
            await writer.commit()
        finally:
            await writer.close()

    key = new_key()
    return [read(), write(), store.holds(key, 1), store.delete(key), store.check()]


async def assert_all_fail(store: CloudStore, reason: str) -> None:
    for attempt in attempts(store):
        with pytest.raises(StorageError, match=rf"^(Azure Blob|Google Cloud) Storage {reason}$") as caught:
            await attempt
        assert not isinstance(caught.value, ObjectMissing)
    await store.close()


async def test_a_container_that_is_not_there_is_no_missing_object(cloud_server: CloudServer) -> None:
    location = cloud_server.make_location()
    gone = {"container": "not-there"} if isinstance(location, AzureLocation) else {"bucket": "not-there"}
    await assert_all_fail(CloudStore(replace(location, **gone)), r"failed: (ContainerNotFound|NoSuchBucket|404|500)")


@pytest.mark.parametrize("locate", PLACES, ids=["azure", "google"])
async def test_a_server_that_does_not_answer_is_given_up(
    silence: str, locate: Locate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud_container, "_IDLE_SECONDS", 0.1)
    monkeypatch.setattr(cloud_container, "_RETRIES", 1)
    await assert_all_fail(CloudStore(locate(silence)), "doesn't answer")


@pytest.mark.parametrize("locate", PLACES, ids=["azure", "google"])
async def test_a_server_that_nobody_reaches_is_given_up(locate: Locate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_container, "_RETRIES", 1)
    await assert_all_fail(CloudStore(locate("http://127.0.0.1:9")), "doesn't answer")


async def test_credentials_that_are_none_are_said_when_they_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "!")
    await assert_all_fail(CloudStore(AzureLocation("models", "", "team")), "can't be used: Invalid Access Key: .+")


async def test_a_system_without_certificates_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
    await assert_all_fail(CloudStore(AzureLocation("models", "", "team")), "can't be used: .+ ca-certificates.")


@pytest.mark.parametrize("content", [b"\0\0\0\1", b"\0\0\0\1\xc1", b"\xff" * 20])
async def test_an_object_that_is_no_blobs_is_a_failure(cloud_server: CloudServer, content: bytes) -> None:
    location, key = cloud_server.make_location(), new_key()
    container, store = Container(location), CloudStore(location)
    await container.put(f"{place_of(key)}/blob", content)
    with pytest.raises(StorageError):
        await store.holds(key, 1)
    container.close()
    await store.close()


@pytest.mark.parametrize("kept", [-1, 0])
async def test_a_blobs_object_that_was_cut_is_missing(cloud_server: CloudServer, kept: int) -> None:
    location, key = cloud_server.make_location(), new_key()
    container, store = Container(location), CloudStore(location)
    writer = await store.open_writer(key)
    await writer.write(b"four")
    await writer.commit()
    name = f"{place_of(key)}/blob"
    await container.put(name, cloud_server.content(location, location.prefix + name)[:kept])
    assert not await store.holds(key, 4)
    with pytest.raises(ObjectMissing):
        await store.holds(key, 3) or await anext(store.read(key, ByteRange(0, 4)))
    container.close()
    await store.close()


async def test_bytes_beyond_the_end_of_a_segment_that_was_cut_are_missing(cloud_server: CloudServer) -> None:
    container = Container(cloud_server.make_location())
    await container.put("segment", bytes(9))
    with pytest.raises(ObjectMissing):
        await anext(container.stream("segment", 10, 20))
    container.close()


@pytest.mark.parametrize("retries", [0, 3], ids=["by the driver", "by the library"])
async def test_a_read_goes_on_where_its_connection_broke(
    cloud_server: CloudServer, monkeypatch: pytest.MonkeyPatch, retries: int
) -> None:
    monkeypatch.setattr(cloud_container, "_RETRIES", retries)
    location, key, content = cloud_server.make_location(), new_key(), bytes(range(251)) * 100_000
    there = urlsplit(cloud_server.endpoint)
    assert there.port is not None
    with relaying(there.port) as way:
        endpoint = there._replace(netloc=f"127.0.0.1:{way.port}").geturl()
        store = CloudStore(replace(location, endpoint=endpoint))
        writer = await store.open_writer(key)
        await writer.write(content)
        await writer.commit()
        got = bytearray()
        breaks = iter([1, len(content) // 3, len(content) // 2])
        at = next(breaks)
        async with contextlib.aclosing(store.read(key, ByteRange(0, len(content)))) as pieces:
            async for piece in pieces:
                got += piece
                if len(got) >= at:
                    way.cut()
                    way.mend()
                    at = next(breaks, len(content) + 1)
        assert got == content
        await store.close()


async def test_who_sends_and_fetches_little_waits_for_no_segments(
    cloud_server: CloudServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, put = threading.Event(), obstore.put

    def slow(store: Any, path: str, content: bytes, **options: Any) -> object:
        if len(content) > 1 << 20:
            go_on.wait(60)
        return put(store, path, content, **options)

    monkeypatch.setattr(obstore, "put", slow)
    store = CloudStore(cloud_server.make_location())
    send = store._container.put, store._container.create
    segments = [asyncio.create_task(send[n % 2](f"{n}", bytes(2 << 20))) for n in range(40)]
    await asyncio.sleep(0)
    check = asyncio.create_task(store.check())
    ended, _ = await asyncio.wait([check], timeout=30)
    go_on.set()
    await asyncio.gather(check, *segments)
    await store.close()
    assert ended
