"""`blacklake admin artifacts`: in process, never by `--server`."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import App, Parameter

from blacklake.admin.door import Where, opened
from blacklake.admin.tables import show
from blacklake.admin.words import Json, Target
from blacklake.settings import Config, DataDir

artifacts = App(name="artifacts", help="Look after what is known of artifacts.")


@artifacts.command
def describe(
    target: Annotated[
        str | None,
        Parameter(help="An organisation, ORG/pattern*, a repository or REPOSITORY@DIGEST; everything without it."),
    ] = None,
    /,
    *,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Have artifacts described again, after whatever is pushed meanwhile; `/api/v1/jobs` tells how far that is."""
    with opened(Where(data_dir=data_dir, config=config)) as door:
        print(door.ask_for_descriptions(target))


@artifacts.command
def publish(
    switch: Literal["on", "off"],
    target: Target,
    /,
    *,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Publish the tensor indexes of artifacts beside them as referrers, or no more: off until it is switched on.

    The most specific target decides.
    """
    with opened(Where(data_dir=data_dir, config=config)) as door:
        print(door.decide_publication(target, is_on=switch == "on"))


@artifacts.command
def digests(
    switch: Literal["on", "off"],
    target: Target,
    /,
    *,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Read all bytes of tensors and keep their digests, which a comparison goes by, or no more: off until it is switched on.

    The most specific target decides.
    """
    with opened(Where(data_dir=data_dir, config=config)) as door:
        print(door.decide_digests(target, is_on=switch == "on"))


@artifacts.command(name="switches")
def list_switches(*, as_json: Json = False, data_dir: DataDir = None, config: Config = None) -> None:
    """List what `publish` and `digests` have switched on and off, and for which targets."""
    with opened(Where(data_dir=data_dir, config=config)) as door:
        rows = door.switches()
    show(rows, ("switch", "target", "is_on", "decided_at"), as_json=as_json)
