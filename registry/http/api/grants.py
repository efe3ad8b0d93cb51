"""Grants: what roles on which repositories somebody has."""

from __future__ import annotations

from datetime import UTC, datetime

from registry.core.audit import Action
from registry.core.subjects import Target
from registry.http.api.asked import Asked
from registry.http.api.grant_models import Grant, GrantPaging, GrantQuery, NewGrant
from registry.http.api.models import Page
from registry.http.api.route import Route
from registry.http.api.services import AdminServices


async def listed(services: AdminServices, asked: Asked, query_args: GrantPaging) -> Page[Grant]:
    """List grants, the oldest first: one's own, and those on what one may grant on."""
    found = await services.directory.grants(
        by=asked.standing.id,
        subject=query_args.subject,
        target=query_args.target,
        after=query_args.after,
        limit=query_args.limit,
    )
    grants = [
        Grant(
            subject=row.subject,
            role=row.role,
            target=str(Target(row.organisation, row.target, row.is_prefix)),
            created_at=row.created_at,
        )
        for row in found.items
    ]
    return Page(items=grants, next=found.next_after)


async def add(services: AdminServices, asked: Asked, data: NewGrant) -> Grant:
    """Grant a role."""
    await services.identities.grant(data.subject, data.role, data.target, actor=asked.actor)
    return Grant(**data.model_dump(), created_at=datetime.now(UTC))


async def delete(services: AdminServices, asked: Asked, query_args: GrantQuery) -> None:
    """Take a grant back."""
    await services.identities.revoke(query_args.subject, query_args.role, query_args.target, actor=asked.actor)


_GRANTS = "/admin/grants"
ROUTES = (
    Route(method="GET", path=_GRANTS, handler=listed, query=GrantPaging, gives=Page[Grant], is_delegated=True),
    Route(
        method="POST",
        path=_GRANTS,
        handler=add,
        body=NewGrant,
        gives=Grant,
        status=201,
        action=Action.GRANT_ADD,
        is_delegated=True,
    ),
    Route(
        method="DELETE",
        path=_GRANTS,
        handler=delete,
        query=GrantQuery,
        status=204,
        action=Action.GRANT_REMOVE,
        is_delegated=True,
    ),
)
