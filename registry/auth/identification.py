"""From what somebody knows, a password or a key, to who it is."""

from __future__ import annotations

from typing import Final

from registry.auth.key_bounds import bound_of_key
from registry.auth.passwords import Passwords
from registry.auth.secrets import hash_of
from registry.core.access import Caller, Credential, CredentialKind
from registry.db import principals
from registry.db.pool import Database
from registry.db.principals import PrincipalRow
from registry.errors import CredentialsWrong

_LONGEST: Final = 128  # characters of a name


class Identification:
    """Identifies principals."""

    def __init__(self, db: Database, passwords: Passwords) -> None:
        self._db = db
        self._passwords = passwords

    async def by_password(self, user: str, password: str) -> Caller:
        """Return whose password this is; a key, which may be a stolen one, does not do. Raise CredentialsWrong."""
        row = await self._named(user)
        if not await self._passwords.match(row.password_hash if row is not None else None, password) or row is None:
            raise CredentialsWrong(row.name if row is not None else None)
        return Caller(row.id, row.name, credential=Credential(CredentialKind.PASSWORD), epoch=row.rights_epoch)

    async def by_key(self, key: str, *, user: str | None = None) -> Caller:
        """Return for whom an API key stands, bound to its scopes; who names a `user` with it must name that one.

        Raise CredentialsWrong.
        """
        row = await self._db.statement("find_api_key", lambda conn: principals.by_key(conn, hash_of(key)))
        if row is None or user not in (None, row.name):
            raise CredentialsWrong
        bound = bound_of_key(row.scopes) if row.scopes is not None else None
        return Caller(row.id, row.name, bound, Credential(CredentialKind.KEY, str(row.key_id)))

    async def _named(self, user: str) -> PrincipalRow | None:
        if not 0 < len(user) <= _LONGEST or "\0" in user:
            return None
        return await self._db.read("find_principal", lambda conn: principals.by_name(conn, user))
