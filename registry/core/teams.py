"""Teams of an organisation, and who is of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from registry.core.audit import Action, Actor, Event, record
from registry.core.delegation import administer
from registry.core.subjects import find_principal, is_word, require_name
from registry.db import teams
from registry.db.pool import Connection, Database
from registry.errors import IdentityRefused, IdentityUnknown


class Teams:
    """The verbs of `blacklake admin team`; a team is written ORG/TEAM. `actor` is who asks (registry.core.delegation)."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(self, team: str, *, actor: Actor) -> None:
        """Add a team. Raise IdentityRefused, DelegationDenied."""
        organisation, _, name = team.partition("/")
        require_name(name, "team")

        async def add(conn: Connection) -> None:
            organisation_id = await administer(conn, organisation, by=actor.principal_id)
            if not await teams.add(conn, name, organisation_id=organisation_id):
                raise IdentityRefused(f"there is a team {team} already")
            await record(conn, Event(actor, Action.TEAM_ADD, f"team:{team}"))

        await self._db.transaction("add_team", add)

    async def delete(self, team: str, *, actor: Actor) -> None:
        """Delete a team, and with it what was granted to it. Raise IdentityRefused, DelegationDenied."""
        organisation, name = _parts(team)

        async def delete(conn: Connection) -> None:
            organisation_id = await administer(conn, organisation, by=actor.principal_id)
            if not await teams.delete(conn, name, organisation_id=organisation_id):
                raise IdentityUnknown(f"there is no team {team}")
            await record(conn, Event(actor, Action.TEAM_DELETE, f"team:{team}"))

        await self._db.transaction("delete_team", delete)

    async def add_member(self, team: str, member: str, *, actor: Actor) -> None:
        """Let a user, or a robot of the organisation, be of a team. Raise IdentityRefused, DelegationDenied."""
        event = Event(actor, Action.MEMBER_ADD, f"team:{team}", detail={"member": member})
        if not await self._change("add_member", team, member, event, teams.add_member):
            raise IdentityRefused(f"{member} is of {team} already")

    async def remove_member(self, team: str, member: str, *, actor: Actor) -> None:
        """Let somebody be of a team no longer. Raise IdentityRefused, DelegationDenied."""
        event = Event(actor, Action.MEMBER_REMOVE, f"team:{team}", detail={"member": member})
        if not await self._change("remove_member", team, member, event, teams.remove_member):
            raise IdentityRefused(f"{member} is not of {team}")

    async def _change(
        self, what: str, team: str, member: str, event: Event, change: Callable[..., Awaitable[bool]]
    ) -> bool:
        organisation, name = _parts(team)

        async def act(conn: Connection) -> bool:
            organisation_id = await administer(conn, organisation, by=event.actor.principal_id)
            team_id = await teams.find(conn, name, organisation_id=organisation_id)
            if team_id is None:
                raise IdentityUnknown(f"there is no team {team}")
            principal = await find_principal(conn, member)
            if principal.organisation_id not in (None, organisation_id):
                raise IdentityRefused(f"{member} is a robot of another organisation")
            is_changed = await change(conn, team_id=team_id, principal_id=principal.id)
            if is_changed:
                await record(conn, event)
            return is_changed

        return await self._db.transaction(what, act)


def _parts(team: str) -> tuple[str, str]:
    organisation, _, name = team.partition("/")
    if not is_word(name):
        raise IdentityUnknown(f"there is no team {team[:128]}")
    return organisation, name
