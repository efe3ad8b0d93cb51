"""Policies of organisations, what they trust, and what a policy would have decided."""

from __future__ import annotations

from datetime import timedelta

from registry.core.audit import Action
from registry.http.api.asked import Asked
from registry.http.api.models import Page
from registry.http.api.organisations import ORGANISATION
from registry.http.api.policy_models import (
    NewPolicy,
    NewTrustRoot,
    Policy,
    PolicyQuery,
    PolicySet,
    PolicyVersion,
    PolicyVersionQuery,
    Trial,
    Tried,
    TrustRoot,
    TrustRootContent,
    TrustRootSet,
    TrustRootVersionQuery,
)
from registry.http.api.route import Route
from registry.http.api.services import AdminServices


async def listed(services: AdminServices, asked: Asked, organisation: str) -> Page[Policy]:
    """List the policies of an organisation, by target."""
    found = await services.policies.listed(organisation, by=asked.standing.id)
    return Page(items=[Policy(**one._asdict()) for one in found], next=None)


async def put(services: AdminServices, asked: Asked, data: NewPolicy) -> PolicySet:
    """Set a policy: a new version of the one that has its name on the target, or a new one."""
    found = await services.policies.put(
        data.target, data.content.encode(), on=data.on, tags=data.tags, actor=asked.actor
    )
    return PolicySet(**found._asdict())


async def show(services: AdminServices, asked: Asked, query_args: PolicyVersionQuery) -> PolicyVersion:
    """Show a version of a policy."""
    found = await services.policies.version(
        query_args.target, query_args.name, query_args.version, by=asked.standing.id
    )
    return PolicyVersion(**found._asdict())


async def history(services: AdminServices, asked: Asked, query_args: PolicyQuery) -> Page[PolicyVersion]:
    """List the versions of a policy, the newest first."""
    found = await services.policies.history(query_args.target, query_args.name, by=asked.standing.id)
    return Page(items=[PolicyVersion(**one._asdict()) for one in found], next=None)


async def remove(services: AdminServices, asked: Asked, query_args: PolicyQuery) -> None:
    """Let a policy decide no longer."""
    await services.policies.remove(query_args.target, query_args.name, actor=asked.actor)


async def tried(services: AdminServices, asked: Asked, data: Trial) -> Page[Tried]:
    """Say what a policy would have decided of artifacts that are or were in use; nothing is kept."""
    page = await services.trials.page(
        data.target,
        data.content.encode(),
        since=timedelta(seconds=data.since) if data.since is not None else None,
        after=data.after,
        limit=data.limit,
        by=asked.standing.id,
    )
    return Page(items=[Tried(**one._asdict()) for one in page.items], next=page.next_after)


async def roots(services: AdminServices, asked: Asked, organisation: str) -> Page[TrustRoot]:
    """List what an organisation trusts beside what is built in, by name."""
    found = await services.trust_roots.listed(organisation, by=asked.standing.id)
    return Page(items=[TrustRoot(**one._asdict()) for one in found], next=None)


async def put_root(services: AdminServices, asked: Asked, data: NewTrustRoot) -> TrustRootSet:
    """Let an organisation trust a root by a name: a new version of what it does, or a new one."""
    version = await services.trust_roots.put(data.organisation, data.name, data.content.encode(), actor=asked.actor)
    return TrustRootSet(version=version)


async def show_root(
    services: AdminServices, asked: Asked, organisation: str, root: str, query_args: TrustRootVersionQuery
) -> TrustRootContent:
    """Show a version of a trust root."""
    found = await services.trust_roots.version(organisation, root, query_args.version, by=asked.standing.id)
    return TrustRootContent(**found._asdict())


async def remove_root(services: AdminServices, asked: Asked, organisation: str, root: str) -> None:
    """Let an organisation trust a root no longer."""
    await services.trust_roots.remove(organisation, root, actor=asked.actor)


_POLICIES = "/admin/policies"
_ROOTS = f"{ORGANISATION}/trust-roots"
_ROOT = f"{_ROOTS}/<root>"
ROUTES = (
    Route(method="GET", path=f"{ORGANISATION}/policies", handler=listed, gives=Page[Policy], is_delegated=True),
    Route(
        method="POST",
        path=_POLICIES,
        handler=put,
        body=NewPolicy,
        gives=PolicySet,
        status=201,
        action=Action.POLICY_SET,
        is_delegated=True,
    ),
    Route(
        method="GET",
        path=f"{_POLICIES}/version",
        handler=show,
        query=PolicyVersionQuery,
        gives=PolicyVersion,
        is_delegated=True,
    ),
    Route(
        method="GET",
        path=f"{_POLICIES}/versions",
        handler=history,
        query=PolicyQuery,
        gives=Page[PolicyVersion],
        is_delegated=True,
    ),
    Route(
        method="DELETE",
        path=_POLICIES,
        handler=remove,
        query=PolicyQuery,
        status=204,
        action=Action.POLICY_REMOVE,
        is_delegated=True,
    ),
    Route(
        method="POST",
        path=f"{_POLICIES}/trials",
        handler=tried,
        body=Trial,
        gives=Page[Tried],
        is_delegated=True,
    ),
    Route(method="GET", path=_ROOTS, handler=roots, gives=Page[TrustRoot], is_delegated=True),
    Route(
        method="POST",
        path="/admin/trust-roots",
        handler=put_root,
        body=NewTrustRoot,
        gives=TrustRootSet,
        status=201,
        action=Action.TRUST_ROOT_SET,
        is_delegated=True,
    ),
    Route(
        method="GET",
        path=_ROOT,
        handler=show_root,
        query=TrustRootVersionQuery,
        gives=TrustRootContent,
        is_delegated=True,
    ),
    Route(
        method="DELETE",
        path=_ROOT,
        handler=remove_root,
        status=204,
        action=Action.TRUST_ROOT_REMOVE,
        is_delegated=True,
    ),
)
