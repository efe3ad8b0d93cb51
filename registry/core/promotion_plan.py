"""What a promotion is of: which artifact, by which tag of which stage, and whether it may go there from where it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mediatypes.digest import Digest
from mediatypes.names import InvalidTag, RepositoryName, Tag, parse_tag
from registry.core.access import Caller, reach_of
from registry.core.conformance import moving
from registry.core.stages import place_of, stages_of
from registry.db import manifests, promotions, references, repositories
from registry.db.pool import Connection
from registry.db.stages import CoveringStage
from registry.errors import ManifestUnknown, NameUnknown, PromotionRefused, StageUnknown


class Place(NamedTuple):
    """Where a stage of a repository has its tag, and what is known of the stages."""

    stages: list[CoveringStage]
    position: int
    repository: RepositoryName

    @property
    def stage(self) -> CoveringStage:
        """The stage into which something is promoted."""
        return self.stages[self.position]

    @property
    def previous(self) -> CoveringStage | None:
        """The stage before it; None where it is the first."""
        return self.stages[self.position - 1] if self.position else None


def tag_in(stage: CoveringStage, version: str | None) -> Tag:
    """Return the tag of a stage, with the version where it has one. Raise PromotionRefused."""
    if "*" in stage.tag and version is None:
        raise PromotionRefused(
            f"tag {stage.tag} of stage {stage.name} has a version in it: name the artifact by a tag that is its version"
        )
    try:
        return parse_tag(stage.tag.replace("*", version or ""))
    except InvalidTag as error:
        raise PromotionRefused(f"the tag of stage {stage.name} would be {stage.tag}, which {error}") from None


def version_in(stages: Sequence[CoveringStage], tag: str) -> str | None:
    """Return the version that a tag says: what stands for `*` where it is a stage's, None where it is that of any version."""
    for stage in stages:
        begin, star, end = stage.tag.partition("*")
        if not star and tag == stage.tag:
            return None
        if (
            star
            and stage.tag != "*"
            and len(tag) > len(begin) + len(end)
            and tag.startswith(begin)
            and tag.endswith(end)
        ):
            return tag[len(begin) : len(tag) - len(end)]
    return tag


async def placed(conn: Connection, name: RepositoryName, stage: str, caller: Caller) -> Place:
    """Return where a stage of a repository is. Raise NameUnknown where he may not pull, StageUnknown, PromotionRefused."""
    if await references.repository(conn, name, reach=reach_of(caller)) is None:
        raise NameUnknown(name)
    found = await stages_of(conn, name, principal_id=caller.principal_id)
    names = [one.name for one in found]
    if stage not in names:
        raise StageUnknown(name, stage, names)
    position = names.index(stage)
    return Place(found, position, place_of(found[position], name))


async def resolved(
    conn: Connection, name: RepositoryName, reference: Tag | Digest | None, place: Place
) -> tuple[Digest, Tag]:
    """Return what is promoted, and by which tag. Raise ManifestUnknown, PromotionRefused."""
    repository_id = await repositories.find(conn, name)
    if repository_id is None:
        raise ManifestUnknown(name, str(reference or "latest"))
    version: str | None = None
    digest: Digest | None
    if reference is None:
        digest = await _in_previous(conn, name, place)
    elif isinstance(reference, Digest):
        digest = reference if await manifests.held(conn, [reference], repository_id=repository_id) else None
    else:
        if not moving([reference]):
            raise PromotionRefused(f"tag {reference} is one of signatures, which go with what they sign; promote that")
        digest = await promotions.named(conn, reference, repository_id=repository_id)
        version = version_in(place.stages, reference)
    if digest is None:
        raise ManifestUnknown(name, str(reference))
    tag = tag_in(place.stage, version)
    await _require_previous(conn, name, digest, version, place, repository_id=repository_id)
    return digest, tag


async def _in_previous(conn: Connection, name: RepositoryName, place: Place) -> Digest:
    """Return what the stage before names now. Raise PromotionRefused."""
    previous = place.previous
    if previous is None or "*" in previous.tag:
        raise PromotionRefused(f"say which artifact of {name} is promoted to {place.stage.name}, by a tag or a digest")
    previous_id = await repositories.find(conn, place_of(previous, name))
    digest = await promotions.named(conn, previous.tag, repository_id=previous_id) if previous_id is not None else None
    if digest is None:
        raise PromotionRefused(f"stage {previous.name} of {name} names nothing that could go on to {place.stage.name}")
    return digest


async def _require_previous(
    conn: Connection,
    name: RepositoryName,
    digest: Digest,
    version: str | None,
    place: Place,
    *,
    repository_id: int,
) -> None:
    """Raise PromotionRefused where an artifact has not been in the stage before, and may not skip it."""
    previous = place.previous
    if previous is None or place.stage.may_skip:
        return
    if await promotions.was_promoted(conn, digest, previous.name, repository_id=repository_id):
        return
    if "*" not in previous.tag or version is not None:
        previous_id = await repositories.find(conn, place_of(previous, name))
        tag = previous.tag.replace("*", version or "")
        if previous_id is not None and await promotions.was_named(conn, digest, tag, repository_id=previous_id):
            return
    raise PromotionRefused(
        f"{digest} of {name} has never been in stage {previous.name}, which comes before {place.stage.name};"
        " promote it there first"
    )
