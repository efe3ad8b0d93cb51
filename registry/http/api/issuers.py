"""Issuers of identities, who their subjects are here, and by which rules their tokens are trusted."""

from __future__ import annotations

from registry.auth.trust import kind_of
from registry.auth.trusted import Rule
from registry.core.audit import Action
from registry.db.trust import IssuerRow
from registry.http.api.asked import Asked
from registry.http.api.issuer_models import Issuer, IssuerQuery, Link, LinkGone, NewIssuer, NewTrustRule, TrustRule
from registry.http.api.models import Page
from registry.http.api.route import Route
from registry.http.api.services import AdminServices


async def listed(services: AdminServices, _asked: Asked) -> Page[Issuer]:
    """List issuers by URL."""
    return Page(items=[_shown(row) for row in await services.trusted.issuers()], next=None)


async def add(services: AdminServices, asked: Asked, data: NewIssuer) -> Issuer:
    """Add an issuer. Its tokens stand for nobody until a rule or a link says so."""
    new = IssuerRow(
        0,
        data.url,
        data.kind or kind_of(data.url) or "other",
        tuple(data.algorithms),
        keys_url=data.keys_url,
        client_id=data.client_id,
        creates_users=data.creates_users,
    )
    secret = data.client_secret.get_secret_value() if data.client_secret is not None else None
    await services.trusted.add_issuer(new, secret=secret, key=services.secret_key, actor=asked.actor)
    return _shown(new)


async def remove(services: AdminServices, asked: Asked, query_args: IssuerQuery) -> None:
    """Remove an issuer with its rules and links."""
    await services.trusted.remove_issuer(query_args.url, actor=asked.actor)


async def link(services: AdminServices, asked: Asked, data: Link) -> None:
    """Let a subject of an issuer log in as a user."""
    await services.trusted.link(data.issuer, data.subject, data.user, actor=asked.actor)


async def unlink(services: AdminServices, asked: Asked, data: LinkGone) -> None:
    """Let a subject of an issuer log in as nobody any more."""
    await services.trusted.unlink(data.issuer, data.subject, actor=asked.actor)


async def rules(services: AdminServices, _asked: Asked) -> Page[TrustRule]:
    """List rules of trust by name."""
    found = await services.trusted.rules()
    shown = [
        TrustRule(
            name=row.name,
            issuer=row.issuer,
            audience=row.audience,
            claims=dict(row.claims),
            principal=row.principal,
            actions=sorted(row.actions),
            repositories=list(row.repositories),
            seconds=row.seconds,
        )
        for row in found
    ]
    return Page(items=shown, next=None)


async def add_rule(services: AdminServices, asked: Asked, data: NewTrustRule) -> TrustRule:
    """Let tokens of an issuer stand for a principal."""
    await services.trusted.add_rule(data.name, Rule(**data.model_dump(exclude={"name"})), actor=asked.actor)
    return TrustRule(**data.model_dump())


async def remove_rule(services: AdminServices, asked: Asked, rule: str) -> None:
    """Remove a rule of trust."""
    await services.trusted.remove_rule(rule, actor=asked.actor)


def _shown(row: IssuerRow) -> Issuer:
    return Issuer(
        url=row.url,
        kind=row.kind,
        algorithms=list(row.algorithms),
        keys_url=row.keys_url,
        client_id=row.client_id,
        creates_users=row.creates_users,
    )


_ISSUERS = "/admin/issuers"
_LINKS = f"{_ISSUERS}/links"
_RULES = "/admin/trust-rules"
ROUTES = (
    Route(method="GET", path=_ISSUERS, handler=listed, gives=Page[Issuer]),
    Route(
        method="POST", path=_ISSUERS, handler=add, body=NewIssuer, gives=Issuer, status=201, action=Action.ISSUER_ADD
    ),
    Route(
        method="DELETE",
        path=_ISSUERS,
        handler=remove,
        query=IssuerQuery,
        status=204,
        action=Action.ISSUER_REMOVE,
    ),
    Route(method="POST", path=_LINKS, handler=link, body=Link, status=204, action=Action.LINK_ADD),
    Route(method="DELETE", path=_LINKS, handler=unlink, body=LinkGone, status=204, action=Action.LINK_REMOVE),
    Route(method="GET", path=_RULES, handler=rules, gives=Page[TrustRule]),
    Route(
        method="POST",
        path=_RULES,
        handler=add_rule,
        body=NewTrustRule,
        gives=TrustRule,
        status=201,
        action=Action.TRUST_ADD,
    ),
    Route(method="DELETE", path=f"{_RULES}/<rule>", handler=remove_rule, status=204, action=Action.TRUST_REMOVE),
)
