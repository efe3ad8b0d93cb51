"""Services, and the public keys that verify what they sign."""

from __future__ import annotations

from datetime import timedelta

from registry.auth.request_signatures import PublicKeyUnfit, read_public_key
from registry.core.audit import Action
from registry.db.directory import PrincipalRow
from registry.errors import IdentityRefused
from registry.http.api.asked import Asked
from registry.http.api.models import Page, Paging
from registry.http.api.principal_models import Change, NewService, NewServiceKey, Service, ServiceKey, ServiceKeyMade
from registry.http.api.route import Route
from registry.http.api.services import AdminServices

_KIND = "service"


async def listed(services: AdminServices, asked: Asked, query_args: Paging) -> Page[Service]:
    """List services by name."""
    found = await services.directory.principals(
        _KIND, by=asked.standing.id, after=query_args.after, limit=query_args.limit
    )
    return Page(items=[_shown(row) for row in found.items], next=found.next_after)


async def add(services: AdminServices, asked: Asked, data: NewService) -> Service:
    """Add a service."""
    await services.service_keys.add_service(data.name, is_admin=data.is_admin, actor=asked.actor)
    return await show(services, asked, data.name)


async def show(services: AdminServices, asked: Asked, service: str) -> Service:
    """Show a service."""
    return _shown(await services.directory.principal(_KIND, service, by=asked.standing.id))


async def change(services: AdminServices, asked: Asked, service: str, data: Change) -> Service:
    """Disable a service, or let it in again."""
    act = services.identities.disable if data.is_disabled else services.identities.enable
    await act(service, actor=asked.actor, kind=_KIND)
    return await show(services, asked, service)


async def delete(services: AdminServices, asked: Asked, service: str) -> None:
    """Delete a service with its keys and grants."""
    await services.identities.delete(service, actor=asked.actor, kind=_KIND)


async def keys(services: AdminServices, asked: Asked, service: str) -> Page[ServiceKey]:
    """List the thousand last keys of a service."""
    found = await services.service_keys.listed(service, by=asked.standing.id)
    return Page(items=[ServiceKey(**row._asdict()) for row in found], next=None)


async def add_key(services: AdminServices, asked: Asked, service: str, data: NewServiceKey) -> ServiceKeyMade:
    """Let a service sign by a key."""
    try:
        key = read_public_key(data.public_key.encode())
    except PublicKeyUnfit as error:
        raise IdentityRefused(str(error)) from None
    lifetime = timedelta(seconds=data.expires_in) if data.expires_in is not None else None
    await services.service_keys.add(service, key, lifetime=lifetime, actor=asked.actor)
    return ServiceKeyMade(id=key.id, algorithm=key.algorithm)


async def revoke_key(services: AdminServices, asked: Asked, service: str, key: str) -> None:
    """Let a key of a service be valid no longer."""
    await services.service_keys.revoke(key, service=service, actor=asked.actor)


def _shown(row: PrincipalRow) -> Service:
    return Service(name=row.name, is_admin=row.is_admin, is_disabled=row.is_disabled, created_at=row.created_at)


_SERVICES = "/admin/services"
_SERVICE = f"{_SERVICES}/<service>"
ROUTES = (
    Route(method="GET", path=_SERVICES, handler=listed, query=Paging, gives=Page[Service]),
    Route(
        method="POST",
        path=_SERVICES,
        handler=add,
        body=NewService,
        gives=Service,
        status=201,
        action=Action.SERVICE_ADD,
    ),
    Route(method="GET", path=_SERVICE, handler=show, gives=Service),
    Route(method="PATCH", path=_SERVICE, handler=change, body=Change, gives=Service, action=Action.PRINCIPAL_DISABLE),
    Route(method="DELETE", path=_SERVICE, handler=delete, status=204, action=Action.PRINCIPAL_DELETE),
    Route(method="GET", path=f"{_SERVICE}/keys", handler=keys, gives=Page[ServiceKey]),
    Route(
        method="POST",
        path=f"{_SERVICE}/keys",
        handler=add_key,
        body=NewServiceKey,
        gives=ServiceKeyMade,
        status=201,
        action=Action.KEY_ADD,
    ),
    Route(method="DELETE", path=f"{_SERVICE}/keys/<key>", handler=revoke_key, status=204, action=Action.KEY_REVOKE),
)
