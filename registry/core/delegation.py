"""Who may change rights: `by` is the principal who does, None for the operator, who may do everything.

Who may do everything in the registry may also change everything. The administrators of an organisation (`admin` on all of it)
change what is in it. Whoever may `grant` on a target grants and takes back there what he himself may do on all of it.
"""

from __future__ import annotations

from registry.core.access import ALL, Permission
from registry.core.subjects import Target, is_word
from registry.db import organisations, rights
from registry.db.pool import Connection
from registry.db.rights import Holdings
from registry.errors import DelegationDenied, IdentityUnknown, RegistryError


async def change_organisation(conn: Connection, name: str, *, by: int | None) -> int:
    """Return an organisation's id and let nobody else change rights in it until the transaction ends.

    Raise IdentityUnknown where there is none such, DelegationDenied to who needn't know.
    """
    found = await organisations.change(conn, name) if is_word(name) else None
    if found is None:
        raise await unseen(conn, name, by=by)
    return found


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
    """Do what `change_organisation` does for its administrators. Raise DelegationDenied for others."""
    return await _administered(conn, name, await change_organisation(conn, name, by=by), by=by)


async def oversee(conn: Connection, name: str, *, by: int | None) -> int:
    """Return an organisation's id to its administrators, who look at it and change nothing.

    Raise DelegationDenied to others, IdentityUnknown.
    """
    found = await organisations.find(conn, name) if is_word(name) else None
    if found is None:
        raise await unseen(conn, name, by=by)
    return await _administered(conn, name, found, by=by)


async def grantable(conn: Connection, on: Target, *, organisation_id: int, by: int | None) -> frozenset[Permission]:
    """Return what may be granted on a target. Raise DelegationDenied where that is nothing."""
    holdings = await _holdings(conn, on, organisation_id=organisation_id, by=by)
    if holdings.is_administrator:
        return ALL
    if Permission.GRANT not in holdings.permissions:
        raise DelegationDenied(str(on))
    return frozenset(map(Permission, holdings.permissions))


async def _administered(conn: Connection, name: str, organisation_id: int, *, by: int | None) -> int:
    on = Target(name, f"{name}/", is_prefix=True)
    if not (await _holdings(conn, on, organisation_id=organisation_id, by=by)).is_administrator:
        raise DelegationDenied(name)
    return organisation_id


async def _holdings(conn: Connection, on: Target, *, organisation_id: int, by: int | None) -> Holdings:
    if by is None:
        return Holdings(is_administrator=True, permissions=frozenset())
    return await rights.holdings(conn, by, organisation_id=organisation_id, target=on.path, is_prefix=on.is_prefix)
