"""Stages of a target (docs/promotion.md): through which tags its artifacts go, in which order, and who promotes into them.

Of all stages that are set those of the most specific target are a repository's. Whoever sets them may grant on the target, on
whatever it is in for which somebody has set stages or protected their tags, and on the repositories into which they copy: what
was said above is not undone below.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from mediatypes.names import InvalidName, RepositoryName, parse_repository_name
from registry.core.access import LIBRARY, organisation_of, path_of
from registry.core.audit import Action, Actor, Event, record
from registry.core.delegation import Grantable, grantable, require_grantable
from registry.core.subjects import Target, is_name, parse_target, target_at
from registry.core.tag_rules import people, require_pattern
from registry.db import stages
from registry.db.pool import Connection, Database
from registry.db.stages import CoveringStage, StageRow
from registry.errors import IdentityRefused, PromotionRefused

MOST_STAGES: Final = 20
"""Stages of a target."""
MOST_IN_ORGANISATION: Final = 2000
"""Stages of all targets of an organisation."""


class Stage(NamedTuple):
    """A stage to be set.

    `tag` is what it is called in the registry, its `name` where that is None; `*` in it is the version. `repository` is where
    the tag is, None: where the artifact is; of a target that ends with `*` it ends so, too. `promoters` are who may promote
    into it, None: whoever may move the tag. Into one that `may_skip` comes what has not been in the stage before.
    """

    name: str
    tag: str | None = None
    repository: str | None = None
    promoters: list[str] | None = None
    may_skip: bool = False


class ListedStage(NamedTuple):
    """A stage as lists tell it; `promoters` is None where whoever may move the tag promotes."""

    target: str
    name: str
    tag: str
    repository: str | None
    promoters: list[str] | None
    may_skip: bool
    created_at: datetime
    created_by: str


class Stages:
    """The verbs of `blacklake admin stage`. `actor` and `by` are who asks (registry.core.delegation)."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def put(self, target: str, wanted: Sequence[Stage], *, actor: Actor) -> Target:
        """Let a target have these stages, in their order, and no others; return the target.

        Raise IdentityUnknown, IdentityRefused, DelegationDenied.
        """
        on = parse_target(target)
        wanted = [_checked(on, stage) for stage in wanted]
        _require_distinct(wanted)

        async def put(conn: Connection) -> None:
            found = await grantable(conn, on, by=actor.principal_id)
            await _require_above(conn, on, wanted, found, by=actor.principal_id)
            new = [
                stages.NewStage(
                    stage.name,
                    stage.tag or stage.name,
                    stage.repository,
                    stage.may_skip,
                    await people(conn, stage.promoters) if stage.promoters is not None else None,
                )
                for stage in wanted
            ]
            organisation_id = found.organisation_id
            if await stages.count(conn, organisation_id=organisation_id) + len(new) > MOST_IN_ORGANISATION:
                raise IdentityRefused(f"{on.organisation} has {MOST_IN_ORGANISATION} stages, which are the most")
            await stages.put(
                conn,
                new,
                organisation_id=organisation_id,
                target=on.path,
                is_prefix=on.is_prefix,
                created_by=actor.principal,
            )
            detail = {"stages": [_told(stage) for stage in wanted]}
            await record(conn, Event(actor, Action.STAGES_SET, str(on), detail=detail))

        await self._db.transaction("set_stages", put)
        return on

    async def remove(self, target: str, *, actor: Actor) -> None:
        """Let a target have no stages of its own. Raise as `put` does."""
        on = parse_target(target)

        async def remove(conn: Connection) -> None:
            found = await grantable(conn, on, by=actor.principal_id)
            if not await stages.remove(
                conn, organisation_id=found.organisation_id, target=on.path, is_prefix=on.is_prefix
            ):
                raise IdentityRefused(f"{on} has no stages of its own")
            await record(conn, Event(actor, Action.STAGES_REMOVE, str(on)))

        await self._db.transaction("remove_stages", remove)

    async def listed(self, target: str, *, by: int | None) -> list[ListedStage]:
        """Return the stages that cover a target or what is in it, by target, in their order. Raise as `put` does."""
        on = parse_target(target)

        async def find(conn: Connection) -> list[StageRow]:
            found = await require_grantable(conn, on, by=by)
            return await stages.listed(
                conn, organisation_id=found.organisation_id, target=on.path, is_prefix=on.is_prefix
            )

        return [
            ListedStage(
                str(target_at(row.target, is_prefix=row.is_prefix)),
                row.name,
                row.tag,
                row.repository,
                row.promoters if row.is_restricted else None,
                row.may_skip,
                row.created_at,
                row.created_by,
            )
            for row in await self._db.read("list_stages", find)
        ]


async def stages_of(conn: Connection, name: RepositoryName, *, principal_id: int | None) -> list[CoveringStage]:
    """Return the stages that a repository has, in their order."""
    return await stages.covering(
        conn, organisation=organisation_of(name), path=path_of(name), principal_id=principal_id
    )


def place_of(stage: CoveringStage, name: RepositoryName) -> RepositoryName:
    """Return in which repository a stage of another one has its tag. Raise PromotionRefused where it is none."""
    if stage.repository is None:
        return name
    path = stage.repository
    if stage.is_prefix:
        path = path.removesuffix("*") + path_of(name).removeprefix(stage.target)
    if "/" not in name and path.count("/") == 1:
        path = path.removeprefix(f"{LIBRARY}/")
    try:
        return parse_repository_name(path)
    except InvalidName as error:
        raise PromotionRefused(f"stage {stage.name} of {name} would be in {path[:128]}, which {error}") from None


def _checked(on: Target, stage: Stage) -> Stage:
    """Return a stage that may be one. Raise IdentityRefused."""
    if not is_name(stage.name):
        raise IdentityRefused(
            f"stage “{stage.name[:128]}” can't be: a name has up to 64 lower-case letters and digits,"
            " with single '.', '_' or '-' between them"
        )
    tag = stage.tag or stage.name
    require_pattern(tag, "tag")
    if tag.count("*") > 1:
        raise IdentityRefused(f"tag “{tag}” of stage {stage.name} has more than one `*`, which stands for the version")
    to = parse_target(stage.repository) if stage.repository is not None else None
    if to in (None, on):
        if tag == "*":
            raise IdentityRefused(
                f"tag “*” of stage {stage.name} is any version's own: name another, as release-*, or another repository"
            )
        return stage._replace(repository=None)
    assert to is not None
    if to.organisation != on.organisation:
        raise IdentityRefused(f"stage {stage.name} is in {to}, of another organisation than {on}")
    if to.is_prefix != on.is_prefix:
        raise IdentityRefused(
            f"stage {stage.name} is in {stage.repository}: as target {on} is {'many' if on.is_prefix else 'one'}, it must be"
            f" {'a name that ends with `*`, which stands for the rest of the name' if on.is_prefix else 'one repository'}"
        )
    return stage._replace(repository=f"{to.path}*" if to.is_prefix else to.path)


def _require_distinct(wanted: Sequence[Stage]) -> None:
    if not wanted or len(wanted) > MOST_STAGES:
        raise IdentityRefused(f"a target has 1 to {MOST_STAGES} stages, in their order, not {len(wanted)}")
    names = [stage.name for stage in wanted]
    places = [(stage.repository, stage.tag or stage.name) for stage in wanted]
    for stage, place in zip(wanted, places, strict=True):
        if names.count(stage.name) > 1:
            raise IdentityRefused(f"stage {stage.name} stands twice in the list")
        if places.count(place) > 1:
            raise IdentityRefused(f"tag {place[1]} of stage {stage.name} is another one's, too; each has its own")


async def _require_above(
    conn: Connection, on: Target, wanted: Sequence[Stage], found: Grantable, *, by: int | None
) -> None:
    """Raise DelegationDenied where stages would undo what somebody else has said, or copy where that is not his to decide."""
    places = {on: [stage.tag or stage.name for stage in wanted if stage.repository is None]}
    for stage in wanted:
        if stage.repository is not None:
            to = parse_target(stage.repository)
            await require_grantable(conn, to, by=by)
            places.setdefault(to, []).append(stage.tag or stage.name)
    for place, tags in places.items():
        for row in await stages.above(
            conn, tags, organisation_id=found.organisation_id, target=place.path, is_prefix=place.is_prefix
        ):
            await require_grantable(conn, target_at(row.target, is_prefix=row.is_prefix), by=by)


def _told(stage: Stage) -> dict[str, Any]:
    """Return a stage as events tell it: what isn't there is left out."""
    return {key: value for key, value in stage._asdict().items() if value not in (None, False)}
