"""Refresh tokens: sessions that outlive access tokens (RFC 6749 §6), rotated, with reuse detection (RFC 9700 §4.14.2).

    blr_<session, 32 hexadecimal digits>_<generation>_<code, 64 hexadecimal digits>

Each answer carries the token of the next generation, and the first use of that moves the session on. A token before the
session's generation has been replaced by one that somebody has used: one of the two is stolen, and the session is revoked.
Clients that never store what they are answered (docker and oras keep their first token) go on with the one they have, and a
client whose answer is lost asks again. The code is made by the secret key, so that whoever reads or writes the database can't
make a token.
"""

from __future__ import annotations

import hmac
import re
from typing import Final, NamedTuple
from uuid import UUID, uuid4

from registry.auth.sealing import SecretKey
from registry.core.access import ANONYMOUS_ID, Caller, Credential, CredentialKind
from registry.core.audit import Action, Actor, Event, Outcome, actor_of, record
from registry.core.subjects import find_principal
from registry.db import sessions
from registry.db.pool import Connection, Database
from registry.db.sessions import Opener, Presented, SessionRow
from registry.errors import AccessLost, IdentityUnknown, SessionOver, SessionRevoked

PREFIX: Final = "blr_"
"""What every refresh token begins with."""

MOST: Final = 200
"""Sessions of a principal, or a few more where many begin at once."""

_SHAPE: Final = re.compile(rf"{PREFIX}([0-9a-f]{{32}})_(0|[1-9][0-9]{{0,15}})_([0-9a-f]{{64}})", re.ASCII)
_LONGEST_CLIENT: Final = 128  # characters that are kept of its name
_LISTED: Final = 100


class Continued(NamedTuple):
    """Who goes on with a session, and its next token."""

    caller: Caller
    token: str


class _Token(NamedTuple):
    session: UUID
    generation: int


class Sessions:
    """Sessions of one service."""

    def __init__(self, db: Database, secret: SecretKey, *, service: str, idle: float, longest: float) -> None:
        """End sessions after `idle` seconds without use, and after `longest` seconds in any case."""
        self._db = db
        self._secret = secret
        self._service = service
        self._idle = idle
        self._longest = longest

    async def start(self, caller: Caller, client: str, *, actor: Actor) -> str:
        """Return the first token of a session for who has just logged in by `client`.

        Raise AccessLost, also where he is disabled, or has another password, since he has shown the one that he had. Where he
        has MOST already, the one that was used least lately ends.

        A caller whose credential is a key has no sessions, which would outlive it: the key itself is asked for each time.
        """
        assert caller.principal_id not in (None, ANONYMOUS_ID)
        assert caller.bound is None
        session, principal_id, name = uuid4(), caller.principal_id, shown(client)

        async def add(conn: Connection) -> None:
            is_added = await sessions.add(
                conn,
                session,
                Opener(principal_id, caller.epoch),
                service=self._service,
                client=name,
                idle=self._idle,
                longest=self._longest,
            )
            if not is_added:
                raise AccessLost(caller.name)
            detail = {"session": session.hex, "client": name}
            await record(conn, Event(actor, Action.SESSION_START, f"user:{caller.name}", detail=detail))
            for ended in await sessions.end_oldest(conn, principal_id=principal_id, most=MOST):
                detail = {"session": ended.hex}
                await record(conn, Event(actor, Action.SESSION_REVOKE, f"user:{caller.name}", detail=detail))

        await self._db.transaction("start_session", add)
        return self._token(session, 1)

    async def go_on(self, token: str, *, address: str, request_id: str) -> Continued:
        """Return whose session a token continues, and the next token; it was sent from `address` in a request.

        Raise SessionOver, and SessionRevoked where the token had been replaced by one that was used since.
        """
        found = self._read(token)
        if found is None:
            raise SessionOver

        async def present(conn: Connection) -> Presented | None:
            presented = await sessions.present(
                conn, found.session, generation=found.generation, service=self._service, idle=self._idle
            )
            if presented is not None and presented.is_reused:
                actor = actor_of(_caller(found.session, presented), address=address, request_id=request_id)
                detail = {"session": found.session.hex, "generation": found.generation}
                target = f"user:{presented.principal}"
                await record(conn, Event(actor, Action.SESSION_REUSE, target, Outcome.DENIED, detail))
            return presented

        presented = await self._db.transaction("present_session", present)
        if presented is None:
            raise SessionOver
        if presented.is_reused:
            raise SessionRevoked(found.session, presented.principal_id, presented.principal)
        return Continued(_caller(found.session, presented), self._token(found.session, found.generation + 1))

    async def end(self, token: str, *, address: str, request_id: str) -> None:
        """End the session that a token is of, be it the first or the last one; what is no token changes nothing."""
        found = self._read(token)
        if found is None:
            return
        session = found.session

        async def end(conn: Connection) -> None:
            presented = await sessions.end(conn, session, service=self._service)
            if presented is not None:
                actor = actor_of(_caller(session, presented), address=address, request_id=request_id)
                event = Event(
                    actor, Action.SESSION_REVOKE, f"user:{presented.principal}", detail={"session": session.hex}
                )
                await record(conn, event)

        await self._db.transaction("end_session", end)

    async def listed(self, principal_id: int) -> list[SessionRow]:
        """Return the 100 sessions of a principal that were used last, the last one first."""
        return await self._db.read(
            "list_sessions", lambda conn: sessions.listed(conn, principal_id=principal_id, limit=_LISTED)
        )

    async def revoke_all(self, name: str, *, actor: Actor) -> int:
        """End every session of a principal; return how many. Access tokens that they gave end by themselves.

        Raise IdentityUnknown.
        """

        async def revoke(conn: Connection) -> int:
            ended = await sessions.revoke_all(conn, principal_id=(await find_principal(conn, name)).id)
            if ended:
                await record(conn, Event(actor, Action.SESSION_REVOKE, f"user:{name}", detail={"sessions": ended}))
            return ended

        return await self._db.transaction("revoke_sessions", revoke)

    async def revoke(self, session: UUID, name: str, *, actor: Actor) -> None:
        """End a session of a principal. Raise IdentityUnknown."""

        async def revoke(conn: Connection) -> None:
            principal_id = (await find_principal(conn, name)).id
            if not await sessions.revoke(conn, session, principal_id=principal_id):
                raise IdentityUnknown(f"{name} has no session {session}")
            event = Event(actor, Action.SESSION_REVOKE, f"user:{name}", detail={"session": session.hex})
            await record(conn, event)

        await self._db.transaction("revoke_session", revoke)

    def _token(self, session: UUID, generation: int) -> str:
        return f"{PREFIX}{session.hex}_{generation}_{self._code(session, generation)}"

    def _read(self, token: str) -> _Token | None:
        found = _SHAPE.fullmatch(token)
        if found is None:
            return None
        session, generation = UUID(hex=found[1]), int(found[2])
        return _Token(session, generation) if hmac.compare_digest(found[3], self._code(session, generation)) else None

    def _code(self, session: UUID, generation: int) -> str:
        return self._secret.code(f"refresh token\0{session.hex}\0{generation}".encode()).hex()


def _caller(session: UUID, presented: Presented) -> Caller:
    credential = Credential(CredentialKind.SESSION, session.hex)
    return Caller(presented.principal_id, presented.principal, credential=credential)


def shown(client: str) -> str:
    """Return what is kept of a client's name for itself, which may be anything: what can be shown of its beginning."""
    return "".join(letter for letter in client if letter.isprintable())[:_LONGEST_CLIENT]
