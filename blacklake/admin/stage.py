"""`blacklake admin stage`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import App, Parameter

from blacklake.admin.door import Where, opened
from blacklake.admin.tables import show
from blacklake.admin.words import Json, Target
from blacklake.settings import USAGE, Refused

stage = App(name="stage", help="Stages through which artifacts go; `blacklake promote` takes them there.")


@stage.command(name="set")
def set_stages(
    target: Target,
    names: Annotated[tuple[str, ...], Parameter(help="The stages, in their order, such as: dev staging prod.")],
    /,
    *,
    tag: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="STAGE=TAG, which is STAGE without; `*` is the version: prod=release-*."),
    ] = (),
    repository: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="STAGE=REPOSITORY into which it copies; of ORG/dev/* as ORG/prod/*."),
    ] = (),
    promoter: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="STAGE=user:NAME or STAGE=team:ORG/TEAM who may; else who may move tags there."),
    ] = (),
    may_skip: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="A stage into which comes what hasn't been in the one before."),
    ] = (),
    where: Where | None = None,
) -> None:
    """Let a target have these stages and no others. What is said of one may be repeated for others."""
    wanted: dict[str, dict[str, Any]] = {name: {"name": name} for name in names}
    if len(wanted) < len(names):
        raise Refused("a stage stands twice in the list", USAGE)
    for stage_name, value in _pairs("--tag", tag, names):
        wanted[stage_name]["tag"] = value
    for stage_name, value in _pairs("--repository", repository, names):
        wanted[stage_name]["repository"] = value
    for stage_name, value in _pairs("--promoter", promoter, names):
        wanted[stage_name].setdefault("promoters", []).append(value)
    for stage_name in may_skip:
        wanted[_known("--may-skip", stage_name, names)]["may_skip"] = True
    with opened(where) as door:
        door.set_stages(target, list(wanted.values()))
    print(f"artifacts of {target} go through {', '.join(names)}")


@stage.command(name="list")
def list_stages(target: Target, *, as_json: Json = False, where: Where | None = None) -> None:
    """List the stages that cover a target or what is in it; of a repository the most specific target's count."""
    columns = ("target", "name", "tag", "repository", "promoters", "may_skip", "created_at", "created_by")
    with opened(where) as door:
        show(door.stages(target), columns, as_json=as_json)


@stage.command(name="remove")
def remove_stages(target: Target, *, where: Where | None = None) -> None:
    """Let a target have no stages of its own; the history stays."""
    with opened(where) as door:
        door.remove_stages(target)
    print(f"{target} has no stages of its own any more")


def _pairs(option: str, given: Sequence[str], names: Sequence[str]) -> list[tuple[str, str]]:
    """Return stages with what is said of them. Raise Refused."""
    pairs = []
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not value:
            raise Refused(f"{option} {text[:128]} is not STAGE=…", USAGE)
        pairs.append((_known(option, name, names), value))
    return pairs


def _known(option: str, name: str, names: Sequence[str]) -> str:
    if name not in names:
        raise Refused(f"{option} is of {name[:128]}, which is none of the stages {', '.join(names)}", USAGE)
    return name
