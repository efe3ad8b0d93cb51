"""The page to log in by, by password or by an issuer, and the way out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from registry.auth.browser_login import BrowserLogin
from registry.auth.issuers import Issuers
from registry.auth.login import ATTEMPT_SECONDS, Login
from registry.errors import GrantRefused, RegistryError, TooManyLogins, Unauthorized
from registry.http.errors import extra_headers, status_of_page
from registry.http.pages.rendering import Rendering
from registry.http.pages.site import ATTEMPT, SESSION, VISITOR, Site, local
from registry.http.pages.visits import Handler, PageKey, Visit, led_to
from registry.http.reply import Reply

_ANSWERED: Final = ("code", "state", "iss", "error")  # RFC 6749 §4.1.2, RFC 9207


class LoginPages:
    """Handlers of `/auth/login`, of the way to an issuer and back, and of `/auth/logout`."""

    def __init__(
        self, site: Site, rendering: Rendering, logins: BrowserLogin, issuers: Issuers, issuer_login: Login
    ) -> None:
        self._site = site
        self._rendering = rendering
        self._logins = logins
        self._issuers = issuers
        self._issuer_login = issuer_login

    @property
    def handlers(self) -> Mapping[PageKey, Handler]:
        """The handlers, by path and method."""
        return {
            ("/auth/login", "GET"): self.show,
            ("/auth/login", "POST"): self.enter,
            ("/auth/login/oidc", "GET"): self.begin,
            ("/auth/callback", "GET"): self.finish,
            ("/auth/logout", "POST"): self.leave,
        }

    async def show(self, visit: Visit) -> Reply:
        """Show how one may log in; `next` is where that leads."""
        after = local(visit.call.query.one("next") or "")
        if visit.browser is not None:
            return self._on(after)
        return await self._page(visit, after)

    async def enter(self, visit: Visit) -> Reply:
        """Log in by name and password."""
        after, name = local(visit.field("next")), visit.field("name").strip()
        try:
            cookie = await self._logins.by_password(name, visit.field("password"), visit.origin)
        except (Unauthorized, TooManyLogins) as error:
            return await self._page(visit, after, error, name)
        return await self._entered(visit, cookie, after)

    async def begin(self, visit: Visit) -> Reply:
        """Lead to an issuer."""
        query = visit.call.query
        after = local(query.one("next") or "")
        redirect_uri = self._site.callback(visit.call)
        try:
            url, attempt = await self._issuer_login.begin(query.one("issuer") or "", redirect_uri=redirect_uri)
        except Unauthorized as error:
            return await self._page(visit, after, error)
        kept = f"{attempt}.{quote(after, safe='')}"
        return led_to(url, self._site.keep(visit.call, ATTEMPT, kept, seconds=ATTEMPT_SECONDS))

    async def finish(self, visit: Visit) -> Reply:
        """Log in who comes back from an issuer; what the browser has kept for it is good once."""
        attempt, _, quoted = self._site.cookie(visit.call, ATTEMPT).partition(".")
        after = local(unquote(quoted))
        query = {name: value for name in _ANSWERED if (value := visit.call.query.one(name)) is not None}
        try:
            cookie = await self._logins.finish(attempt, query, visit.origin)
            reply = await self._entered(visit, cookie, after)
        except (Unauthorized, GrantRefused) as error:
            reply = await self._page(visit, after, error)
        reply.headers.append(self._site.drop(visit.call, ATTEMPT))
        return reply

    async def leave(self, visit: Visit) -> Reply:
        """Log out."""
        await self._logins.out(visit.user, visit.origin)
        return led_to(f"{self._site.base}/auth/login", self._site.drop(visit.call, SESSION))

    async def _entered(self, visit: Visit, cookie: str, after: str) -> Reply:
        if visit.browser is not None:  # somebody was logged in here before
            await self._logins.out(visit.browser, visit.origin)
        reply = self._on(after)
        reply.headers += [self._site.keep(visit.call, SESSION, cookie), self._site.drop(visit.call, VISITOR)]
        return reply

    def _on(self, after: str) -> Reply:
        return led_to(self._site.base + (after or "/auth/account"))

    async def _page(self, visit: Visit, after: str, error: RegistryError | None = None, name: str = "") -> Reply:
        issuers = [(url, urlsplit(url).netloc) for url in await self._issuers.for_logins()]
        reply = self._rendering.page(
            "login.html",
            status_of_page(error) if error is not None else 200,
            token=visit.token,
            issuers=issuers,
            after=after,
            name=name,
            problem=error.message if error is not None else None,
            host=self._site.host(visit.call),
            user=None,
        )
        if error is not None:
            reply.headers += extra_headers(error, "")
        return reply
