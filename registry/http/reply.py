"""The answer to a request, free of any server's and framework's types: both doors send one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from registry.http.call import IDLE_SECONDS, Body

Send = Callable[[Any], Awaitable[None]]
Headers = list[tuple[str, str]]

_SMALL_BODY: Final = 16 << 10  # bytes


@dataclass(slots=True)
class Stream:
    """A reply's body that is read from storage; `file` where all of it is exactly a local file's content."""

    chunks: AsyncGenerator[bytes, None]
    size: int
    file: Path | None = None

    async def until_left(self, body: Body) -> AsyncGenerator[bytes, None]:
        """Yield the pieces; raise ClientLeft where the one who asked, by a request with `body`, has gone."""
        async with contextlib.aclosing(self.chunks), body.watched() as gone:
            async for piece in self.chunks:
                if gone():
                    raise ClientLeft
                yield piece


@dataclass(slots=True)
class Reply:
    """An answer. Handlers answer HEAD as they answer GET: `complete` takes the body away."""

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes | Stream = b""

    def complete(self, method: str) -> None:
        """Say the body's length, but where a status has none (RFC 9110 §8.6), and send HEAD nothing more than that."""
        if self.status not in (204, 304):
            size = len(self.body) if isinstance(self.body, bytes) else self.body.size
            self.headers.append(("Content-Length", str(size)))
        if method == "HEAD":
            self.body = b""

    async def begin(self) -> None:
        """Read the first piece of a stream, so that what fails then is an answer of its own and not half of another one."""
        if isinstance(self.body, Stream) and self.body.file is None:
            self.body.chunks = _joined(await anext(self.body.chunks), self.body.chunks)


class ClientLeft(Exception):
    """A client has gone, or doesn't take what it asked for."""


def unless_stalled(send: Send) -> Send:
    """Return `send` that raises ClientLeft where a body, or a piece of one, is not taken in time."""

    async def timed(message: Any) -> None:
        if len(message.get("body", b"")) <= _SMALL_BODY:  # it fits into every buffer
            await send(message)
            return
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                await send(message)
        except TimeoutError:
            raise ClientLeft from None

    return timed


async def _joined(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with contextlib.aclosing(rest):
        yield first
        async for piece in rest:
            yield piece
