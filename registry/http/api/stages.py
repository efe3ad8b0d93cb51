"""Stages of targets: through which tags artifacts go, in which order, and who promotes into them."""

from __future__ import annotations

from registry.core.audit import Action
from registry.core.stages import Stage as WantedStage
from registry.http.api.asked import Asked
from registry.http.api.models import Page
from registry.http.api.route import Route
from registry.http.api.services import AdminServices
from registry.http.api.stage_models import NewStages, Stage, TargetQuery


async def listed(services: AdminServices, asked: Asked, query_args: TargetQuery) -> Page[Stage]:
    """List the stages that cover a target or what is in it, by target, in their order."""
    found = await services.stages.listed(query_args.target, by=asked.standing.id)
    return Page(items=[Stage(**one._asdict()) for one in found], next=None)


async def put(services: AdminServices, asked: Asked, data: NewStages) -> None:
    """Let a target have these stages, in their order, and no others."""
    wanted = [WantedStage(**one.model_dump()) for one in data.stages]
    await services.stages.put(data.target, wanted, actor=asked.actor)


async def remove(services: AdminServices, asked: Asked, query_args: TargetQuery) -> None:
    """Let a target have no stages of its own."""
    await services.stages.remove(query_args.target, actor=asked.actor)


_STAGES = "/admin/stages"
ROUTES = (
    Route(method="GET", path=_STAGES, handler=listed, query=TargetQuery, gives=Page[Stage], is_delegated=True),
    Route(
        method="PUT",
        path=_STAGES,
        handler=put,
        body=NewStages,
        status=204,
        action=Action.STAGES_SET,
        is_delegated=True,
    ),
    Route(
        method="DELETE",
        path=_STAGES,
        handler=remove,
        query=TargetQuery,
        status=204,
        action=Action.STAGES_REMOVE,
        is_delegated=True,
    ),
)
