"""Logins and logouts in browsers: from what somebody knows, or an issuer says of him, to a session. Each is audited."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import replace
from typing import NamedTuple

from registry.auth.browser_sessions import Browser, BrowserSessions
from registry.auth.identification import Identification
from registry.auth.linked import LinkedUsers
from registry.auth.login import Login
from registry.auth.refusals import SOMEBODY, Refusals
from registry.auth.throttle import LoginThrottle
from registry.core.access import Caller
from registry.core.audit import Action, Event, Outcome, actor_of, record
from registry.db import sessions
from registry.db.pool import Connection, Database
from registry.errors import RegistryError


class Origin(NamedTuple):
    """From where a login comes: a network (IPv4 /32, IPv6 /64, as text), a request, and a browser as it calls itself."""

    network: str
    request_id: str
    agent: str


class BrowserLogin:
    """Lets people in and out."""

    def __init__(
        self,
        db: Database,
        identification: Identification,
        throttle: LoginThrottle,
        login: Login,
        browser_sessions: BrowserSessions,
    ) -> None:
        self._db = db
        self._identification = identification
        self._throttle = throttle
        self._login = login
        self._linked = LinkedUsers(db)
        self._sessions = browser_sessions
        self._refusals = Refusals(db)

    async def by_password(self, user: str, password: str, origin: Origin) -> str:
        """Return the cookie of a new session. Raise CredentialsWrong, TooManyLogins, AccessLost."""
        return await self._let_in(self._identified(user, password, origin), origin)

    async def confirm(self, browser: Browser, password: str, origin: Origin) -> None:
        """Ask who is logged in for his password once more, to change it. Raise CredentialsWrong, TooManyLogins."""
        try:
            await self._identified(browser.caller.name, password, origin)
        except RegistryError as error:
            await self._refuse(browser.caller, origin, Action.PASSWORD_CHANGE, f"user:{browser.caller.name}", error)
            raise

    async def again(self, browser: Browser, origin: Origin) -> str:
        """Return the cookie of a new session for who is logged in. Raise AccessLost."""
        event = _event(browser.caller, origin, Action.SESSION_START, f"user:{browser.caller.name}")
        return await self._sessions.start(browser.caller, origin.agent, event)

    async def finish(self, attempt: str, query: Mapping[str, str], origin: Origin) -> str:
        """Return the cookie of a new session, by what the browser has kept and with what it comes back.

        Raise LoginRefused, GrantRefused, Unavailable, AccessLost.
        """

        async def identify() -> Caller:
            identity = await self._login.finish(attempt, query)
            return await self._linked.caller(identity, address=origin.network, request_id=origin.request_id)

        return await self._let_in(identify(), origin)

    async def out(self, browser: Browser, origin: Origin) -> None:
        """End a browser's session."""
        actor = actor_of(browser.caller, address=origin.network, request_id=origin.request_id)

        async def end(conn: Connection) -> None:
            if await sessions.revoke(conn, browser.session, principal_id=browser.principal_id):
                await record(conn, Event(actor, Action.LOGOUT, "browser"))

        await self._db.transaction("log_out", end)

    async def _identified(self, user: str, password: str, origin: Origin) -> Caller:
        """Return whose password this is. A key is none here: sessions would outlive it, and it must not change passwords."""
        return await self._throttle.attempt(
            user, origin.network, lambda: self._identification.by_password(user, password)
        )

    async def _let_in(self, identifying: Awaitable[Caller], origin: Origin) -> str:
        try:
            caller = await identifying
            return await self._sessions.start(caller, origin.agent, _event(caller, origin, Action.LOGIN, "browser"))
        except RegistryError as error:
            # Whom he named is recorded only where there is such a user.
            somebody = Caller(None, getattr(error, "principal", None) or SOMEBODY)
            await self._refuse(somebody, origin, Action.LOGIN, "browser", error)
            raise

    async def _refuse(self, caller: Caller, origin: Origin, action: Action, target: str, error: RegistryError) -> None:
        event = _event(caller, origin, action, target)
        reason = {**event.detail, "reason": type(error).__name__}
        await self._refusals.note(replace(event, outcome=Outcome.DENIED, detail=reason))


def _event(caller: Caller, origin: Origin, action: Action, target: str) -> Event:
    actor = actor_of(caller, address=origin.network, request_id=origin.request_id)
    return Event(actor, action, target, detail={"agent": origin.agent[:128]})
