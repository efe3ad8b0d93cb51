"""Which page answers which path, and what is asked of every request before: that it isn't one too many, nor forged."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Final

import structlog

from mediatypes.endpoints import Location
from registry.auth.browser_login import Origin
from registry.auth.browser_sessions import BrowserSessions
from registry.auth.form_tokens import FormTokens
from registry.errors import (
    AccessDenied,
    EndpointUnknown,
    InternalError,
    MethodUnsupported,
    RegistryError,
    Unavailable,
)
from registry.http.call import Call
from registry.http.errors import extra_headers, status_of_page
from registry.http.forms import read_form
from registry.http.limits import Limits, Networks, quota_headers
from registry.http.pages.rendering import Rendering
from registry.http.pages.site import SESSION, VISITOR, Site
from registry.http.pages.visits import Endpoint, Handler, PageKey, Visit, led_to_login
from registry.http.reply import Reply

ENDPOINTS: Final[Mapping[PageKey, Endpoint]] = {
    ("/auth/login", "GET"): Endpoint("login"),
    ("/auth/login", "POST"): Endpoint("login"),
    ("/auth/login/oidc", "GET"): Endpoint("login-oidc"),
    ("/auth/callback", "GET"): Endpoint("login-callback"),
    ("/auth/logout", "POST"): Endpoint("logout", is_private=True),
    ("/auth/account", "GET"): Endpoint("account", is_private=True),
    ("/auth/account/keys", "POST"): Endpoint("account-key", is_private=True),
    ("/auth/account/keys/revoke", "POST"): Endpoint("account-key-revoke", is_private=True),
    ("/auth/account/sessions/revoke", "POST"): Endpoint("account-session-revoke", is_private=True),
    ("/auth/account/password", "POST"): Endpoint("account-password", is_private=True),
}
"""All pages."""

_STATIC: Final = "/auth/static/"
_log = structlog.get_logger("registry.http")


class Pages:
    """Answers calls of browsers below `/auth/`; every error becomes a page here."""

    def __init__(
        self,
        site: Site,
        rendering: Rendering,
        sessions: BrowserSessions,
        tokens: FormTokens,
        networks: Networks,
        limits: Limits,
        handlers: Mapping[PageKey, Handler],
    ) -> None:
        """Let `handlers` answer, one for each of ENDPOINTS."""
        assert handlers.keys() == ENDPOINTS.keys()
        self._site = site
        self._rendering = rendering
        self._sessions = sessions
        self._tokens = tokens
        self._networks = networks
        self._limits = limits
        self._handlers = handlers

    async def answer(self, call: Call, _at: Location | None) -> tuple[str, Reply]:
        """Return the endpoint's name ("unknown" where there is none) and the complete reply."""
        wanted = (call.path, "GET" if call.method == "HEAD" else call.method)
        endpoint = ENDPOINTS.get(wanted, Endpoint("static" if call.path.startswith(_STATIC) else "unknown"))
        try:
            await self._limits.count(call)
            reply = await self._handle(call, wanted, endpoint)
        except Unavailable as error:
            _log.warning("unavailable", error=str(error), cause=repr(error.__cause__), request_id=call.request_id)
            reply = self._refuse(call, error)
        except RegistryError as error:
            reply = self._refuse(call, error)
        except Exception:  # noqa: BLE001 - the last resort: whatever it is, the browser gets a page and the log the cause
            _log.exception("request failed", request_id=call.request_id, endpoint=endpoint.name)
            reply = self._refuse(call, InternalError())
        self._rendering.protect(reply)
        reply.headers += [("X-Request-ID", call.request_id), *quota_headers(call.quotas)]
        reply.complete(call.method)
        return endpoint.name, reply

    async def _handle(self, call: Call, wanted: PageKey, endpoint: Endpoint) -> Reply:
        file = call.path.removeprefix(_STATIC)
        if file in self._rendering.files and wanted == (_STATIC + file, "GET"):
            return self._rendering.file(file)
        handler = self._handlers.get(wanted)
        if handler is None:
            methods = [method for path, method in self._handlers if path == call.path]
            raise MethodUnsupported(call.method, methods) if methods else EndpointUnknown(call.path)
        session = self._site.cookie(call, SESSION)
        browser = await self._sessions.find(session) if session else None
        if browser is not None:
            call.caller = browser.caller
        await self._limits.count_caller(call)
        if endpoint.is_private and browser is None:
            return led_to_login(self._site.base, call.path if wanted[1] == "GET" else "")
        visitor = self._site.cookie(call, VISITOR)
        bound = session if endpoint.is_private else visitor or secrets.token_urlsafe(32)
        form = await self._form(call, bound) if call.method == "POST" else {}
        origin = Origin(self._networks.of(call), call.request_id, call.headers.get("user-agent", ""))
        reply = await handler(Visit(call, origin, browser, form, self._tokens.of(bound)))
        if not endpoint.is_private and not visitor and reply.body:
            reply.headers.append(self._site.keep(call, VISITOR, bound))
        return reply

    async def _form(self, call: Call, bound: str) -> dict[str, str]:
        """Return what a form of our own sends. Raise AccessDenied for any other."""
        self._site.require_same_origin(call)
        form = await read_form(call)
        if not self._tokens.fits(bound, form.get("token", "")):
            raise AccessDenied(
                "this form is too old, or your browser keeps no cookies; go back, load the page and send it again"
            )
        return form

    def _refuse(self, call: Call, error: RegistryError) -> Reply:
        reply = self._rendering.page(
            "error.html", status_of_page(error), message=error.message, request_id=call.request_id, user=None
        )
        reply.headers += extra_headers(error, self._site.base + call.path)
        return reply
