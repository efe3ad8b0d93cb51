"""What users do with what is theirs: keys, sessions, the password. Each verb names the user, and nobody else's is touched."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from registry.core.audit import Action, Actor, Event, record
from registry.db import api_keys, principals, sessions
from registry.db.api_keys import KeyListed
from registry.db.pool import Connection, Database
from registry.db.sessions import SessionRow
from registry.errors import IdentityUnknown

_LISTED: Final = 100


class Accounts:
    """The verbs of the account's page. `actor` is the user himself."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def keys(self, principal_id: int) -> list[KeyListed]:
        """Return the user's first 100 keys, in the order in which they were made."""
        return await self._db.read(
            "list_api_keys", lambda conn: api_keys.page(conn, principal_id=principal_id, after=0, limit=_LISTED)
        )

    async def sessions(self, principal_id: int) -> list[SessionRow]:
        """Return the 100 sessions that were used last, the last one first."""
        return await self._db.read(
            "list_sessions", lambda conn: sessions.listed(conn, principal_id=principal_id, limit=_LISTED)
        )

    async def revoke_key(self, key_id: int, *, actor: Actor) -> None:
        """Let a key be valid no longer. Raise IdentityUnknown."""
        principal_id = _id_of(actor)

        async def revoke(conn: Connection) -> None:
            name = await api_keys.delete(conn, key_id, principal_id=principal_id)
            if name is None:
                raise IdentityUnknown("there is no such key; it may have been revoked already")
            detail = {"key": key_id, "name": name}
            await record(conn, Event(actor, Action.KEY_REVOKE, f"user:{actor.principal}", detail=detail))

        await self._db.transaction("revoke_api_key", revoke)

    async def revoke_session(self, session: UUID, *, actor: Actor) -> None:
        """End a session. Raise IdentityUnknown."""
        principal_id = _id_of(actor)

        async def revoke(conn: Connection) -> None:
            if not await sessions.revoke(conn, session, principal_id=principal_id):
                raise IdentityUnknown("there is no such session; it may have ended already")
            detail = {"session": session.hex}
            await record(conn, Event(actor, Action.SESSION_REVOKE, f"user:{actor.principal}", detail=detail))

        await self._db.transaction("revoke_session", revoke)

    async def set_password(self, password_hash: str, *, actor: Actor) -> None:
        """Let the user have another password, and end all his sessions."""
        principal_id = _id_of(actor)

        async def change(conn: Connection) -> None:
            await principals.set_password(conn, principal_id, password_hash)
            ended = await sessions.revoke_all(conn, principal_id=principal_id)
            detail = {"sessions_ended": ended}
            await record(conn, Event(actor, Action.PASSWORD_CHANGE, f"user:{actor.principal}", detail=detail))

        await self._db.transaction("change_password", change)


def _id_of(actor: Actor) -> int:
    assert actor.principal_id is not None
    return actor.principal_id
