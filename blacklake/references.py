"""References of artifacts as people write them, and the registry that is asked about one."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple
from urllib.parse import quote

from cyclopts import Parameter

from blacklake.settings import USAGE, CaFile, Insecure, Refused, needing

if TYPE_CHECKING:
    from blacklake.remote.connection import Connection

_NAME: Final = r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
_REFERENCE: Final = re.compile(
    rf"(?:(?P<host>localhost(?::[0-9]+)?|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?::[0-9]+)?|[A-Za-z0-9-]+:[0-9]+|\[[0-9a-f:]+\](?::[0-9]+)?)/)?"
    rf"(?P<name>{_NAME})(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}}))?(?:@(?P<digest>sha(?:256|512):[0-9a-f]+))?",
    re.ASCII,
)
_LOOPBACK: Final = re.compile(r"(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]+)?", re.ASCII)

Ref = Annotated[
    str, Parameter(help="An artifact, as in registry.example/team/model:tag or …@digest; without HOST with --server.")
]


class Named(NamedTuple):
    """An artifact: of which registry (HOST or HOST:PORT, None where that isn't said), its repository, a tag or a digest."""

    host: str | None
    repository: str
    reference: str

    @property
    def path(self) -> str:
        """Where the API has it."""
        return f"/api/v1/repositories/{self.repository}/-/artifacts/{quote(self.reference, safe=':')}"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ConnectionOptions:
    """Which registry is asked, and how."""

    server: Annotated[str | None, Parameter(help="URL of the registry, where no reference names one.")] = None
    api_key_file: Annotated[
        Path | None, Parameter(help="File with the API key to ask by, instead of BLACKLAKE_API_KEY or a login.")
    ] = None
    ca_file: CaFile = None
    insecure: Insecure = False


def named(text: str, default: str = "latest") -> Named:
    """Return what a reference names; the tag is the `default` where it says none. Raise Refused."""
    found = _REFERENCE.fullmatch(text)
    if found is None:
        raise Refused(f"“{text[:128]}” names no artifact; write it as registry.example/team/model:tag", USAGE)
    return Named(found["host"], found["name"], found["digest"] or found["tag"] or default)


@contextlib.contextmanager
def asking(options: ConnectionOptions | None, *refs: Named) -> Iterator[Connection]:
    """Yield a connection to the registry that has the artifacts, as who may pull them. Raise Refused."""
    options = options or ConnectionOptions()
    scope = " ".join(sorted({f"repository:{ref.repository}:pull" for ref in refs}))
    with connecting(options.server or _server_of(refs), options, scope=scope) as connection:
        yield connection


@contextlib.contextmanager
def connecting(server: str, options: ConnectionOptions, *, scope: str | None = None) -> Iterator[Connection]:
    """Yield a connection to a registry, by a token of this scope, or of all that one may read. Raise Refused."""
    with needing("remote"):
        from blacklake.remote.connection import RemoteFailed, connected
        from blacklake.remote.credentials import READING, reader

        try:
            auth = reader(server, key_file=options.api_key_file, scope=scope or READING)
            with connected(server, auth, ca_file=options.ca_file, insecure=options.insecure) as connection:
                yield connection
        except RemoteFailed as error:
            raise Refused(str(error)) from error


def _server_of(refs: tuple[Named, ...]) -> str:
    """Return the URL of the registry that references name: by https, but for loopback, as Docker does it. Raise Refused."""
    hosts = {ref.host for ref in refs}
    if len(hosts) > 1:
        raise Refused("both artifacts must be of one registry", USAGE)
    host = hosts.pop()
    if host is None:
        raise Refused("no registry is named: write registry.example/team/model:tag, or say --server", USAGE)
    return url_of(host)


def url_of(host: str) -> str:
    """Return the URL of the registry at HOST or HOST:PORT."""
    return f"{'http' if _LOOPBACK.fullmatch(host) else 'https'}://{host}"
