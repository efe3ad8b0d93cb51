"""Teams of an organisation, and who is of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from registry.core.delegation import administer
from registry.core.subjects import find_principal, is_word, require_name
from registry.db import teams
from registry.db.pool import Connection, Database
from registry.errors import IdentityRefused, IdentityUnknown


class Teams:
    """The verbs of `blacklake admin team`; a team is written ORG/TEAM. `by` is who asks (registry.core.delegation)."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(self, team: str, *, by: int | None = None) -> None:
        """Add a team. Raise IdentityRefused, DelegationDenied."""
        organisation, _, name = team.partition("/")
        require_name(name, "team")

        async def add(conn: Connection) -> None:
            organisation_id = await administer(conn, organisation, by=by)
            if not await teams.add(conn, name, organisation_id=organisation_id):
                raise IdentityRefused(f"there is a team {team} already")

        await self._db.transaction("add_team", add)

    async def delete(self, team: str, *, by: int | None = None) -> None:
        """Delete a team, and with it what was granted to it. Raise IdentityRefused, DelegationDenied."""
        organisation, name = _parts(team)

        async def delete(conn: Connection) -> None:
            organisation_id = await administer(conn, organisation, by=by)
            if not await teams.delete(conn, name, organisation_id=organisation_id):
                raise IdentityUnknown(f"there is no team {team}")

        await self._db.transaction("delete_team", delete)

    async def add_member(self, team: str, member: str, *, by: int | None = None) -> None:
        """Let a user, or a robot of the organisation, be of a team. Raise IdentityRefused, DelegationDenied."""
        if not await self._change("add_member", team, member, teams.add_member, by=by):
            raise IdentityRefused(f"{member} is of {team} already")

    async def remove_member(self, team: str, member: str, *, by: int | None = None) -> None:
        """Let somebody be of a team no longer. Raise IdentityRefused, DelegationDenied."""
        if not await self._change("remove_member", team, member, teams.remove_member, by=by):
            raise IdentityRefused(f"{member} is not of {team}")

    async def _change(
        self, what: str, team: str, member: str, change: Callable[..., Awaitable[bool]], *, by: int | None
    ) -> bool:
        organisation, name = _parts(team)

        async def act(conn: Connection) -> bool:
            organisation_id = await administer(conn, organisation, by=by)
            team_id = await teams.find(conn, name, organisation_id=organisation_id)
            if team_id is None:
                raise IdentityUnknown(f"there is no team {team}")
            principal = await find_principal(conn, member)
            if principal.organisation_id not in (None, organisation_id):
                raise IdentityRefused(f"{member} is a robot of another organisation")
            return await change(conn, team_id=team_id, principal_id=principal.id)

        return await self._db.transaction(what, act)


def _parts(team: str) -> tuple[str, str]:
    organisation, _, name = team.partition("/")
    if not is_word(name):
        raise IdentityUnknown(f"there is no team {team[:128]}")
    return organisation, name
