"""Identities: users, robots, organisations, and what is granted below them (registry.core.subjects)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from registry.core.access import ANONYMOUS_ID, PULL
from registry.core.audit import REGISTRY, Action, Actor, Event, record
from registry.core.delegation import administer, grantable, require_administrator
from registry.core.roles import BUILT_IN
from registry.core.subjects import (
    ROBOT_MARK,
    Subject,
    find_principal,
    find_subject,
    is_word,
    parse_target,
    require_name,
    require_segment,
)
from registry.db import grants, organisations, principals, roles, sessions
from registry.db.pool import Connection, Database
from registry.db.principals import StandingRow
from registry.db.roles import RoleRow
from registry.errors import DelegationDenied, IdentityRefused

T = TypeVar("T")


class Identities:
    """The verbs of `blacklake admin user|robot|org|grant`. `actor` is who asks (registry.core.delegation)."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add_user(self, name: str, *, password_hash: str | None, is_admin: bool, actor: Actor) -> None:
        """Add a user. Raise IdentityRefused, DelegationDenied."""
        require_name(name, "user")

        async def add(conn: Connection) -> None:
            await require_administrator(conn, name, by=actor.principal_id)
            if await principals.add_user(conn, name, password_hash=password_hash, is_admin=is_admin) is None:
                raise IdentityRefused(f"there is a principal {name} already")
            await record(conn, Event(actor, Action.USER_ADD, f"user:{name}", detail={"admin": is_admin}))

        await self._db.transaction("add_user", add)

    async def has_users(self) -> bool:
        """Say whether anybody has ever been added."""
        return await self._db.read("look_for_users", principals.has_users)

    async def add_first_admin(self, name: str, *, password_hash: str) -> bool:
        """Add a user who may do everything, unless there are users; return whether it was added."""

        async def add(conn: Connection) -> bool:
            await principals.lock(conn)
            if await principals.has_users(conn):
                return False
            await principals.add_user(conn, name, password_hash=password_hash, is_admin=True)
            await record(conn, Event(REGISTRY, Action.USER_ADD, f"user:{name}", detail={"admin": True}))
            return True

        return await self._db.transaction("add_first_admin", add)

    async def add_robot(self, name: str, *, actor: Actor) -> None:
        """Add a robot, ORG+NAME: it holds rights in its organisation only. Raise IdentityRefused, DelegationDenied."""
        organisation, mark, rest = name.partition(ROBOT_MARK)
        if not mark:
            raise IdentityRefused(f"robot “{name[:128]}” is not ORG{ROBOT_MARK}NAME")
        require_segment(organisation)
        require_name(rest, "robot")

        async def add(conn: Connection) -> None:
            organisation_id = await administer(conn, organisation, by=actor.principal_id)
            if not await principals.add_robot(conn, name, organisation_id=organisation_id):
                raise IdentityRefused(f"there is a robot {name} already")
            await record(conn, Event(actor, Action.ROBOT_ADD, f"robot:{name}"))

        await self._db.transaction("add_robot", add)

    async def disable(self, name: str, *, actor: Actor, kind: str | None = None) -> None:
        """Let a user or a robot do nothing any more, and end its sessions; not the last one who may do everything.

        Raise IdentityRefused, DelegationDenied.
        """
        await self._db.transaction("disable_principal", partial(self._disable, name=name, actor=actor, kind=kind))

    async def enable(self, name: str, *, actor: Actor, kind: str | None = None) -> None:
        """Let a user or a robot do again what is granted to it. Raise IdentityRefused, DelegationDenied."""
        await self._db.transaction("enable_principal", partial(self._enable, name=name, actor=actor, kind=kind))

    async def delete(self, name: str, *, actor: Actor, kind: str | None = None) -> None:
        """Delete a user or a robot with its keys, sessions and grants; not the last one who may do everything.

        Raise IdentityRefused, DelegationDenied.
        """

        async def delete(conn: Connection) -> None:
            await principals.lock_administrators(conn)
            found = await self._found(conn, name, by=actor.principal_id, kind=kind)
            await _require_another(conn, found)
            await principals.delete(conn, found.id)
            await record(conn, Event(actor, Action.PRINCIPAL_DELETE, name))

        await self._db.transaction("delete_principal", delete)

    async def add_organisation(self, name: str, *, actor: Actor) -> None:
        """Add an organisation, the first segment of its repositories' names. Raise IdentityRefused, DelegationDenied."""
        require_segment(name)

        async def add(conn: Connection) -> None:
            await require_administrator(conn, name, by=actor.principal_id)
            if await organisations.add(conn, name) is None:
                raise IdentityRefused(f"there is an organisation {name} already")
            await record(conn, Event(actor, Action.ORGANISATION_ADD, name))

        await self._db.transaction("add_organisation", add)

    async def grant(self, subject: str, role: str, target: str, *, actor: Actor) -> None:
        """Grant a role. Raise IdentityRefused, DelegationDenied."""
        event = Event(actor, Action.GRANT_ADD, target, detail={"role": role, "subject": subject})
        if not await self._change("grant", event, subject, role, grants.add):
            raise IdentityRefused(f"{subject} has the role {role} on {target} already")

    async def revoke(self, subject: str, role: str, target: str, *, actor: Actor) -> None:
        """Take a grant back. Raise IdentityRefused, DelegationDenied."""
        event = Event(actor, Action.GRANT_REMOVE, target, detail={"role": role, "subject": subject})
        if not await self._change("revoke", event, subject, role, grants.delete):
            raise IdentityRefused(f"{subject} has no role {role} on {target}")

    async def set_password(self, name: str, password_hash: str, *, actor: Actor) -> None:
        """Let a user have another password, and end his sessions. Whose it is may do so himself, by a password that is his.

        Raise IdentityUnknown, DelegationDenied.
        """

        async def change(conn: Connection) -> None:
            await self._set_password(conn, name, password_hash, actor=actor)

        await self._db.transaction("set_password", change)

    async def change_user(
        self, name: str, *, password_hash: str | None, is_disabled: bool | None, actor: Actor
    ) -> None:
        """Do what `disable` or `enable`, and `set_password` do, as far as it is not None: all of it, or nothing.

        Raise IdentityRefused, IdentityUnknown, DelegationDenied.
        """

        async def change(conn: Connection) -> None:
            if is_disabled is not None:  # first, since it locks more
                act = self._disable if is_disabled else self._enable
                await act(conn, name=name, actor=actor, kind="user")
            if password_hash is not None:
                await self._set_password(conn, name, password_hash, actor=actor)

        await self._db.transaction("change_user", change)

    async def _disable(self, conn: Connection, *, name: str, actor: Actor, kind: str | None) -> None:
        await principals.lock_administrators(conn)
        found = await self._found(conn, name, by=actor.principal_id, kind=kind)
        await _require_another(conn, found)
        await principals.disable(conn, found.id)
        await sessions.revoke_all(conn, principal_id=found.id)
        await record(conn, Event(actor, Action.PRINCIPAL_DISABLE, name))

    async def _enable(self, conn: Connection, *, name: str, actor: Actor, kind: str | None) -> None:
        await principals.enable(conn, (await self._found(conn, name, by=actor.principal_id, kind=kind)).id)
        await record(conn, Event(actor, Action.PRINCIPAL_ENABLE, name))

    async def _set_password(self, conn: Connection, name: str, password_hash: str, *, actor: Actor) -> None:
        found = await find_principal(conn, name, kind="user")
        if found.id != actor.principal_id:
            await self._found(conn, name, by=actor.principal_id)
        await principals.set_password(conn, found.id, password_hash)
        await sessions.revoke_all(conn, principal_id=found.id)
        await record(conn, Event(actor, Action.PASSWORD_CHANGE, f"user:{name}"))

    async def _found(self, conn: Connection, name: str, *, by: int | None, kind: str | None = None) -> StandingRow:
        """Return a principal, of a `kind` where that is given, that `by` may change.

        A robot is its organisation's, everybody else the registry's.
        """
        organisation, mark, _ = name.partition(ROBOT_MARK)
        if mark:
            await administer(conn, organisation, by=by)
        else:
            await require_administrator(conn, name, by=by)
        return await find_principal(conn, name, kind=kind)

    async def _change(
        self, what: str, event: Event, subject: str, role: str, change: Callable[..., Awaitable[bool]]
    ) -> bool:
        on, by = parse_target(event.target), event.actor.principal_id

        async def act(conn: Connection) -> bool:
            organisation_id, permitted = await grantable(conn, on, by=by)
            found = await roles.find(conn, role, organisation_id=organisation_id) if is_word(role) else None
            if found is None:
                raise IdentityRefused(f"{on.organisation} has no role {role[:128]}; there are {', '.join(BUILT_IN)}")
            if not found.permissions <= permitted:
                raise DelegationDenied(str(on), sorted(found.permissions - permitted))
            grantee = await find_subject(conn, subject)
            if change is grants.add:
                _require_fitting(grantee, found, organisation_id)
            is_changed = await change(
                conn,
                organisation_id=organisation_id,
                principal_id=grantee.principal_id,
                team_id=grantee.team_id,
                role_id=found.id,
                target=on.path,
                is_prefix=on.is_prefix,
            )
            if is_changed:
                await record(conn, event)
            return is_changed

        return await self._db.transaction(what, act)


async def _require_another(conn: Connection, found: StandingRow) -> None:
    """Raise IdentityRefused where nobody could do everything in the registry without a principal."""
    if found.is_admin and not found.is_disabled and not await principals.has_other_administrator(conn, found.id):
        raise IdentityRefused(
            f"{found.name} is the last one who may do everything; add another administrator first, or let one in again"
        )


def _require_fitting(grantee: Subject, role: RoleRow, organisation_id: int) -> None:
    if grantee.principal_id == ANONYMOUS_ID and not role.permissions <= PULL:
        raise IdentityRefused(
            "everybody may be let pull and nothing else; grant a role that permits only that, as reader"
        )
    if grantee.organisation_id not in (None, organisation_id):
        raise IdentityRefused(f"{grantee.text} is of another organisation and holds rights in that one only")
