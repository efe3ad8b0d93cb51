"""A request's body as any ASGI server may hand it over: its end is what was announced, or there is none."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import pytest

from registry.errors import BodyIncomplete
from registry.http import call
from registry.http.call import Body, Call

GONE = {"type": "http.disconnect"}


def piece(data: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": data, "more_body": more}


class Server:
    """Hands over messages, and fails when it is asked for more than there are: some servers wait for ever then."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.left = deque(messages)

    async def receive(self) -> dict[str, Any]:
        assert self.left, "asked once too often"
        return self.left.popleft()


async def read(body: Body) -> bytes:
    return b"".join([data async for data in body])


@pytest.mark.parametrize("announced", [5, None])
async def test_a_body_is_its_pieces(announced: int | None) -> None:
    server = Server(piece(b"he", more=True), piece(b"", more=True), piece(b"llo", more=False))
    body = Body(server.receive, announced)
    assert await read(body) == b"hello"
    assert (body.received, body.finished) == (5, True)


async def test_an_empty_body_is_not_asked_for() -> None:
    body = Body(Server().receive, 0)
    assert await read(body) == b""
    assert body.finished


@pytest.mark.parametrize("announced", [4, 6, 1 << 62])
async def test_another_length_than_was_announced_is_no_whole_body(announced: int) -> None:
    body = Body(Server(piece(b"hello", more=False)).receive, announced)
    with pytest.raises(BodyIncomplete):
        await read(body)


async def test_what_came_before_the_client_vanished_is_handed_on() -> None:
    pieces = aiter(Body(Server(piece(b"he", more=True), GONE).receive, None))
    assert await anext(pieces) == b"he"
    with pytest.raises(BodyIncomplete):
        await anext(pieces)


async def test_after_the_client_vanished_nothing_is_asked_for() -> None:
    body = Body(Server(GONE).receive, 5)
    with pytest.raises(BodyIncomplete):
        await read(body)
    assert body.finished
    await body.discard(1 << 20, 5)


async def test_what_is_left_of_a_refused_body_is_read_up_to_a_limit() -> None:
    server = Server(*(piece(bytes(10), more=True) for _ in range(10)))
    body = Body(server.receive, None)
    await body.discard(45, 5)
    assert body.received == 50
    assert len(server.left) == 5


def test_a_transfer_coding_counts_more_than_a_length() -> None:
    headers = [(b"content-length", b"0"), (b"transfer-encoding", b"chunked")]
    call = Call("PATCH", "/v2/a/blobs/uploads/x", b"", headers, Server().receive)
    assert call.body.announced is None
    assert not call.body.finished


def trickle(pause: float) -> Body:
    async def receive() -> dict[str, Any]:
        await asyncio.sleep(pause)
        return piece(b"x", more=True)

    return Body(receive, None)


async def test_who_sends_a_byte_now_and_then_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(call, "SLOWEST", 1000)
    body = trickle(0.02)  # never idle for long, and yet it would never end
    with pytest.raises(BodyIncomplete):
        await read(body)
    assert body.received > 0


async def test_time_that_we_take_is_not_the_client_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(call, "SLOWEST", 1000)
    body = Body(Server(*[piece(b"x", more=True)] * 4, piece(b"x", more=False)).receive, 5)
    async for _ in body:
        await asyncio.sleep(0.1)  # the storage is slow
    assert body.finished
