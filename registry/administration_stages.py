"""Rules of tags, stages and promotions, looked after in process: beside a running server, or alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from registry.compose.verbs import create_services, create_store
from registry.config import Settings
from registry.core.access import EVERYONE
from registry.core.promotions import Promoted
from registry.core.services import Services
from registry.core.stages import Stage, Stages
from registry.core.subjects import parse_target
from registry.core.tag_rules import RuleKind, TagRules
from registry.db.pool import Database
from registry.db.promotions import PromotionRow
from registry.http.api.promotions import done, roll_of, told, wish_of
from registry.http.api.stage_models import NewRollback, TagRule
from registry.http.api.stage_models import Stage as StageTold
from registry.http.parse import name_of, reference_of
from registry.in_process import local_actor, organised, run

Rows = list[dict[str, Any]]
_PAGE = 1000


def put_tag_rule(settings: Settings, target: str, pattern: str, kind: str, *, movers: Sequence[str]) -> None:
    """Let the tags of a target that fit a pattern fall under a rule. Raise UpkeepFailed."""

    async def act(db: Database) -> None:
        await organised(settings, db, parse_target(target).organisation)
        await TagRules(db).put(target, pattern, RuleKind(kind), movers, actor=local_actor())

    run(settings, act)


def remove_tag_rule(settings: Settings, target: str, pattern: str, kind: str) -> None:
    """Take a rule of tags back. Raise UpkeepFailed."""
    run(settings, lambda db: TagRules(db).remove(target, pattern, RuleKind(kind), actor=local_actor()))


def tag_rules(settings: Settings, target: str) -> Rows:
    """Return the rules that cover a target or what is in it. Raise UpkeepFailed."""
    found = run(settings, lambda db: TagRules(db).listed(target, by=None))
    return [TagRule.model_validate(one._asdict()).model_dump(mode="json") for one in found]


def set_stages(settings: Settings, target: str, stages: Sequence[Mapping[str, Any]]) -> None:
    """Let a target have these stages, in their order, and no others. Raise UpkeepFailed."""

    async def act(db: Database) -> None:
        await organised(settings, db, parse_target(target).organisation)
        await Stages(db).put(target, [Stage(**one) for one in stages], actor=local_actor())

    run(settings, act)


def remove_stages(settings: Settings, target: str) -> None:
    """Let a target have no stages of its own. Raise UpkeepFailed."""
    run(settings, lambda db: Stages(db).remove(target, actor=local_actor()))


def stages(settings: Settings, target: str) -> Rows:
    """Return the stages that cover a target or what is in it. Raise UpkeepFailed."""
    found = run(settings, lambda db: Stages(db).listed(target, by=None))
    return [StageTold(**one._asdict()).model_dump(mode="json") for one in found]


def promote(
    settings: Settings, repository: str, reference: str | None, stage: str, *, expected: str | None, reason: str
) -> dict[str, Any]:
    """Promote an artifact into a stage, and say what that names. Raise UpkeepFailed."""

    async def act(services: Services) -> Promoted:
        return await services.promotions.promote(
            name_of(repository),
            reference_of(reference) if reference is not None else None,
            stage,
            wish_of(expected, reason),
            caller=EVERYONE,
            actor=local_actor(),
        )

    return _promoted(settings, act)


def roll_stage(settings: Settings, repository: str, stage: str, **how: Any) -> dict[str, Any]:
    """Let a stage go back, or forward again, and say what it names. `how` is what NewRollback takes. Raise UpkeepFailed."""
    wanted = NewRollback(stage=stage, **how)

    async def act(services: Services) -> Promoted:
        return await services.promotions.roll(
            name_of(repository),
            stage,
            roll_of(wanted),
            wish_of(wanted.expected, wanted.reason),
            caller=EVERYONE,
            actor=local_actor(),
        )

    return _promoted(settings, act)


def promotions(settings: Settings, repository: str, stage: str | None) -> Rows:
    """Return what became of a repository's stages, or of one, the newest first. Raise UpkeepFailed."""

    async def act(services: Services) -> list[PromotionRow]:
        found: list[PromotionRow] = []
        before: int | None = None
        while True:
            page = await services.stage_history.page(
                name_of(repository), stage=stage, before=before, limit=_PAGE, caller=EVERYONE
            )
            found += page.items
            if page.next_after is None:
                return found
            before = int(page.next_after)

    return [told(row).model_dump(mode="json") for row in _served(settings, act)]


def _promoted(settings: Settings, act: Callable[[Services], Awaitable[Promoted]]) -> dict[str, Any]:
    return done(_served(settings, act)).model_dump(mode="json")


def _served(settings: Settings, act: Callable[[Services], Awaitable[Any]]) -> Any:
    async def served(db: Database) -> Any:
        store = create_store(settings)
        try:
            return await act(create_services(settings, db, store))
        finally:
            await store.close()

    return run(settings, served)
