"""A request, free of any server's and framework's types: both doors make one."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Final
from urllib.parse import parse_qs

from registry.core.access import NOBODY, Permission
from registry.core.audit import Actor
from registry.core.limits import Standing
from registry.errors import BodyIncomplete, RegistryError, RequestInvalid

Receive = Callable[[], Awaitable[Any]]

IDLE_SECONDS: Final = 60.0  # a body of which nothing moves for so long has nobody at its other end any more
SLOWEST: Final = 1024  # bytes a second, on average and after IDLE_SECONDS, of a body that somebody really sends
_LENGTH: Final = re.compile(r"[0-9]{1,19}", re.ASCII)
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


class Body:
    """A request's body, read from the server piece by piece: what isn't read yet stays in the client's socket."""

    def __init__(self, receive: Receive, announced: int | None) -> None:
        self._receive = receive
        self.announced = announced
        self.received = 0
        self.finished = announced == 0
        self._waited = 0.0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the pieces. Raise BodyIncomplete where the client vanishes, dawdles or sends less than it announced."""
        while not self.finished:
            message = await self._received()
            if message["type"] != "http.request":
                self.finished = True  # nothing more will come, and some servers wait for ever when they are asked again
                raise BodyIncomplete
            self.finished = not message.get("more_body", False)
            data = message.get("body", b"")
            self.received += len(data)
            if self.finished and self.announced is not None and self.received != self.announced:
                raise BodyIncomplete
            if data:
                yield data

    async def _received(self) -> Any:
        """Return what the server has next. Only the time in which we wait for the client is the client's."""
        begun = time.monotonic()
        allowed = IDLE_SECONDS + self.received / SLOWEST - self._waited
        try:
            async with asyncio.timeout(min(IDLE_SECONDS, allowed)):
                return await self._receive()
        except TimeoutError:
            return {"type": "http.disconnect"}
        finally:
            self._waited += time.monotonic() - begun

    async def whole(self, limit: int, too_large: RegistryError) -> bytes:
        """Return all of it, up to `limit` bytes. Raise `too_large`, unread where that was announced, and BodyIncomplete."""
        if (self.announced or 0) > limit:
            raise too_large
        content = bytearray()
        async for piece in self:
            content += piece
            if len(content) > limit:
                raise too_large
        return bytes(content)

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[Callable[[], bool]]:
        """Yield what tells whether the client has gone; no more of the body is read meanwhile."""

        async def until_gone() -> None:
            while (await self._receive())["type"] != "http.disconnect":
                pass

        watch = asyncio.create_task(until_gone())
        try:
            yield watch.done
        finally:
            watch.cancel()

    async def discard(self, limit: int, seconds: float) -> None:
        """Read up to `limit` bytes of what is left: many clients read an answer only when they have sent all."""
        until = self.received + limit
        try:
            async with asyncio.timeout(seconds):
                async for _ in self:
                    if self.received > until:
                        return
        except (BodyIncomplete, TimeoutError):
            return


def request_id_of(given: str) -> str:
    """Return the id that the client gave (X-Request-ID), or a new one where that is none or unfit to be repeated."""
    return given if _REQUEST_ID.fullmatch(given) else f"{random.getrandbits(64):016x}"


class Query:
    """The query string's parameters. Raise RequestInvalid where they are no UTF-8 text."""

    def __init__(self, raw: bytes) -> None:
        try:
            self._values = parse_qs(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=200)
        except ValueError as error:
            raise RequestInvalid("the query string is not percent-encoded UTF-8 of at most 200 parameters") from error
        if any("\0" in value for values in self._values.values() for value in values):
            raise RequestInvalid("the query string holds a NUL character")

    def one(self, name: str) -> str | None:
        """Return the parameter's first value; None where it is not given."""
        return self._values.get(name, [None])[0]

    def all(self, name: str) -> list[str]:
        """Return every value of the parameter."""
        return self._values.get(name, [])


class Call:
    """One request. Header names are lower case; a header given twice holds both values, joined by a comma, cookies by `;`.

    `peer` is the address at the connection's other end, "" where the server doesn't know it; `repeated` are the headers given
    more than once. `caller` is who calls, once that is known, and `held` what he may do with the repository, unless that is
    decided with a lookup. `actor` is how the audit log names him; None where there is none. `pulled` is what the API
    answers it with of a repository's content, as events name it. `quotas` are how many requests he
    has left, by the names of the limits. `raw_path` is the path as the client has written it, None where no server tells.
    """

    __slots__ = (
        "_query",
        "actor",
        "body",
        "caller",
        "headers",
        "held",
        "method",
        "path",
        "peer",
        "pulled",
        "quotas",
        "raw_path",
        "raw_query",
        "repeated",
        "request_id",
    )

    def __init__(
        self,
        method: str,
        path: str,
        raw_query: bytes,
        headers: Iterable[tuple[bytes, bytes]],
        receive: Receive,
        peer: str = "",
        raw_path: bytes | None = None,
    ) -> None:
        self.method = method
        self.peer = peer
        self.caller = NOBODY
        self.actor: Actor | None = None
        self.pulled: str | None = None
        self.held: frozenset[Permission] = frozenset()
        self.quotas: dict[str, Standing] = {}
        self.path = path
        self.raw_path = raw_path
        self.raw_query = raw_query
        self._query: Query | None = None
        self.repeated: set[str] = set()
        found: dict[str, str] = {}
        for raw_name, raw_value in headers:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            if name in found:
                self.repeated.add(name)
                joint = "; " if name == "cookie" else ", "  # RFC 9113 §8.2.3
                value = f"{found[name]}{joint}{value}"
            found[name] = value
        self.headers = found
        self.request_id = request_id_of(found.get("x-request-id", ""))
        # Where both are given the transfer coding counts (RFC 9112 §6.3).
        length = found.get("content-length") if "transfer-encoding" not in found else None
        announced = int(length) if length is not None and _LENGTH.fullmatch(length) else None
        self.body = Body(receive, announced)

    @property
    def query(self) -> Query:
        """The parameters of the query string."""
        if self._query is None:
            self._query = Query(self.raw_query)
        return self._query
