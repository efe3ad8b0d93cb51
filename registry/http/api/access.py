"""Why somebody may do something with a repository, and who may."""

from __future__ import annotations

from registry.core.access import Permission
from registry.errors import FieldsInvalid
from registry.http.api.asked import Asked
from registry.http.api.grant_models import AccessQuery, Explanation, Holder, HolderQuery
from registry.http.api.models import Page
from registry.http.api.route import Route
from registry.http.api.services import AdminServices
from registry.http.parse import name_of

_LIMIT = 1000


async def explain(services: AdminServices, asked: Asked, query_args: AccessQuery) -> Explanation:
    """Say whether a subject may do something with a repository, and why: of oneself, or of what one administers."""
    found = await services.explanations.explain(
        query_args.subject, name_of(query_args.repository), _permission(query_args.action), by=asked.standing.id
    )
    return Explanation(allowed=found.is_allowed, reason=found.reason, near=list(found.near))


async def who_can(services: AdminServices, asked: Asked, query_args: HolderQuery) -> Page[Holder]:
    """List who may do something with a repository of what one administers, everybody first, then by name."""
    found = await services.explanations.who_can(
        _permission(query_args.action),
        name_of(query_args.repository),
        after=query_args.after,
        limit=_LIMIT + 1,
        by=asked.standing.id,
    )
    holders = [Holder(**one._asdict()) for one in found[:_LIMIT]]
    return Page(items=holders, next=holders[-1].name if len(found) > _LIMIT else None)


def _permission(text: str) -> Permission:
    try:
        return Permission(text)
    except ValueError:
        raise FieldsInvalid({"action": f"is none of {', '.join(Permission)}"}) from None


ROUTES = (
    Route(
        method="GET",
        path="/admin/access",
        handler=explain,
        query=AccessQuery,
        gives=Explanation,
        is_delegated=True,
    ),
    Route(
        method="GET",
        path="/admin/access/who-can",
        handler=who_can,
        query=HolderQuery,
        gives=Page[Holder],
        is_delegated=True,
    ),
)
