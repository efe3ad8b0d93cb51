"""The answer to a request, free of any server's and framework's types: both doors send one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from registry.errors import RegistryError
from registry.http.call import IDLE_SECONDS, Call
from registry.storage.base import StorageError

Send = Callable[[Any], Awaitable[None]]
Headers = list[tuple[str, str]]

_SMALL_BODY: Final = 16 << 10  # bytes
_log = structlog.get_logger("registry.http")


@dataclass(slots=True)
class Stream:
    """A reply's body that is read piece by piece; `file` where all of it is exactly a local file's content.

    `size` is None where nobody knows it beforehand: the body goes out in chunks.
    """

    chunks: AsyncGenerator[bytes, None]
    size: int | None
    file: Path | None = None

    async def pieces(self, call: Call) -> AsyncGenerator[bytes, None]:
        """Yield what is sent in answer to `call`. Raise Unfinished where the client has gone, or what is sent has no end."""
        async with contextlib.aclosing(self.chunks), call.body.watched() as gone:
            try:
                async for piece in self.chunks:
                    if gone():
                        raise Unfinished
                    yield piece
            except StorageError as error:  # the answer has begun, so that it can't become another one
                _log.error("storage failed in the middle of an answer", error=str(error), request_id=call.request_id)
                raise Unfinished from error
            except RegistryError as error:
                _log.warning("an answer has no end", error=error.message, request_id=call.request_id)
                raise Unfinished from error


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
            if size is not None:
                self.headers.append(("Content-Length", str(size)))
        if method == "HEAD":
            self.body = b""

    async def begin(self) -> None:
        """Read the first piece of a stream, so that what fails then is an answer of its own and not half of another one."""
        if isinstance(self.body, Stream) and self.body.file is None:
            self.body.chunks = _joined(await anext(self.body.chunks), self.body.chunks)


class Unfinished(Exception):
    """An answer can't be sent to its end. The server closes the connection, so that the client sees it."""


def unless_stalled(send: Send) -> Send:
    """Return `send` that raises Unfinished where a body, or a piece of one, is not taken in time."""
    begun = 0  # bytes of the body

    async def timed(message: Any) -> None:
        nonlocal begun
        begun += len(message.get("body", b""))
        if begun <= _SMALL_BODY:  # it fits into every buffer, where nothing larger goes before it
            await send(message)
            return
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                await send(message)
        except TimeoutError:
            raise Unfinished from None

    return timed


async def _joined(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with contextlib.aclosing(rest):
        yield first
        async for piece in rest:
            yield piece
