"""Which registry a command is for: one whose database is reached from here, or, by `--server`, a running one's API."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import Parameter

from blacklake.settings import USAGE, CaFile, Config, DataDir, Insecure, Refused, needing, settings_of

if TYPE_CHECKING:
    import httpx

# Each is imported when no earlier one has the verb: those come first that take the least time.
_IN_PROCESS: Final = (
    "registry.administration_audit",
    "registry.administration_lists",
    "registry.administration_artifacts",
    "registry.administration",
    "registry.administration_stages",
    "registry.administration_policies",
    "registry.administration_schemas",
    "registry.administration_scans",
)
_BY_API: Final = (
    "blacklake.remote.changes",
    "blacklake.remote.lists",
    "blacklake.remote.audit",
    "blacklake.remote.schemas",
    "blacklake.remote.policies",
    "blacklake.remote.scans",
    "blacklake.remote.stages",
)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Where:
    """Which registry, and who acts there: in process that is this machine's account."""

    data_dir: DataDir = None
    config: Config = None
    server: Annotated[
        str | None, Parameter(help="URL of a running registry: act by its API, with BLACKLAKE_API_KEY or what follows.")
    ] = None
    api_key_file: Annotated[Path | None, Parameter(help="File with the API key to act by.")] = None
    user: Annotated[
        str | None,
        Parameter(help="Act as this user, whose password is asked for, or in the file BLACKLAKE_PASSWORD_FILE."),
    ] = None
    sign_key_file: Annotated[
        Path | None, Parameter(help="Private key (PEM) of a service, which signs each request.")
    ] = None
    ca_file: CaFile = None
    insecure: Insecure = False

    @property
    def credentials(self) -> tuple[Path | str | None, ...]:
        """What says who acts by `--server`."""
        return self.api_key_file, self.user, self.sign_key_file


class Door:
    """The verbs of either way, under the same names: functions whose first parameter is the place, which is known here."""

    def __init__(self, rooms: Sequence[str], place: object) -> None:
        """Look for verbs in the modules of these names, no further than up to the one that has it."""
        self._rooms = rooms
        self._place = place

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        """Return a verb of this place."""
        rooms = map(importlib.import_module, self._rooms)
        function = next(found for room in rooms if (found := getattr(room, verb, None)) is not None)

        def act(*arguments: Any, **options: Any) -> Any:
            return function(self._place, *arguments, **options)

        return act


@contextlib.contextmanager
def opened(where: Where | None, *, code: int = 1, is_promoting: bool = False) -> Iterator[Door]:
    """Yield the door. What could not be done is said, and the exit code is `code`.

    It is one for whoever promotes where `is_promoting`, else for who looks after an installation.
    """
    where = where or Where()
    _require_sense(where)
    with _in_process(where, code) if where.server is None else _by_api(where, code, is_promoting=is_promoting) as door:
        yield door


@contextlib.contextmanager
def _in_process(where: Where, code: int) -> Iterator[Door]:
    with needing("server"):
        from registry.upkeep import UpkeepFailed

        settings = settings_of(where.config, data_dir=where.data_dir)
        try:
            yield Door(_IN_PROCESS, settings)
        except UpkeepFailed as error:
            raise Refused(str(error), code) from error


def _credential(where: Where, server: str, *, is_promoting: bool) -> httpx.Auth:
    """Return how requests say who acts; whoever promotes may also have logged in, or be nobody where all may."""
    from blacklake.remote.credentials import PROMOTING, credential, reader

    if is_promoting and not any(where.credentials):
        return reader(server, key_file=None, scope=" ".join(PROMOTING))
    scopes = {"scopes": PROMOTING} if is_promoting else {}
    return credential(key_file=where.api_key_file, user=where.user, sign_key_file=where.sign_key_file, **scopes)


@contextlib.contextmanager
def _by_api(where: Where, code: int, *, is_promoting: bool) -> Iterator[Door]:
    assert where.server is not None
    with needing("remote"):
        from blacklake.remote.connection import RemoteFailed, connected

        try:
            how = _credential(where, where.server, is_promoting=is_promoting)
            with connected(where.server, how, ca_file=where.ca_file, insecure=where.insecure) as connection:
                yield Door(_BY_API, connection)
        except RemoteFailed as error:
            raise Refused(str(error), code) from error


def _require_sense(where: Where) -> None:
    if where.server is None and (any(where.credentials) or where.ca_file or where.insecure):
        raise Refused(
            "--api-key-file, --user, --sign-key-file, --ca-file and --insecure are for --server; without it, this account acts",
            USAGE,
        )
    if where.server is not None and (where.data_dir or where.config):
        raise Refused(
            "--data-dir and --config name a registry in process, --server a running one: say one of them", USAGE
        )
    if sum(map(bool, where.credentials)) > 1:
        raise Refused("--api-key-file, --user and --sign-key-file each say who acts: say one of them", USAGE)
