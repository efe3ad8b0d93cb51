"""What commands share: how they are told their settings, and how they refuse."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter

if TYPE_CHECKING:
    from registry.config import Settings

USAGE: Final = 2
"""Exit code for what the user should write differently; 1 is for what didn't work out."""

DataDir = Annotated[Path | None, Parameter(help="Directory of the embedded PostgreSQL and of local blobs.")]
Config = Annotated[Path | None, Parameter(help="TOML file with settings; BLACKLAKE_* variables come before it.")]
CaFile = Annotated[Path | None, Parameter(help="Certificates (PEM) to trust, instead of those that this machine does.")]
Insecure = Annotated[
    bool, Parameter(negative=(), help="Send credentials over http to another machine; whoever is between reads them.")
]


class Refused(Exception):
    """The command can't be carried out; the message is for the user, `code` for the shell."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


@contextlib.contextmanager
def needing(extra: str) -> Iterator[None]:
    """Say what to install where a package is missing that comes with an extra of ours: server, remote or signing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise Refused(f"this command needs pip install 'blacklake[{extra}]' ({error.name} is missing)") from error


def settings_of(config: Path | None, **overrides: object) -> Settings:
    """Return the settings. Raise Refused."""
    from registry.config import InvalidSettings, load_settings

    try:
        return load_settings(config, **overrides)
    except InvalidSettings as error:
        raise Refused(str(error), USAGE) from error
