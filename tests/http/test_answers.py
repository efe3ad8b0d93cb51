"""What becomes of an answer when its bytes are lost, or nobody takes them: seen from the ASGI server, at both doors."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName
from registry.auth.open_access import OpenAccess
from registry.core.services import Services
from registry.http import reply
from registry.http.app import create_app
from registry.http.lane import App, Lane
from registry.http.links import Links
from registry.http.routes import Router
from registry.storage.base import CHUNK_SIZE, BlobStore
from registry.storage.filesystem import FilesystemStore
from registry.storage.memory import MemoryStore

NAME = RepositoryName("team/bert")
CONTENT = bytes(range(256)) * (4 * CHUNK_SIZE // 256)

both_drivers = pytest.mark.parametrize("store", ["memory", "filesystem"], indirect=True)


@pytest.fixture(params=["lane", "quart"])
def app(request: pytest.FixtureRequest, services: Services) -> App:
    access = OpenAccess(external_url=None, any_host=False)
    router = Router(services, access, Links(None))
    quart = create_app(services, router, access)
    return Lane(router, quart) if request.param == "lane" else quart


async def push(services: Services) -> Digest:
    async def body() -> Any:
        yield CONTENT

    digest = Digest.of(CONTENT)
    await services.uploads.push(NAME, digest, body())
    return digest


async def ask(app: App, digest: Digest, send: Any, gone: asyncio.Event | None = None, **headers: str) -> None:
    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": f"/v2/{NAME}/blobs/{digest}",
        "raw_path": b"",
        "query_string": b"",
        "root_path": "",
        "http_version": "1.1",
        "headers": [(b"host", b"localhost"), *((k.encode(), v.encode()) for k, v in headers.items())],
        "extensions": {"http.response.pathsend": {}},
    }
    gone = gone or asyncio.Event()

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    await app(scope, receive, send)


async def lose(store: BlobStore) -> None:
    """Take away every blob behind the registry's back."""
    if isinstance(store, MemoryStore):
        store._objects.clear()
    else:
        assert isinstance(store, FilesystemStore)
        for path in store._root.rglob("*"):
            if path.is_file():
                path.unlink()


@both_drivers
@pytest.mark.parametrize("headers", [{}, {"range": "bytes=5-"}])
async def test_a_blob_that_the_storage_has_lost_is_unavailable(
    app: App, services: Services, store: BlobStore, headers: dict[str, str]
) -> None:
    digest = await push(services)
    await lose(store)
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await ask(app, digest, send, **headers)
    assert sent[0]["status"] == 503
    assert (b"retry-after", b"1") in [(name.lower(), value) for name, value in sent[0]["headers"]]
    body = b"".join(message.get("body", b"") for message in sent[1:])
    assert json.loads(body)["errors"][0]["code"] == "UNAVAILABLE"


@both_drivers
async def test_a_client_that_takes_nothing_is_left(
    app: App, services: Services, monkeypatch: pytest.MonkeyPatch, store: BlobStore
) -> None:
    monkeypatch.setattr(reply, "IDLE_SECONDS", 0.05)
    digest = await push(services)
    taken: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        taken.append(message)
        if len(taken) > 2:
            await asyncio.Event().wait()

    await asyncio.wait_for(ask(app, digest, send, range="bytes=1-"), 20)
    assert taken[0]["status"] == 206
    assert len(taken) == 3


@both_drivers
async def test_a_client_that_takes_all_but_a_small_rest_is_left(
    app: App, services: Services, monkeypatch: pytest.MonkeyPatch, store: BlobStore
) -> None:
    monkeypatch.setattr(reply, "IDLE_SECONDS", 0.05)
    digest = await push(services)
    taken: list[int] = []

    async def send(message: dict[str, Any]) -> None:
        taken.append(len(message.get("body", b"")))
        if taken[-1] == 10:
            await asyncio.Event().wait()

    await asyncio.wait_for(ask(app, digest, send, range=f"bytes=0-{CHUNK_SIZE + 9}"), 20)
    assert (taken[-1], sum(taken)) == (10, CHUNK_SIZE + 10)


@both_drivers
async def test_nothing_is_read_for_a_client_that_has_gone(app: App, services: Services, store: BlobStore) -> None:
    digest = await push(services)
    taken: list[dict[str, Any]] = []
    gone = asyncio.Event()

    async def send(message: dict[str, Any]) -> None:
        taken.append(message)
        if len(taken) > 1:
            gone.set()
            await asyncio.sleep(0)

    await ask(app, digest, send, gone, range="bytes=1-")
    assert len(taken) < 4
    assert taken[-1]["more_body"]  # the answer was left incomplete
