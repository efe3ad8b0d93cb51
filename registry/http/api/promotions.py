"""Promotions: what a repository's stages name, what became of them, and what is promoted into them."""

from __future__ import annotations

from mediatypes.digest import Digest
from registry.core.audit import Action
from registry.core.promotions import Expected, Promoted, Roll, Wish
from registry.db.promotions import PromotionRow
from registry.http.api.asked import Asked
from registry.http.api.models import Page
from registry.http.api.reader_services import ReaderServices
from registry.http.api.repositories import REPOSITORY
from registry.http.api.route import Route
from registry.http.api.stage_models import (
    NewPromotion,
    NewRollback,
    PromotionDone,
    PromotionFound,
    PromotionPaging,
    StageFound,
)
from registry.http.parse import digest_of, name_of, reference_of, tag_of

NOTHING = "nothing"
"""What a stage is expected to name that names no artifact."""


async def stages(services: ReaderServices, asked: Asked, name: str) -> Page[StageFound]:
    """List a repository's stages, in their order, and what each names."""
    found = await services.stage_history.stages(name_of(name), asked.caller)
    items = [
        StageFound(
            name=one.stage.name,
            repository=one.repository,
            tag=one.stage.tag,
            digest=str(one.digest) if one.digest is not None else None,
            promoters=one.stage.promoters if one.stage.is_restricted else None,
            may_skip=one.stage.may_skip,
        )
        for one in found
    ]
    return Page(items=items, next=None)


async def listed(
    services: ReaderServices, asked: Asked, name: str, query_args: PromotionPaging
) -> Page[PromotionFound]:
    """List what became of a repository's stages, the newest first."""
    page = await services.stage_history.page(
        name_of(name),
        stage=query_args.stage,
        before=query_args.after,
        limit=query_args.limit,
        caller=asked.caller,
    )
    return Page(items=[told(row) for row in page.items], next=page.next_after)


async def promote(services: ReaderServices, asked: Asked, name: str, data: NewPromotion) -> PromotionDone:
    """Promote an artifact into a stage, with all that belongs to it."""
    found = await services.promotions.promote(
        name_of(name),
        reference_of(data.reference) if data.reference is not None else None,
        data.stage,
        wish_of(data.expected, data.reason),
        caller=asked.caller,
        actor=asked.actor,
    )
    return done(found)


async def roll(services: ReaderServices, asked: Asked, name: str, data: NewRollback) -> PromotionDone:
    """Let a stage name again what it named before, or what rollbacks have left."""
    found = await services.promotions.roll(
        name_of(name),
        data.stage,
        roll_of(data),
        wish_of(data.expected, data.reason),
        caller=asked.caller,
        actor=asked.actor,
    )
    return done(found)


def roll_of(data: NewRollback) -> Roll:
    """Return how a stage goes back. Raise TagInvalid."""
    return Roll(data.steps, data.forward, tag_of(data.version) if data.version is not None else None, data.forced)


def wish_of(expected: str | None, reason: str) -> Wish:
    """Return what goes with a promotion. Raise DigestInvalid."""
    if expected is None:
        return Wish(reason)
    return Wish(reason, Expected(None if expected == NOTHING else digest_of(expected)))


def done(found: Promoted) -> PromotionDone:
    """Return what is said of a promotion that was made."""
    return PromotionDone.model_validate(
        {
            "kind": found.kind,
            "stage": found.stage,
            "repository": found.repository,
            "tag": found.tag,
            "digest": str(found.digest),
            "before": str(found.before) if found.before is not None else None,
            "warnings": list(found.warnings),
        }
    )


def told(row: PromotionRow) -> PromotionFound:
    """Return what is said of a promotion of the past."""
    before = str(Digest.from_bytes(row.before)) if row.before is not None else None
    shown = {"digest": str(Digest.from_bytes(row.digest)), "before": before, "forced": row.is_forced}
    return PromotionFound.model_validate(row._asdict() | shown)


ROUTES = (
    Route(
        method="GET",
        path=f"{REPOSITORY}/-/stages",
        handler=stages,
        gives=Page[StageFound],
        is_for_readers=True,
    ),
    Route(
        method="GET",
        path=f"{REPOSITORY}/-/promotions",
        handler=listed,
        query=PromotionPaging,
        gives=Page[PromotionFound],
        is_for_readers=True,
    ),
    Route(
        method="POST",
        path=f"{REPOSITORY}/-/promotions",
        handler=promote,
        body=NewPromotion,
        gives=PromotionDone,
        action=Action.STAGE_PROMOTE,
        is_for_readers=True,
    ),
    Route(
        method="POST",
        path=f"{REPOSITORY}/-/rollbacks",
        handler=roll,
        body=NewRollback,
        gives=PromotionDone,
        action=Action.STAGE_ROLLBACK,
        is_for_readers=True,
    ),
)
