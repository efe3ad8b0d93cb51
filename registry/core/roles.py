"""Roles of an organisation beside those that are built in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from registry.core.access import Permission
from registry.core.audit import Action, Actor, Event, record
from registry.core.delegation import administer
from registry.core.subjects import is_word, require_name
from registry.db import roles
from registry.db.pool import Connection, Database
from registry.errors import IdentityRefused

BUILT_IN: Final = ("reader", "writer", "maintainer", "admin")
"""The roles that every organisation has, by what they permit."""

CUSTOM: Final = (
    Permission.PULL,
    Permission.PUSH,
    Permission.DELETE,
    Permission.TAG_MOVE,
    Permission.SIGN,
    Permission.ADMIN,
)
"""What a role of an organisation's own may permit."""


class Roles:
    """The verbs of `blacklake admin role`; a role is written ORG/ROLE. `actor` is who asks (registry.core.delegation)."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(self, role: str, permissions: Iterable[str], *, actor: Actor) -> None:
        """Add a role, which never changes. Raise IdentityRefused, DelegationDenied."""
        organisation, _, name = role.partition("/")
        require_name(name, "role")
        wanted = frozenset(permissions)
        if not wanted or not wanted <= set(CUSTOM):
            raise IdentityRefused(f"role {role} permits some of {', '.join(CUSTOM)}, and nothing else")

        async def add(conn: Connection) -> None:
            organisation_id = await administer(conn, organisation, by=actor.principal_id)
            if not await roles.add(conn, name, wanted, organisation_id=organisation_id):
                raise IdentityRefused(f"{organisation} has a role {name} already")
            await record(conn, Event(actor, Action.ROLE_ADD, f"role:{role}", detail={"permissions": sorted(wanted)}))

        await self._db.transaction("add_role", add)

    async def delete(self, role: str, *, actor: Actor) -> int:
        """Delete a role and return how many grants of it that has taken back. Raise IdentityRefused, DelegationDenied."""
        organisation, _, name = role.partition("/")

        async def delete(conn: Connection) -> int:
            organisation_id = await administer(conn, organisation, by=actor.principal_id)
            taken_back = await roles.delete(conn, name, organisation_id=organisation_id) if is_word(name) else None
            if taken_back is None:
                raise IdentityRefused(
                    f"{name} is built in" if name in BUILT_IN else f"{organisation} has no role {name} of its own"
                )
            await record(conn, Event(actor, Action.ROLE_DELETE, f"role:{role}", detail={"grants": taken_back}))
            return taken_back

        return await self._db.transaction("delete_role", delete)
