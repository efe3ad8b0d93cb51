"""Organisations: administrators of the registry add them; who may grant or administers in one sees it."""

from __future__ import annotations

from registry.core.audit import Action
from registry.http.api.asked import Asked
from registry.http.api.models import Page, Paging
from registry.http.api.organisation_models import Named, Organisation
from registry.http.api.route import Route
from registry.http.api.services import AdminServices


async def listed(services: AdminServices, asked: Asked, query_args: Paging) -> Page[Organisation]:
    """List organisations by name: those that the caller may see into."""
    found = await services.directory.organisations(by=asked.standing.id, after=query_args.after, limit=query_args.limit)
    return Page(items=[Organisation(**row._asdict()) for row in found.items], next=found.next_after)


async def add(services: AdminServices, asked: Asked, data: Named) -> Organisation:
    """Add an organisation."""
    await services.identities.add_organisation(data.name, actor=asked.actor)
    return await show(services, asked, data.name)


async def show(services: AdminServices, asked: Asked, organisation: str) -> Organisation:
    """Show an organisation."""
    row = await services.directory.organisation(organisation, by=asked.standing.id)
    return Organisation(**row._asdict())


ORGANISATIONS = "/admin/organisations"
ORGANISATION = f"{ORGANISATIONS}/<organisation>"
ROUTES = (
    Route(method="GET", path=ORGANISATIONS, handler=listed, query=Paging, gives=Page[Organisation], is_delegated=True),
    Route(
        method="POST",
        path=ORGANISATIONS,
        handler=add,
        body=Named,
        gives=Organisation,
        status=201,
        action=Action.ORGANISATION_ADD,
    ),
    Route(method="GET", path=ORGANISATION, handler=show, gives=Organisation, is_delegated=True),
)
