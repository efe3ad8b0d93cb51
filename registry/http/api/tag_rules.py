"""Rules of tags: which never move, and which only some may make, move and delete."""

from __future__ import annotations

from registry.core.audit import Action
from registry.core.tag_rules import RuleKind
from registry.http.api.asked import Asked
from registry.http.api.models import Page
from registry.http.api.route import Route
from registry.http.api.services import AdminServices
from registry.http.api.stage_models import NewTagRule, TagRule, TagRuleQuery, TargetQuery


async def listed(services: AdminServices, asked: Asked, query_args: TargetQuery) -> Page[TagRule]:
    """List the rules that cover a target or what is in it, by target."""
    found = await services.tag_rules.listed(query_args.target, by=asked.standing.id)
    return Page(items=[TagRule.model_validate(one._asdict()) for one in found], next=None)


async def put(services: AdminServices, asked: Asked, data: NewTagRule) -> None:
    """Let tags fall under a rule, or let one that is there have other movers."""
    await services.tag_rules.put(data.target, data.pattern, RuleKind(data.kind), data.movers, actor=asked.actor)


async def remove(services: AdminServices, asked: Asked, query_args: TagRuleQuery) -> None:
    """Take a rule back."""
    await services.tag_rules.remove(query_args.target, query_args.pattern, RuleKind(query_args.kind), actor=asked.actor)


_RULES = "/admin/tag-rules"
ROUTES = (
    Route(method="GET", path=_RULES, handler=listed, query=TargetQuery, gives=Page[TagRule], is_delegated=True),
    Route(
        method="PUT",
        path=_RULES,
        handler=put,
        body=NewTagRule,
        status=204,
        action=Action.TAG_RULE_PUT,
        is_delegated=True,
    ),
    Route(
        method="DELETE",
        path=_RULES,
        handler=remove,
        query=TagRuleQuery,
        status=204,
        action=Action.TAG_RULE_REMOVE,
        is_delegated=True,
    ),
)
