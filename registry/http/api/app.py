"""The API as an application beside that of `/v2/`: quart-schema's validation and documentation, our door and errors."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Any, Final, cast

import structlog
from pydantic import BaseModel, ValidationError
from quart import Quart, Request, Response, g, request
from quart_schema import (
    RequestSchemaValidationError,
    document_response,
    hide,
    validate_querystring,
    validate_request,
)
from werkzeug.exceptions import BadRequest, HTTPException, MethodNotAllowed
from werkzeug.routing import BaseConverter, IntegerConverter

from registry import metrics
from registry.core.audit import Event, Outcome
from registry.core.limits import MemoryCounter, RateLimit
from registry.errors import (
    AccessDenied,
    AdministratorNeeded,
    BodyTooLarge,
    ContentTypeUnsupported,
    DelegationDenied,
    EndpointUnknown,
    FieldsInvalid,
    InternalError,
    MethodUnsupported,
    NotAdmitted,
    RequestInvalid,
    Unauthorized,
)
from registry.http.api.asked import SIGNED, Asked, Door, require_administrator
from registry.http.api.conditions import conditional
from registry.http.api.documentation import BASE, ROUTE, document
from registry.http.api.problems import render_problem
from registry.http.api.reader_services import ReaderServices
from registry.http.api.route import Route
from registry.http.app import METHODS, Application, bare_app, exchange_of, response_of
from registry.http.call import Call
from registry.http.journal import DENIALS
from registry.http.reply import Reply
from registry.http.routes import Router, Work

_BASIC: Final = 'Basic realm="blacklake", charset="UTF-8"'
_LARGEST_BODY: Final = 64 << 10  # bytes
_DENIED: Final = (Unauthorized, DelegationDenied, AdministratorNeeded, AccessDenied, NotAdmitted)
_log = structlog.get_logger("registry.http")


Note = Callable[[Event], Awaitable[None]]
"""Records an event."""


class BoundedRequest(Request):
    """A request whose body was read already, within its bounds, by whoever admitted the call (DirectConnection)."""

    async def get_data(self, *_how: Any, as_text: bool = False, **_more: Any) -> Any:
        """Return the body."""
        content: bytes = g.content
        return content.decode() if as_text else content


class ApiApplication(Application):
    """Quart, with bodies that are bounded."""

    request_class = BoundedRequest


class Numbers(IntegerConverter):
    """Numbers that the database can hold: nothing has another one."""

    regex = "[0-9]{1,18}"


class RepositoryNames(BaseConverter):
    """Names of repositories in paths: segments, none of which is `-`. What is no name is refused by whoever reads it."""

    regex = r"(?!-(?:/|\Z))[^/]+(?:/(?!-(?:/|\Z))[^/]+)*"
    part_isolating = False


class Api:
    """Makes views of routes: each admits its call, keeps bodies bounded, and has a refusal noted where events are."""

    def __init__(self, router: Router, callers: Door, services: ReaderServices, note: Note | None) -> None:
        self._router = router
        self._callers = callers
        self._services = services
        self._note = note
        self._denials = RateLimit(DENIALS, MemoryCounter())

    def view(self, route: Route) -> Callable[..., Awaitable[Response]]:
        """Return what Quart calls for a route."""

        async def inner(**arguments: Any) -> Any:
            return await route.handler(self._services, g.asked, **arguments)

        inner.__doc__ = route.handler.__doc__
        if route.body is not None:
            inner = validate_request(route.body)(inner)
        if route.query is not None:
            inner = validate_querystring(route.query)(inner)
        if route.gives is not None:
            inner = document_response(route.gives, route.status)(inner)
        setattr(inner, ROUTE, route)

        @functools.wraps(inner)
        async def view(**arguments: Any) -> Response:
            return await self._answer(route, lambda: inner(**arguments))

        return view

    async def unrouted(self, error: HTTPException) -> Response:
        """Answer what no route is for: to who is known, as to nobody anything is said."""

        async def refuse(call: Call) -> Reply:
            await self._admit(call)
            if isinstance(error, MethodNotAllowed):
                raise MethodUnsupported(call.method, sorted(error.valid_methods or METHODS))
            raise EndpointUnknown(call.path)

        return await self._sent(Work("api", refuse))

    def page(self, name: str, make: Callable[[], Reply]) -> Callable[[], Awaitable[Response]]:
        """Return what Quart calls for a page that is for everybody who is known; a browser asks by Basic who that is."""

        async def handle(call: Call) -> Reply:
            await self._admit(call)
            return conditional(call, make())

        async def view() -> Response:
            return await self._sent(Work(f"api.{name}", handle), challenge=_BASIC)

        return view

    async def _answer(self, route: Route, work: Callable[[], Awaitable[Any]]) -> Response:
        async def handle(call: Call) -> Reply:
            asked = g.asked = await self._admit(call, is_for_readers=route.is_for_readers)
            if not _is_signed(call):
                g.content = await _content(call)
            try:
                if not route.is_delegated and not route.is_for_readers:
                    require_administrator(asked)
                found = await _validated(route, call, work)
            except _DENIED as error:
                detail = {"reason": type(error).__name__, "method": call.method}
                await self._deny(Event(asked.actor, route.action, call.path, Outcome.DENIED, detail))
                raise
            return conditional(call, _reply(route, found))

        return await self._sent(Work(route.label, handle))

    async def _admit(self, call: Call, *, is_for_readers: bool = False) -> Asked:
        """Return who calls. The body of who isn't known stays where it is, but for a signed one, by which that is found out."""
        g.content = await _content(call) if _is_signed(call) else b""
        return await self._callers.admit(call, g.content, is_for_readers=is_for_readers)

    async def _deny(self, event: Event) -> None:
        """Record what somebody was denied, as often as elsewhere (registry.http.journal)."""
        if self._note is None:
            return
        if (await self._denials.count(str(event.actor.principal_id))).is_refused:
            metrics.count_audit_dropped()
        else:
            await self._note(event)

    async def _sent(self, work: Work, *, challenge: str | None = None) -> Response:
        exchange = exchange_of()
        assert exchange is not None
        reply = await exchange.answer(functools.partial(self._router.answer, work=work), None)
        if challenge is not None and reply.status == HTTPStatus.UNAUTHORIZED:
            reply.headers.append(("WWW-Authenticate", challenge))
        return response_of(reply, exchange)


def create_api(
    router: Router, callers: Door, services: ReaderServices, routes: Iterable[Route], note: Note | None = None
) -> Quart:
    """Return the application that answers everything below `/api`; `note` records what somebody was denied."""
    app = bare_app("registry.api", ApiApplication)
    app.url_map.converters |= {"repository": RepositoryNames, "int": Numbers}
    documentation = document(app)
    api = Api(router, callers, services, note)
    for route in routes:
        app.add_url_rule(
            f"{BASE}{route.path}",
            route.label,
            api.view(route),
            methods=[route.method],
            provide_automatic_options=False,
            strict_slashes=True,
        )
    for path, make in documentation.pages():
        app.add_url_rule(f"{BASE}{path}", path, hide(api.page("documentation", make)), provide_automatic_options=False)
    app.register_error_handler(HTTPException, api.unrouted)

    @app.errorhandler(Exception)
    async def failed(_error: Exception) -> Response:
        exchange = exchange_of()
        assert exchange is not None
        _log.exception("request failed", request_id=exchange.call.request_id, path=request.path[:512])
        exchange.reply = render_problem(InternalError(), exchange.call.request_id, request.path)
        exchange.reply.complete(request.method)
        return response_of(exchange.reply, exchange)

    return app


def _is_signed(call: Call) -> bool:
    return bool(SIGNED & call.headers.keys())


async def _content(call: Call) -> bytes:
    return await call.body.whole(_LARGEST_BODY, BodyTooLarge(_LARGEST_BODY))


async def _validated(route: Route, call: Call, work: Callable[[], Awaitable[Any]]) -> Any:
    """Return what a handler has found. Raise FieldsInvalid, ContentTypeUnsupported, RequestInvalid before it begins."""
    call.query.all("")  # what can't be read is refused, and not half understood
    if route.body is not None and not request.is_json:
        raise ContentTypeUnsupported(call.headers.get("content-type", ""))
    try:
        return await work()
    except RequestSchemaValidationError as error:
        raise FieldsInvalid(_fields(error.validation_error)) from None
    except (BadRequest, UnicodeDecodeError, RecursionError):
        raise RequestInvalid("the body is no JSON") from None


def _fields(error: Exception) -> dict[str, str]:
    """Return what is wrong with which field, without what was given for it: that may be a password."""
    if not isinstance(error, ValidationError):
        return {"": "is not what it must be"}
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return {".".join(map(str, one["loc"])) or "body": one["msg"] for one in problems}


def _reply(route: Route, found: Any) -> Reply:
    if isinstance(found, Reply):
        return found
    headers = [("Cache-Control", "no-store")]
    if found is None:
        return Reply(route.status, headers)
    content = cast("BaseModel", found).model_dump_json().encode()
    return Reply(route.status, [*headers, ("Content-Type", "application/json")], content)
