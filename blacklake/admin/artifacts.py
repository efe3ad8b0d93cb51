"""`blacklake admin artifacts`: in process, never by `--server`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from blacklake.settings import Config, DataDir, Refused, needing, settings_of

artifacts = App(name="artifacts", help="Look after what is known of artifacts.")


@artifacts.command
def describe(
    target: Annotated[
        str | None, Parameter(help="A repository, a pattern* of names or REPOSITORY@DIGEST; everything without it.")
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
