"""References of artifacts as people write them, and the registry that is asked about one."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple
from urllib.parse import quote

from cyclopts import Parameter

from blacklake.settings import USAGE, CaFile, Insecure, Refused, needing

if TYPE_CHECKING:
    from blacklake.remote.connection import Connection

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
    from mediatypes.references import InvalidReference, read_reference

    try:
        found = read_reference(text)
    except InvalidReference as error:
        raise Refused(
            f"“{text[:128]}” names no artifact, since it {error}; write it as registry.example/team/model:tag", USAGE
        ) from None
    return Named(found.host, found.name, str(found.digest or found.tag or default))


@contextlib.contextmanager
def asking(options: ConnectionOptions | None, *refs: Named) -> Iterator[Connection]:
    """Yield a connection to the registry that has the artifacts, as who may pull them. Raise Refused."""
    options = options or ConnectionOptions()
    scope = " ".join(sorted({f"repository:{ref.repository}:pull" for ref in refs}))
    with connecting(options.server or _server_of(refs, options.ca_file), options, scope=scope) as connection:
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


def _server_of(refs: tuple[Named, ...], ca_file: Path | None) -> str:
    """Return the URL of the registry that references name. Raise Refused."""
    hosts = {ref.host for ref in refs}
    if len(hosts) > 1:
        raise Refused("both artifacts must be of one registry", USAGE)
    host = hosts.pop()
    if host is None:
        raise Refused("no registry is named: write registry.example/team/model:tag, or say --server", USAGE)
    return url_of(host, ca_file=ca_file)


def url_of(host: str, *, ca_file: Path | None = None, plain_http: bool = False) -> str:
    """Return the URL of the registry at HOST or HOST:PORT: by https, but for loopback, as Docker does it.

    By http, too, where that is said (`plain_http`), and on loopback by https where its certificate is (`ca_file`).
    """
    is_here = is_loopback(re.sub(r":[0-9]+$", "", host).strip("[]"))
    return f"{'http' if plain_http or (is_here and ca_file is None) else 'https'}://{host}"


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
