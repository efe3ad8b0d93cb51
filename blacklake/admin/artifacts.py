"""`blacklake admin artifacts`: in process, never by `--server`."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import App, Parameter

from blacklake.admin.tables import show
from blacklake.admin.words import Json, Target
from blacklake.settings import Config, DataDir, Refused, needing, settings_of

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
    with needing("server"):
        from registry.administration_artifacts import ask_for_descriptions
        from registry.upkeep import UpkeepFailed

        try:
            print(ask_for_descriptions(settings_of(config, data_dir=data_dir), target))
        except UpkeepFailed as error:
            raise Refused(str(error)) from error


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
    with needing("server"):
        from registry.administration_artifacts import decide_publication
        from registry.upkeep import UpkeepFailed

        try:
            print(decide_publication(settings_of(config, data_dir=data_dir), target, is_on=switch == "on"))
        except UpkeepFailed as error:
            raise Refused(str(error)) from error


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
    with needing("server"):
        from registry.administration_artifacts import decide_digests
        from registry.upkeep import UpkeepFailed

        try:
            print(decide_digests(settings_of(config, data_dir=data_dir), target, is_on=switch == "on"))
        except UpkeepFailed as error:
            raise Refused(str(error)) from error


@artifacts.command(name="switches")
def list_switches(*, as_json: Json = False, data_dir: DataDir = None, config: Config = None) -> None:
    """List what `publish` and `digests` have switched on and off, and for which targets."""
    with needing("server"):
        from registry.administration_artifacts import switches
        from registry.upkeep import UpkeepFailed

        try:
            rows = switches(settings_of(config, data_dir=data_dir))
        except UpkeepFailed as error:
            raise Refused(str(error)) from error
    show(rows, ("switch", "target", "is_on", "decided_at"), as_json=as_json)
