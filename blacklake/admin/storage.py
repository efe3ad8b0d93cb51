"""`blacklake admin storage`: by the settings of this machine, never by `--server`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from blacklake.settings import USAGE, Config, DataDir, Refused, needing, settings_of

storage = App(name="storage", help="Check where blobs lie, and set up a bucket.")


@storage.command
def check(*, data_dir: DataDir = None, config: Config = None) -> int:
    """Try all that the registry does with its storage: credentials, permissions, clock, checksums, signed URLs, deletion."""
    with needing("server"):
        from registry.storage_upkeep import check_storage

        return 0 if check_storage(settings_of(config, data_dir=data_dir), say=print) else 1


@storage.command
def setup(
    *,
    versioning: Annotated[bool, Parameter(help="Keep old versions of what is deleted.")] = True,
    data_dir: DataDir = None,
    config: Config = None,
) -> int:
    """Let the bucket end unfinished uploads that are old, and keep old versions. No object expires by that."""
    with needing("server"):
        from registry.storage_upkeep import NothingToSetUp, set_up_storage

        settings = settings_of(config, data_dir=data_dir)
        try:
            return 0 if set_up_storage(settings, versioning=versioning, say=print) else 1
        except NothingToSetUp as error:
            raise Refused(str(error), USAGE) from error
