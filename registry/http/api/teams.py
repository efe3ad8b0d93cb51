"""Teams of an organisation, and who is of them."""

from __future__ import annotations

from registry.core.audit import Action
from registry.http.api.asked import Asked
from registry.http.api.models import Page, Paging
from registry.http.api.organisation_models import Member, Named, Team
from registry.http.api.organisations import ORGANISATION
from registry.http.api.route import Route
from registry.http.api.services import AdminServices


async def listed(services: AdminServices, asked: Asked, organisation: str, query_args: Paging) -> Page[Team]:
    """List the teams of an organisation by name."""
    found = await services.directory.teams(
        organisation, by=asked.standing.id, after=query_args.after, limit=query_args.limit
    )
    return Page(items=[Team(name=name) for name in found.items], next=found.next_after)


async def add(services: AdminServices, asked: Asked, organisation: str, data: Named) -> Team:
    """Add a team."""
    await services.teams.add(f"{organisation}/{data.name}", actor=asked.actor)
    return Team(name=data.name)


async def delete(services: AdminServices, asked: Asked, organisation: str, team: str) -> None:
    """Delete a team, and with it what was granted to it."""
    await services.teams.delete(f"{organisation}/{team}", actor=asked.actor)


async def members(
    services: AdminServices, asked: Asked, organisation: str, team: str, query_args: Paging
) -> Page[Member]:
    """List who is of a team, by name."""
    found = await services.directory.members(
        organisation, team, by=asked.standing.id, after=query_args.after, limit=query_args.limit
    )
    return Page(items=[Member(**row._asdict()) for row in found.items], next=found.next_after)


async def add_member(services: AdminServices, asked: Asked, organisation: str, team: str, member: str) -> None:
    """Let a user, or a robot of the organisation, be of a team."""
    await services.teams.add_member(f"{organisation}/{team}", member, actor=asked.actor)


async def remove_member(services: AdminServices, asked: Asked, organisation: str, team: str, member: str) -> None:
    """Let somebody be of a team no longer."""
    await services.teams.remove_member(f"{organisation}/{team}", member, actor=asked.actor)


_TEAMS = f"{ORGANISATION}/teams"
_TEAM = f"{_TEAMS}/<team>"
_MEMBER = f"{_TEAM}/members/<member>"
ROUTES = (
    Route(method="GET", path=_TEAMS, handler=listed, query=Paging, gives=Page[Team], is_delegated=True),
    Route(
        method="POST",
        path=_TEAMS,
        handler=add,
        body=Named,
        gives=Team,
        status=201,
        action=Action.TEAM_ADD,
        is_delegated=True,
    ),
    Route(method="DELETE", path=_TEAM, handler=delete, status=204, action=Action.TEAM_DELETE, is_delegated=True),
    Route(method="GET", path=f"{_TEAM}/members", handler=members, query=Paging, gives=Page[Member], is_delegated=True),
    Route(method="PUT", path=_MEMBER, handler=add_member, status=204, action=Action.MEMBER_ADD, is_delegated=True),
    Route(
        method="DELETE",
        path=_MEMBER,
        handler=remove_member,
        status=204,
        action=Action.MEMBER_REMOVE,
        is_delegated=True,
    ),
)
