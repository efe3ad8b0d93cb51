"""Logins and logouts in browsers: from what somebody knows, or an issuer says of him, to a session. Each is audited."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
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
            event = (Action.PASSWORD_CHANGE, f"user:{browser.caller.name}", Outcome.DENIED)
            await self._record(browser.caller, origin, *event, reason=type(error).__name__)
            raise

    async def again(self, browser: Browser, origin: Origin) -> str:
        """Return the cookie of a new session for who is logged in. Raise AccessLost."""
        return await self._sessions.start(browser.caller, origin.agent)

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
            cookie = await self._sessions.start(caller, origin.agent)
        except RegistryError as error:
            # Whom he named is recorded only where there is such a user.
            somebody = Caller(None, getattr(error, "principal", None) or SOMEBODY)
            await self._record(somebody, origin, Action.LOGIN, "browser", Outcome.DENIED, reason=type(error).__name__)
            raise
        await self._record(caller, origin, Action.LOGIN, "browser", Outcome.DONE)
        return cookie

    async def _record(
        self, caller: Caller, origin: Origin, action: Action, target: str, outcome: Outcome, **more: str
    ) -> None:
        actor = actor_of(caller, address=origin.network, request_id=origin.request_id)
        event = Event(actor, action, target, outcome, {"agent": origin.agent[:128], **more})
        if outcome is Outcome.DENIED:
            await self._refusals.note(event)
        else:
            await self._db.statement("audit", lambda conn: record(conn, event))
