"""The fast lane: plain reads answered by the same router as everything else, without Quart (DESIGN, decision 1)."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

from mediatypes.endpoints import Resource, locate
from registry.http.call import Receive
from registry.http.exchange import Exchange
from registry.http.reply import Reply, Send, Stream, Unfinished, unless_stalled
from registry.http.routes import Router

App = Callable[[Any, Any, Any], Awaitable[None]]

_RESOURCES: Final = frozenset((Resource.MANIFEST, Resource.BLOB))
_FILES: Final = "http.response.pathsend"


class Lane:
    """Answers GET and HEAD of manifests and blobs; hands everything else to `app`."""

    def __init__(self, router: Router, app: App) -> None:
        self._router = router
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
            at = locate(scope["path"])
            if at is not None and at.resource in _RESOURCES:
                exchange = Exchange(scope, receive)
                try:
                    reply = await exchange.answer(self._router, at)
                    await _send(exchange, reply, unless_stalled(send), files=_FILES in scope.get("extensions", ()))
                except Unfinished:
                    pass
                finally:
                    exchange.finish()
                return
        await self._app(scope, receive, send)


async def _send(exchange: Exchange, reply: Reply, send: Send, *, files: bool) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    body = reply.body
    if not isinstance(body, Stream):
        exchange.sent = len(body)
        await send({"type": "http.response.body", "body": body, "more_body": False})
    elif files and body.file is not None:
        exchange.sent = body.size or 0
        await send({"type": _FILES, "path": str(body.file)})
    else:
        async with contextlib.aclosing(body.pieces(exchange.call)) as pieces:
            async for piece in pieces:
                exchange.sent += len(piece)
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
