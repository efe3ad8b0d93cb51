"""Roles that may be granted in an organisation: those that are built in, and its own."""

from __future__ import annotations

from registry.core.audit import Action
from registry.http.api.asked import Asked
from registry.http.api.grant_models import NewRole, Role, RoleDeleted
from registry.http.api.models import Page, Paging
from registry.http.api.organisations import ORGANISATION
from registry.http.api.route import Route
from registry.http.api.services import AdminServices


async def listed(services: AdminServices, asked: Asked, organisation: str, query_args: Paging) -> Page[Role]:
    """List the roles that may be granted in an organisation, by name."""
    found = await services.directory.roles(
        organisation, by=asked.standing.id, after=query_args.after, limit=query_args.limit
    )
    return Page(items=[Role(**row._asdict()) for row in found.items], next=found.next_after)


async def add(services: AdminServices, asked: Asked, organisation: str, data: NewRole) -> Role:
    """Add a role of an organisation's own."""
    await services.roles.add(f"{organisation}/{data.name}", data.permissions, actor=asked.actor)
    return Role(name=data.name, permissions=sorted(set(data.permissions)), is_built_in=False)


async def delete(services: AdminServices, asked: Asked, organisation: str, role: str) -> RoleDeleted:
    """Delete a role of an organisation's own, and take back what was granted by it."""
    return RoleDeleted(grants_removed=await services.roles.delete(f"{organisation}/{role}", actor=asked.actor))


_ROLES = f"{ORGANISATION}/roles"
ROUTES = (
    Route(method="GET", path=_ROLES, handler=listed, query=Paging, gives=Page[Role], is_delegated=True),
    Route(
        method="POST",
        path=_ROLES,
        handler=add,
        body=NewRole,
        gives=Role,
        status=201,
        action=Action.ROLE_ADD,
        is_delegated=True,
    ),
    Route(
        method="DELETE",
        path=f"{_ROLES}/<role>",
        handler=delete,
        gives=RoleDeleted,
        action=Action.ROLE_DELETE,
        is_delegated=True,
    ),
)
