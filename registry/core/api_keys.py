"""API keys of users and robots."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from registry.core.access import CredentialKind
from registry.core.audit import Action, Actor, Event, record
from registry.core.delegation import administer, oversee, require_administrator
from registry.core.key_scopes import require_scopes
from registry.core.pages import Page, page_of
from registry.core.subjects import ROBOT_MARK, find_principal
from registry.db import api_keys, principals
from registry.db.api_keys import KeyListed, MakerRow
from registry.db.pool import Connection, Database
from registry.db.principals import StandingRow
from registry.errors import AccessDenied, AccessLost, IdentityRefused, IdentityUnknown

MOST: Final = 200
"""Keys of a principal, or a few more where many are made at once."""

_LONGEST_NAME: Final = 128


class KeyAdded(NamedTuple):
    """A key that was recorded."""

    id: int
    expires_at: datetime | None


class ApiKeys:
    """The verbs of `blacklake admin apikey`.

    One's own keys are one's own affair; a robot's are its organisation's administrators', all others the registry's. A `kind`
    is what the owner must be.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(
        self,
        owner: str,
        name: str,
        secret_hash: bytes,
        *,
        lifetime: timedelta | None,
        actor: Actor,
        scopes: Sequence[str] | None = None,
        kind: str | None = None,
    ) -> KeyAdded:
        """Record a key, with `scopes` (registry.core.key_scopes) one that permits no more than they say.

        One that is made by a key ends with that one, at the latest: whoever has stolen a key has no other when it is revoked.
        Only a robot's, made by who administers its organisation, is the robot's own. Raise IdentityRefused, DelegationDenied,
        AccessDenied to whose credential makes no keys, AccessLost where it has just ended.
        """
        if not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME:
            raise IdentityRefused(f"a key's name has 1 to {_LONGEST_NAME} characters that can be printed")
        limits = require_scopes(scopes) if scopes is not None else None
        expires_at = datetime.now(UTC) + lifetime if lifetime is not None else None

        async def add(conn: Connection) -> KeyAdded:
            found = await _owner(conn, owner, kind, actor.principal_id, is_change=True)
            maker = await _maker(conn, actor)
            if found.is_disabled:
                raise IdentityUnknown(f"there is no user {owner}, or it is disabled")
            if found.kind == "service":
                raise IdentityRefused(f"{owner} is a service, which signs its requests and has no API keys")
            if await api_keys.count(conn, principal_id=found.id) >= MOST:
                raise IdentityRefused(
                    f"{owner} has {MOST} keys, which is the most; revoke some first, expired ones too"
                )
            if found.kind == "robot" and found.id != actor.principal_id:
                maker = None  # its keys are its organisation's, whoever administers that
            until = min((at for at in (expires_at, maker and maker.expires_at) if at is not None), default=None)
            key_id = await principals.add_key(
                conn,
                found.id,
                name,
                secret_hash,
                scopes=limits,
                expires_at=until,
                made_by=maker.id if maker is not None else None,
            )
            if key_id is None:
                raise IdentityRefused(f"{owner} has a key of the name {name} already")
            detail = {"name": name, "key": key_id, **({"scopes": limits} if limits is not None else {})}
            await record(conn, Event(actor, Action.KEY_ADD, f"user:{owner}", detail=detail))
            return KeyAdded(key_id, until)

        return await self._db.transaction("add_api_key", add)

    async def page(
        self, owner: str, *, by: int | None, after: int = 0, limit: int, kind: str | None = None
    ) -> Page[KeyListed]:
        """Return keys, expired ones too, in the order in which they were made. Raise IdentityUnknown, DelegationDenied."""

        async def find(conn: Connection) -> list[KeyListed]:
            found = await _owner(conn, owner, kind, by, is_change=False)
            return await api_keys.page(conn, principal_id=found.id, after=after, limit=limit + 1)

        return page_of(await self._db.read("list_api_keys", find), limit, key=lambda row: str(row.id))

    async def revoke(self, owner: str, key_id: int, *, actor: Actor, kind: str | None = None) -> None:
        """Delete a key, and those made by it: who has one may do nothing more with it.

        Raise IdentityUnknown, DelegationDenied.
        """

        async def delete(conn: Connection) -> None:
            found = await _owner(conn, owner, kind, actor.principal_id, is_change=True)
            name = await api_keys.delete(conn, key_id, principal_id=found.id)
            if name is None:
                raise IdentityUnknown(f"{owner} has no key {key_id}")
            await record(conn, Event(actor, Action.KEY_REVOKE, f"user:{owner}", detail={"name": name, "key": key_id}))

        await self._db.transaction("revoke_api_key", delete)


async def _maker(conn: Connection, actor: Actor) -> MakerRow | None:
    """Return the key by which somebody acts; None where he acts by none."""
    if actor.credential_kind is CredentialKind.PROXY:
        raise AccessDenied("whom a proxy names makes no keys: they would do without the proxy")
    if actor.credential_kind is not CredentialKind.KEY:
        return None
    maker = await api_keys.hold(conn, int(actor.credential_id or 0), principal_id=actor.principal_id)
    if maker is None:
        raise AccessLost(actor.principal)
    if maker.scopes is not None:
        raise AccessDenied("a key with scopes makes no other keys: they could permit more than it does")
    return maker


async def _owner(conn: Connection, name: str, kind: str | None, by: int | None, *, is_change: bool) -> StandingRow:
    """Return whose keys they are, once it is clear that `by` may have to do with them; others don't learn who there is."""
    organisation, mark, _ = name.partition(ROBOT_MARK)
    is_robots = bool(mark) and kind in (None, "robot")
    own = await principals.standing(conn, by) if by is not None else None
    if own is not None and own.name == name:
        return await find_principal(conn, name, kind=kind)
    if is_robots:
        await (administer if is_change else oversee)(conn, organisation, by=by)
    else:
        await require_administrator(conn, name, by=by)
    return await find_principal(conn, name, kind=kind)
