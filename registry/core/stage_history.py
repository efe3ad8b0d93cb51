"""Stages as people see them: what each names, and what became of it."""

from __future__ import annotations

from typing import Final, NamedTuple

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName
from registry.core.access import Caller, reach_of
from registry.core.pages import Page, page_of
from registry.core.stages import place_of, stages_of
from registry.db import promotions, references
from registry.db.pool import Connection, Database
from registry.db.promotions import PromotionRow
from registry.db.stages import CoveringStage
from registry.errors import NameUnknown

_BIGGEST: Final = (1 << 63) - 1


class ShownStage(NamedTuple):
    """A stage of a repository; `digest` is what it names, None also where the asker may not know or a version would say it."""

    stage: CoveringStage
    repository: RepositoryName
    digest: Digest | None


class StageHistory:
    """The verbs of those who look at a repository's stages. Nobody sees what he may not pull."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def stages(self, name: RepositoryName, caller: Caller) -> list[ShownStage]:
        """Return the stages that a repository has, in their order, and what each names. Raise NameUnknown."""

        async def find(conn: Connection) -> list[ShownStage]:
            if await references.repository(conn, name, reach=reach_of(caller)) is None:
                raise NameUnknown(name)
            shown = []
            for stage in await stages_of(conn, name, principal_id=caller.principal_id):
                place = place_of(stage, name)
                place_id = await references.repository(conn, place, reach=reach_of(caller))
                digest = (
                    await promotions.named(conn, stage.tag, repository_id=place_id) if place_id is not None else None
                )
                shown.append(ShownStage(stage, place, digest))
            return shown

        return await self._db.read("list_stages_of_repository", find)

    async def page(
        self, name: RepositoryName, *, stage: str | None, before: int | None, limit: int, caller: Caller
    ) -> Page[PromotionRow]:
        """Return promotions of a repository, or of one stage of it, the newest first. Raise NameUnknown."""

        async def find(conn: Connection) -> list[PromotionRow]:
            repository_id = await references.repository(conn, name, reach=reach_of(caller))
            if repository_id is None:
                raise NameUnknown(name)
            return await promotions.page(
                conn,
                repository_id=repository_id,
                stage=stage,
                before=before if before is not None else _BIGGEST,
                limit=limit + 1,
                reach=reach_of(caller),
            )

        return page_of(await self._db.read("list_promotions", find), limit, key=lambda row: str(row.id))
