"""One call and its reply on their way through a door: timed, counted and logged when they are over."""

from __future__ import annotations

import time
from typing import Any, Final

import structlog

from mediatypes.endpoints import Location
from registry import metrics
from registry.http.call import Call, Receive
from registry.http.reply import Reply, Stream
from registry.http.routes import Router, Work

_DISCARDED: Final = 16 << 20  # bytes, and
_DISCARD_SECONDS: Final = 5.0  # seconds, for which the rest of a refused body is read before the answer
_log = structlog.get_logger("registry.http")


class Exchange:
    """Made from an ASGI scope; `answer` once, send the reply, then `finish` once, whatever happened."""

    __slots__ = ("_endpoint", "_in_flight", "_started", "call", "reply", "sent")

    def __init__(self, scope: dict[str, Any], receive: Receive) -> None:
        self._started = time.perf_counter()
        self._endpoint = "unknown"
        peer = scope.get("client")
        self.call = Call(
            scope["method"],
            scope["path"],
            scope["query_string"],
            scope["headers"],
            receive,
            peer[0] if peer else "",
            scope.get("raw_path"),
        )
        self.reply = Reply(499)  # nothing was answered: the client had gone
        self.sent = 0
        self._in_flight = 0
        self._add_in_flight(self.call.body.announced or 0)

    async def answer(self, router: Router, at: Location | None, work: Work | None = None) -> Reply:
        """Return the router's reply, when the request's body has been read or given up; `at` is what the path names."""
        self._endpoint, self.reply = await router.answer(self.call, at, work)
        # A client that asks first (Expect: 100-continue) and is refused before a byte was read sends nothing at all.
        waits = "expect" in self.call.headers and not self.call.body.received
        if not self.call.body.finished and not waits and self.call.method not in ("GET", "HEAD"):
            await self.call.body.discard(_DISCARDED, _DISCARD_SECONDS)
        if isinstance(self.reply.body, Stream):
            self._add_in_flight(self.reply.body.size or 0)
        return self.reply

    def finish(self) -> None:
        """Count and log the exchange: what changes something or fails at `info`, reads at `debug`."""
        seconds = time.perf_counter() - self._started
        self._add_in_flight(-self._in_flight)
        call, status = self.call, self.reply.status
        metrics.observe_request(self._endpoint, call.method, status, seconds, call.body.received, self.sent)
        log = _log.debug if call.method in ("GET", "HEAD") and status < 500 else _log.info
        log(
            "request",
            request_id=call.request_id,
            method=call.method,
            path=call.path[:512],
            endpoint=self._endpoint,
            status=status,
            milliseconds=round(seconds * 1000, 1),
            received=call.body.received,
            sent=self.sent,
        )

    def _add_in_flight(self, size: int) -> None:
        self._in_flight += size
        metrics.add_in_flight(size)
