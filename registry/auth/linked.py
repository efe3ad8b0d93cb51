"""Whom an identity of an issuer stands for here: whoever is linked to the issuer's subject, never who has the same name."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from registry.auth.login import Identity
from registry.core.access import Caller, Credential, CredentialKind
from registry.core.audit import Action, Event, actor_of, record
from registry.core.subjects import is_name
from registry.db import principals, trust
from registry.db.pool import Connection, Database
from registry.errors import LoginRefused

_UNFIT: Final = re.compile(r"[^a-z0-9]+", re.ASCII)
_LONGEST: Final = 40  # characters of a name that is made of another


class LinkedUsers:
    """Finds the users of identities, and makes those of issuers that may make some."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def caller(self, identity: Identity, *, address: str, request_id: str) -> Caller:
        """Return who has logged in, from an address, in a request. Raise LoginRefused."""
        issuer, subject = identity.issuer, identity.subject
        found = await self._db.read(
            "find_linked", lambda conn: trust.linked(conn, issuer_id=issuer.id, subject=subject)
        )
        if found is None and issuer.creates_users:
            origin = {"address": address, "request_id": request_id}
            found = await self._db.transaction("link_first_login", lambda conn: _first(conn, identity, **origin))
        if found is None:
            raise LoginRefused(
                f"{subject} of {issuer.url} is nobody here; an administrator links it by"
                f" `blacklake admin issuer link {issuer.url} {subject} USER`"
            )
        return _caller(identity, *found)


async def _first(conn: Connection, identity: Identity, *, address: str, request_id: str) -> tuple[int, str] | None:
    """Make the user of an identity that is new. A name that somebody has is never taken for the same person."""
    issuer, subject = identity.issuer, identity.subject
    if await trust.is_linked(conn, issuer_id=issuer.id, subject=subject):  # disabled, or just made by another request
        return await trust.linked(conn, issuer_id=issuer.id, subject=subject)
    for name in names_for(identity):
        principal_id = await principals.add_user(conn, name, password_hash=None, is_admin=False)
        if principal_id is not None:
            if await trust.link(conn, issuer_id=issuer.id, subject=subject, principal_id=principal_id):
                actor = actor_of(_caller(identity, principal_id, name), address=address, request_id=request_id)
                detail = {"issuer": issuer.url, "subject": subject}
                await record(
                    conn,
                    Event(actor, Action.USER_ADD, f"user:{name}", detail={"admin": False}),
                    Event(actor, Action.LINK_ADD, f"user:{name}", detail=detail),
                )
                return principal_id, name
            raise LoginRefused("this login has just been made by another request; log in again")
    return None


def _caller(identity: Identity, principal_id: int, name: str) -> Caller:
    return Caller(principal_id, name, credential=Credential(CredentialKind.IDENTITY, identity.issuer.url))


def names_for(identity: Identity) -> list[str]:
    """Return the names that a new user gets, the first that is free: the own one, or one that nobody else can have."""
    wanted = _UNFIT.sub("-", (identity.name or "").lower().partition("@")[0])[:_LONGEST].strip("-")
    mark = hashlib.sha256(f"{identity.issuer.url} {identity.subject}".encode()).hexdigest()[:12]
    own = [wanted] if is_name(wanted) else []
    return [*own, f"{wanted or 'user'}-{mark}"]
