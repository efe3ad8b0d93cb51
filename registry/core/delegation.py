"""Who may change rights: `by` is the principal who does, None for the operator, who may do everything.

Who may do everything in the registry may also change everything. The administrators of an organisation (`admin` on all of it)
change what is in it. Whoever may `grant` on a target grants and takes back there what he himself may do on all of it.
"""

from __future__ import annotations

from typing import NamedTuple

from registry.core.access import ALL, Permission
from registry.core.subjects import Target, is_word
from registry.db import organisations, rights
from registry.db.pool import Connection
from registry.db.rights import Holdings
from registry.errors import DelegationDenied, IdentityUnknown, RegistryError


async def unseen(conn: Connection, name: str, *, by: int | None) -> RegistryError:
    """Return what is said of an organisation that isn't there, or that the asker doesn't see: to the latter both are one."""
    if by is not None and not await rights.is_administrator(conn, by):
        return DelegationDenied(name)
    return IdentityUnknown(f"there is no organisation {name[:128]}; add it first")


async def require_administrator(conn: Connection, what: str, *, by: int | None) -> None:
    """Raise DelegationDenied of `what` unless `by` may do everything: whoever makes a user could make one that may."""
    if by is not None and not await rights.is_administrator(conn, by):
        raise DelegationDenied(what)


async def administer(conn: Connection, name: str, *, by: int | None) -> int:
    """Return an organisation's id, and let nobody else change rights in it until the transaction ends.

    Raise DelegationDenied to who doesn't administer it, IdentityUnknown. Those wait for nobody, and nobody for them: it is
    decided before the lock, and once more behind it, since the right may have been lost meanwhile.
    """
    await oversee(conn, name, by=by)
    return await _administered(conn, name, await _changed(conn, name, by=by), by=by)


async def oversee(conn: Connection, name: str, *, by: int | None) -> int:
    """Return an organisation's id to its administrators, who look at it and change nothing.

    Raise DelegationDenied to others, IdentityUnknown.
    """
    return await _administered(conn, name, await _found(conn, name, by=by), by=by)


class Grantable(NamedTuple):
    """What may be granted on a target."""

    organisation_id: int
    permissions: frozenset[Permission]


async def grantable(conn: Connection, on: Target, *, by: int | None) -> Grantable:
    """Return what may be granted on a target, and let nobody else change rights in its organisation as `administer` does.

    Raise DelegationDenied where that is nothing, IdentityUnknown.
    """
    await require_grantable(conn, on, by=by)
    return await _grantable(conn, on, organisation_id=await _changed(conn, on.organisation, by=by), by=by)


async def require_grantable(conn: Connection, on: Target, *, by: int | None) -> Grantable:
    """Return what `grantable` does to those who look and change nothing."""
    return await _grantable(conn, on, organisation_id=await _found(conn, on.organisation, by=by), by=by)


async def _found(conn: Connection, name: str, *, by: int | None) -> int:
    found = await organisations.find(conn, name) if is_word(name) else None
    if found is None:
        raise await unseen(conn, name, by=by)
    return found


async def _changed(conn: Connection, name: str, *, by: int | None) -> int:
    found = await organisations.change(conn, name)
    if found is None:
        raise await unseen(conn, name, by=by)
    return found


async def _grantable(conn: Connection, on: Target, *, organisation_id: int, by: int | None) -> Grantable:
    holdings = await _holdings(conn, on, organisation_id=organisation_id, by=by)
    if holdings.is_administrator:
        return Grantable(organisation_id, ALL)
    if Permission.GRANT not in holdings.permissions:
        raise DelegationDenied(str(on))
    return Grantable(organisation_id, frozenset(map(Permission, holdings.permissions)))


async def _administered(conn: Connection, name: str, organisation_id: int, *, by: int | None) -> int:
    on = Target(name, f"{name}/", is_prefix=True)
    if not (await _holdings(conn, on, organisation_id=organisation_id, by=by)).is_administrator:
        raise DelegationDenied(name)
    return organisation_id


async def _holdings(conn: Connection, on: Target, *, organisation_id: int, by: int | None) -> Holdings:
    if by is None:
        return Holdings(is_administrator=True, permissions=frozenset())
    return await rights.holdings(conn, by, organisation_id=organisation_id, target=on.path, is_prefix=on.is_prefix)
