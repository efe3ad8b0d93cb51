"""Sessions of browsers, by a cookie.

A cookie is 256 random bits, new with each login: what a browser had before is never taken over (session fixation). The database
keeps a code of it by the secret key, so that whoever reads or writes the database can't make a cookie.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from typing import Final, NamedTuple
from uuid import UUID, uuid4

from registry.auth.sealing import SecretKey
from registry.auth.sessions import shown
from registry.core.access import Caller, Credential, CredentialKind
from registry.core.audit import Event, record
from registry.db import browser_sessions
from registry.db.browser_sessions import BrowserRow
from registry.db.pool import Connection, Database
from registry.db.sessions import Opener
from registry.errors import AccessLost

IDLE: Final = 8 * 3600
"""Seconds without use after which a session has ended, and"""

LONGEST: Final = 7 * 86400
"""seconds after the login after which it has in any case."""

_COOKIE: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class Browser(NamedTuple):
    """A browser in which somebody is logged in; `has_password` says whether he may log in by one."""

    session: UUID
    caller: Caller
    has_password: bool

    @property
    def principal_id(self) -> int:
        """Who is logged in."""
        assert self.caller.principal_id is not None
        return self.caller.principal_id


class BrowserSessions:
    """Sessions of browsers at one service."""

    def __init__(self, db: Database, secret: SecretKey, *, service: str) -> None:
        self._db = db
        self._secret = secret
        self._service = service

    async def start(self, caller: Caller, agent: str, event: Event) -> str:
        """Return the cookie of a new session for who has just logged in, by a browser of that name. Raise AccessLost.

        `event` says what began it, and is recorded with the session's id.
        """
        assert caller.principal_id is not None
        session, cookie, principal_id = uuid4(), secrets.token_urlsafe(32), caller.principal_id

        async def add(conn: Connection) -> None:
            is_added = await browser_sessions.add(
                conn,
                session,
                self._code(cookie),
                by=Opener(principal_id, caller.epoch),
                service=self._service,
                client=shown(agent),
                idle=IDLE,
                longest=LONGEST,
            )
            if not is_added:
                raise AccessLost(caller.name)
            await record(conn, replace(event, detail={**event.detail, "session": session.hex}))

        await self._db.transaction("start_browser_session", add)
        return cookie

    async def find(self, cookie: str) -> Browser | None:
        """Return the browser that a cookie is of; None where the session has ended, or never was, or its user is disabled."""
        if _COOKIE.fullmatch(cookie) is None:
            return None

        async def use(conn: Connection) -> BrowserRow | None:
            return await browser_sessions.use(conn, self._code(cookie), idle=IDLE)

        row = await self._db.statement("use_browser_session", use)
        if row is None:
            return None
        caller = Caller(row.principal_id, row.principal, credential=Credential(CredentialKind.SESSION, row.id.hex))
        return Browser(row.id, caller, row.has_password)

    def _code(self, cookie: str) -> bytes:
        return self._secret.code(f"browser session\0{cookie}".encode())
