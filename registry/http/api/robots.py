"""Robots: each is of an organisation, whose administrators look after it."""

from __future__ import annotations

from registry.core.audit import Action
from registry.db.directory import PrincipalRow
from registry.http.api.asked import Asked
from registry.http.api.credential_models import Key, KeyMade, NewKey
from registry.http.api.me import keys_of, make_key
from registry.http.api.models import BIGGEST, NumberedPaging, Page, Paging
from registry.http.api.principal_models import Change, NewRobot, Robot
from registry.http.api.route import Route
from registry.http.api.services import AdminServices

_KIND = "robot"


async def listed(services: AdminServices, asked: Asked, query_args: Paging) -> Page[Robot]:
    """List robots by name: those of the organisations that the caller may see into."""
    found = await services.directory.principals(
        _KIND, by=asked.standing.id, after=query_args.after, limit=query_args.limit
    )
    return Page(items=[_shown(row) for row in found.items], next=found.next_after)


async def add(services: AdminServices, asked: Asked, data: NewRobot) -> Robot:
    """Add a robot."""
    await services.identities.add_robot(data.name, actor=asked.actor)
    return await show(services, asked, data.name)


async def show(services: AdminServices, asked: Asked, robot: str) -> Robot:
    """Show a robot."""
    return _shown(await services.directory.principal(_KIND, robot, by=asked.standing.id))


async def change(services: AdminServices, asked: Asked, robot: str, data: Change) -> Robot:
    """Disable a robot, or let it in again."""
    act = services.identities.disable if data.is_disabled else services.identities.enable
    await act(robot, actor=asked.actor, kind=_KIND)
    return await show(services, asked, robot)


async def delete(services: AdminServices, asked: Asked, robot: str) -> None:
    """Delete a robot with its keys and grants."""
    await services.identities.delete(robot, actor=asked.actor, kind=_KIND)


async def keys(services: AdminServices, asked: Asked, robot: str, query_args: NumberedPaging) -> Page[Key]:
    """List the API keys of a robot."""
    return await keys_of(services, asked, robot, query_args, kind=_KIND)


async def add_key(services: AdminServices, asked: Asked, robot: str, data: NewKey) -> KeyMade:
    """Make an API key of a robot, and tell it once."""
    return await make_key(services, asked, robot, data, kind=_KIND)


async def revoke_key(services: AdminServices, asked: Asked, robot: str, key: int) -> None:
    """Revoke an API key of a robot."""
    await services.api_keys.revoke(robot, key, actor=asked.actor, kind=_KIND)


def _shown(row: PrincipalRow) -> Robot:
    return Robot(
        name=row.name, organisation=row.organisation or "", is_disabled=row.is_disabled, created_at=row.created_at
    )


_ROBOTS = "/admin/robots"
_ROBOT = f"{_ROBOTS}/<robot>"
ROUTES = (
    Route(method="GET", path=_ROBOTS, handler=listed, query=Paging, gives=Page[Robot], is_delegated=True),
    Route(
        method="POST",
        path=_ROBOTS,
        handler=add,
        body=NewRobot,
        gives=Robot,
        status=201,
        action=Action.ROBOT_ADD,
        is_delegated=True,
    ),
    Route(method="GET", path=_ROBOT, handler=show, gives=Robot, is_delegated=True),
    Route(
        method="PATCH",
        path=_ROBOT,
        handler=change,
        body=Change,
        gives=Robot,
        action=Action.PRINCIPAL_DISABLE,
        is_delegated=True,
    ),
    Route(
        method="DELETE",
        path=_ROBOT,
        handler=delete,
        status=204,
        action=Action.PRINCIPAL_DELETE,
        is_delegated=True,
    ),
    Route(method="GET", path=f"{_ROBOT}/keys", handler=keys, query=NumberedPaging, gives=Page[Key], is_delegated=True),
    Route(
        method="POST",
        path=f"{_ROBOT}/keys",
        handler=add_key,
        body=NewKey,
        gives=KeyMade,
        status=201,
        action=Action.KEY_ADD,
        is_delegated=True,
    ),
    Route(
        method="DELETE",
        path=f"{_ROBOT}/keys/<int(max={BIGGEST}):key>",
        handler=revoke_key,
        status=204,
        action=Action.KEY_REVOKE,
        is_delegated=True,
    ),
)
