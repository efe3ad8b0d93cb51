"""The Quart application: every route, and JSON where Quart and werkzeug would answer with HTML."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any, cast

import structlog
from quart import Quart, Response, g, request
from quart.asgi import ASGIHTTPConnection
from quart.wrappers.base import BaseRequestWebsocket
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import MapAdapter

from mediatypes.endpoints import PATHS, locate
from registry import metrics
from registry.auth.open_access import OpenAccess
from registry.core.services import Services
from registry.errors import EndpointUnknown, InternalError, MethodUnsupported, RegistryError, RequestInvalid
from registry.http.call import request_id_of
from registry.http.errors import render
from registry.http.exchange import Answering, Exchange
from registry.http.reply import Reply, Stream, Unfinished, unless_stalled
from registry.http.routes import Router

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_QUARTS_OWN = frozenset(("/health", "/ready", "/metrics"))
_EXCHANGE = "registry.exchange"
_log = structlog.get_logger("registry.http")


class DirectConnection(ASGIHTTPConnection):
    """Leaves bodies of requests with the server until a handler reads them, but for those of `_QUARTS_OWN`.

    Quart's own body has no back-pressure, and differs between its versions (DESIGN, decision 2).
    """

    async def __call__(self, receive: Any, send: Any) -> None:
        """Answer one request."""
        scope: Any = self.scope
        normalise(scope)
        if scope["path"] in _QUARTS_OWN:
            await super().__call__(receive, send)
            return
        exchange = scope[_EXCHANGE] = Exchange(scope, receive)
        patient = unless_stalled(send)
        message = self._create_request_from_scope(patient)
        message.body.set_complete()
        try:
            await self.handle_request(message, patient)
        except Unfinished:
            pass
        finally:
            exchange.finish()


def normalise(scope: Any) -> None:
    """Let a request's path be one, however the client has written its target."""
    if "://" in scope["path"] and not scope["path"].startswith("/"):
        # The absolute form, which servers must accept (RFC 9112 §3.2.2); hypercorn hands it on.
        scope["path"] = "/" + scope["path"].partition("://")[2].partition("/")[2]
    if not scope["path"]:
        scope["path"] = "/"  # of CONNECT, say


class NoWebsocket:
    """Refuses websockets: there are none, and Quart would fail on the path."""

    def __init__(self, app: Quart, scope: Any) -> None:
        pass

    async def __call__(self, receive: Any, send: Any) -> None:
        """Answer the handshake with 403."""
        del receive
        await send({"type": "websocket.close"})


class Application(Quart):
    """Routes by method and path alone: which Host is accepted is `auth`'s business, and a strange one is no error here."""

    asgi_http_class = DirectConnection
    asgi_websocket_class = NoWebsocket

    def create_url_adapter(self, request: BaseRequestWebsocket | None) -> MapAdapter | None:
        """Return what finds the route of a request."""
        if request is None:
            return None
        # werkzeug takes `//metrics` for `/metrics`, which a proxy that hides the latter does not.
        path = "/" if request.scope["path"].startswith("//") else request.path
        return self.url_map.bind("localhost", default_method=request.method, path_info=path)


def create_app(services: Services, router: Router, access: OpenAccess | None, pages: Answering | None = None) -> Quart:
    """Return the application; its life is the caller's (`compose`).

    `access` says who may see metrics and details here; without it they are at another address. `pages` answer what is below
    `/auth/`, if there are any.
    """
    app = bare_app("registry")
    _add_protocol(app, router)
    if pages is not None:
        _add_pages(app, pages)
    _add_own_routes(app, services, access)
    return app


def create_admin_app(services: Services, access: OpenAccess) -> Quart:
    """Return the application of that other address."""
    app = bare_app("registry.admin")
    _add_own_routes(app, services, access)

    @app.errorhandler(HTTPException)
    async def not_routed(error: HTTPException) -> Response:
        return _refused(_refusal_of(error))

    return app


def bare_app(name: str, kind: type[Application] = Application) -> Application:
    """Return an application without routes, limits of its own, and paths that it would take for others."""
    app = kind(name, static_folder=None)
    # Limits are each route's own: these two cut uploads and downloads (DESIGN, decision 2).
    app.config.update(MAX_CONTENT_LENGTH=None, RESPONSE_TIMEOUT=None, BODY_TIMEOUT=None)
    app.url_map.merge_slashes = False
    return app


def _add_protocol(app: Quart, router: Router) -> None:
    async def protocol(rest: str = "") -> Response:
        del rest
        exchange = exchange_of()
        assert exchange is not None
        return response_of(await exchange.answer(router.answer, locate(exchange.call.path)), exchange)

    for rule in ("/v2", "/v2/", "/v2/<path:rest>", *PATHS):
        app.add_url_rule(rule, rule, protocol, methods=METHODS, provide_automatic_options=False, strict_slashes=True)

    @app.errorhandler(HTTPException)
    async def not_routed(error: HTTPException) -> Response:
        if exchange_of() is not None:
            return await protocol()  # the router's answer is the same for both doors, and knows each resource's methods
        return _refused(_refusal_of(error))


def _add_pages(app: Quart, pages: Answering) -> None:
    @app.route("/auth/<path:rest>", methods=METHODS, provide_automatic_options=False)
    async def page(rest: str) -> Response:
        del rest
        exchange = exchange_of()
        assert exchange is not None
        return response_of(await exchange.answer(pages, None), exchange)


def _add_own_routes(app: Quart, services: Services, access: OpenAccess | None) -> None:
    @app.get("/health", provide_automatic_options=False)
    async def health() -> Response:
        return _own(Reply(200, [("Content-Type", "application/json")], b'{"status":"ok"}'))

    @app.get("/ready", provide_automatic_options=False)
    async def ready() -> Response:
        state = await services.health.check()
        is_ready = all(answer == "ok" for answer in state.values())
        told = {"status": "ok" if is_ready else "not ready", **(state if access is not None else {})}
        headers = [("Content-Type", "application/json")]
        if not is_ready:
            headers.append(("Retry-After", "1"))
        return _own(Reply(200 if is_ready else 503, headers, app.json.dumps(told).encode()))

    @app.get("/metrics", provide_automatic_options=False)
    async def exposition() -> Response:
        if access is None:
            raise EndpointUnknown(request.path)
        access.require({name.lower(): value for name, value in request.headers.items()})
        return _own(Reply(200, [("Content-Type", metrics.CONTENT_TYPE)], metrics.exposition()))

    @app.errorhandler(RegistryError)
    async def refused(error: RegistryError) -> Response:
        return _refused(error)

    @app.errorhandler(Exception)
    async def failed(_error: Exception) -> Response:
        _log.exception("request failed", request_id=_request_id(), path=request.path)
        return _refused(InternalError())


def _refused(error: RegistryError) -> Response:
    reply = render(error, _request_id(), request.path)
    exchange = exchange_of()
    if exchange is not None:
        exchange.reply = reply
    reply.headers.append(("X-Request-ID", _request_id()))
    return _own(reply)


def _own(reply: Reply) -> Response:
    """Return what was not the router's answer."""
    reply.complete(request.method)
    return response_of(reply)


def _refusal_of(error: HTTPException) -> RegistryError:
    if isinstance(error, MethodNotAllowed):
        return MethodUnsupported(request.method, sorted(error.valid_methods or METHODS))
    if isinstance(error, NotFound):
        return EndpointUnknown(request.path)
    return RequestInvalid(error.description or error.name)


def exchange_of() -> Exchange | None:
    """Return the exchange of the request that is being answered; None of those that are Quart's own."""
    scope = cast("dict[str, Any]", request.scope)
    return cast("Exchange | None", scope.get(_EXCHANGE))


def _request_id() -> str:
    exchange = exchange_of()
    if exchange is not None:
        return exchange.call.request_id
    if "request_id" not in g:
        g.request_id = request_id_of(request.headers.get("X-Request-ID", ""))
    return cast("str", g.request_id)


def response_of(reply: Reply, exchange: Exchange | None = None) -> Response:
    """Return a reply as Quart sends it; a stream needs its exchange."""
    body = reply.body
    if isinstance(body, Stream):
        assert exchange is not None
        response = Response(_counted(body, exchange), reply.status)
    else:
        response = Response(body, reply.status)
        if exchange is not None:
            exchange.sent = len(body)
    response.headers.clear()
    for name, value in reply.headers:
        response.headers.add(name, value)
    return response


async def _counted(body: Stream, exchange: Exchange) -> AsyncIterator[bytes]:
    async with contextlib.aclosing(body.pieces(exchange.call)) as pieces:
        async for piece in pieces:
            exchange.sent += len(piece)
            yield piece
