"""The page of an account: who one is, one's keys, sessions and password, and how clients log in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from registry.auth.browser_login import BrowserLogin
from registry.auth.passwords import Passwords, PasswordUnfit
from registry.auth.secrets import API_KEY, hash_of, new_secret
from registry.auth.sessions import Sessions
from registry.core.api_keys import ApiKeys
from registry.core.identities import Identities
from registry.errors import CredentialsWrong, IdentityRefused, RegistryError, RequestInvalid, TooManyLogins
from registry.http.errors import extra_headers, status_of_page
from registry.http.pages.rendering import Rendering
from registry.http.pages.site import SESSION, Site
from registry.http.pages.visits import Handler, PageKey, Visit, led_to
from registry.http.reply import Reply

_LISTED: Final = 1000  # keys
_LIFETIMES: Final = {"7": "7 days", "30": "30 days", "90": "90 days", "365": "a year", "": "without end"}
_DONE: Final = {
    "key": "The key is revoked. Whoever uses it is refused from now on.",
    "session": "The session has ended.",
    "password": "Your password is changed. All your other sessions have ended.",
}


class AccountPages:
    """Handlers of `/auth/account` and below. Whatever they change is the visitor's own."""

    def __init__(
        self,
        site: Site,
        rendering: Rendering,
        api_keys: ApiKeys,
        identities: Identities,
        logins: BrowserLogin,
        sessions: Sessions,
        passwords: Passwords,
        on_password_change: Callable[[str], None],
    ) -> None:
        """Tell `on_password_change` whose password is another one now."""
        self._site = site
        self._rendering = rendering
        self._api_keys = api_keys
        self._identities = identities
        self._logins = logins
        self._sessions = sessions
        self._passwords = passwords
        self._on_password_change = on_password_change

    @property
    def handlers(self) -> Mapping[PageKey, Handler]:
        """The handlers, by path and method."""
        return {
            ("/auth/account", "GET"): self.show,
            ("/auth/account/keys", "POST"): self.add_key,
            ("/auth/account/keys/revoke", "POST"): self.revoke_key,
            ("/auth/account/sessions/revoke", "POST"): self.revoke_session,
            ("/auth/account/password", "POST"): self.change_password,
        }

    async def show(self, visit: Visit) -> Reply:
        """Show the account; `done` says what has just been done."""
        return await self._page(visit, note=_DONE.get(visit.call.query.one("done") or ""))

    async def add_key(self, visit: Visit) -> Reply:
        """Make a key and show it, this once."""
        name, days = visit.field("name").strip(), visit.field("days")
        if days not in _LIFETIMES:
            raise RequestInvalid("a key is valid for one of the times that the page offers")
        secret, lifetime = new_secret(API_KEY), timedelta(days=int(days)) if days else None
        scopes = visit.field("scopes").split() or None
        try:
            added = await self._api_keys.add(
                visit.user.caller.name, name, hash_of(secret), lifetime=lifetime, scopes=scopes, actor=visit.actor
            )
        except IdentityRefused as error:
            return await self._page(visit, error, of="key")
        return self._rendering.page(
            "key.html",
            user=visit.user.caller.name,
            token=visit.token,
            name=name,
            secret=secret,
            scopes=scopes,
            expires_at=added.expires_at,
            host=self._site.host(visit.call),
        )

    async def revoke_key(self, visit: Visit) -> Reply:
        """Revoke a key."""
        number = visit.field("key")
        if not (number.isascii() and number.isdigit() and len(number) <= 18):
            raise RequestInvalid("key is no key's number")
        await self._api_keys.revoke(visit.user.caller.name, int(number), actor=visit.actor)
        return self._back("key")

    async def revoke_session(self, visit: Visit) -> Reply:
        """End a session; the one of this browser as well."""
        try:
            session = UUID(hex=visit.field("session"))
        except ValueError:
            raise RequestInvalid("session is no session's id") from None
        await self._sessions.revoke(session, visit.user.caller.name, actor=visit.actor)
        return self._back("session")

    async def change_password(self, visit: Visit) -> Reply:
        """Let somebody who knows his password have another one; this browser gets a new session, all others end."""
        wanted = visit.field("new")
        try:
            await self._logins.confirm(visit.user, visit.field("password"), visit.origin)
            if wanted != visit.field("again"):
                raise PasswordUnfit("the new password was not entered the same twice")
            hashed = await self._passwords.hashed(wanted)
        except PasswordUnfit as error:
            return await self._page(visit, RequestInvalid(str(error)), of="password")
        except (CredentialsWrong, TooManyLogins) as error:
            return await self._page(visit, error, of="password")
        await self._identities.set_password(visit.user.caller.name, hashed, actor=visit.actor)
        self._on_password_change(visit.user.caller.name)
        cookie = await self._logins.again(visit.user, visit.origin)
        reply = self._back("password")
        reply.headers.append(self._site.keep(visit.call, SESSION, cookie))
        return reply

    def _back(self, done: str) -> Reply:
        return led_to(f"{self._site.base}/auth/account?done={done}")

    async def _page(
        self, visit: Visit, error: RegistryError | None = None, *, of: str | None = None, note: str | None = None
    ) -> Reply:
        """Return the page; `error` stands at the form that it is `of`."""
        user = visit.user
        keys = await self._api_keys.page(user.caller.name, by=user.principal_id, limit=_LISTED)
        reply = self._rendering.page(
            "account.html",
            status_of_page(error) if error is not None else 200,
            user=user.caller.name,
            token=visit.token,
            host=self._site.host(visit.call),
            keys=keys.items,
            sessions=await self._sessions.listed(user.principal_id),
            here=user.session,
            has_password=user.has_password,
            lifetimes=_LIFETIMES,
            now=datetime.now(UTC),
            note=note,
            problem=error.message if error is not None else None,
            of=of,
        )
        if error is not None:
            reply.headers += extra_headers(error, "")
        return reply
