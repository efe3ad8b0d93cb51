"""Artifacts of any registry, or of a layout on disk, as people write them, and how they are reached."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

from cyclopts import Parameter

from blacklake.references import named
from blacklake.settings import USAGE, CaFile, Insecure, Refused

if TYPE_CHECKING:
    from blacklake.oci.layout import Layout
    from blacklake.oci.repository import Repository

_LAYOUT: Final = "oci-layout:"
_REFERENCE: Final = re.compile(
    r"(?P<path>.+?)(?:@(?P<digest>sha(?:256|512):[0-9a-f]+)|:(?P<tag>[\w][\w.-]{0,127}))", re.ASCII
)
_HUB: Final = "docker.io"
_HUB_SERVER: Final = "registry-1.docker.io"

AnyRef = Annotated[
    str,
    Parameter(
        help="An artifact: HOST/REPOSITORY:TAG or @DIGEST of any registry, or oci-layout:DIRECTORY[:TAG|@DIGEST]."
    ),
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RegistryOptions:
    """How a registry is reached."""

    plain_http: Annotated[bool, Parameter(negative=(), help="Speak http; by default only to this machine.")] = False
    ca_file: CaFile = None
    insecure: Insecure = False


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class LocationOptions(RegistryOptions):
    """How an artifact is reached, wherever it is."""

    layout: Annotated[bool, Parameter(negative=(), help="REF is a directory that holds an OCI layout.")] = False


class Location(NamedTuple):
    """Where an artifact is: a directory, or a registry's host and a repository; `reference` None is the only one there."""

    layout: Path | None
    host: str
    repository: str
    reference: str | None


class Opened(NamedTuple):
    """An artifact's place, ready to be read, and its tag or digest there."""

    source: Repository | Layout
    reference: str


def location(ref: str, *, layout: bool = False) -> Location:
    """Return where a reference says that an artifact is. Raise Refused."""
    if layout or ref.startswith(_LAYOUT):
        return _in_layout(ref.removeprefix(_LAYOUT))
    from mediatypes.digest import Digest, InvalidDigest
    from mediatypes.names import InvalidName, parse_repository_name

    found = named(ref)
    repository = found.repository
    if found.host is None:
        raise Refused(f"“{ref[:128]}” names no registry; write it as registry.example/team/model:tag", USAGE)
    if found.host == _HUB and "/" not in repository:
        repository = f"library/{repository}"
    try:
        parse_repository_name(repository)
        if ":" in found.reference:
            Digest.parse(found.reference)
    except InvalidName as error:
        raise Refused(f"“{repository[:128]}” is no repository's name: it {error}", USAGE) from None
    except InvalidDigest as error:
        raise Refused(f"“{found.reference[:150]}” is no digest: it {error}", USAGE) from None
    return Location(None, found.host, repository, found.reference)


@contextlib.contextmanager
def opened(place: Location, options: RegistryOptions) -> Iterator[Opened]:
    """Yield an artifact's place. Raise OciFailed."""
    from blacklake.oci.connection import connected, is_loopback
    from blacklake.oci.layout import Layout
    from blacklake.oci.repository import Repository

    if place.layout is not None:
        source = Layout(place.layout)
        yield Opened(source, place.reference or source.only())
        return
    host = _HUB_SERVER if place.host == _HUB else place.host
    is_here = is_loopback(re.sub(r":\d+$", "", host).strip("[]"))
    is_plain = options.plain_http or (is_here and options.ca_file is None)
    server = f"{'http' if is_plain else 'https'}://{host}"
    with connected(
        server, place.host, place.repository, ca_file=options.ca_file, insecure=options.insecure
    ) as connection:
        yield Opened(Repository(connection, place.repository), place.reference or "latest")


def _in_layout(text: str) -> Location:
    found = None if Path(text).is_dir() else _REFERENCE.fullmatch(text)
    if not text or (found is None and "@" in text and not Path(text).exists()):
        raise Refused(f"“{text[:128]}” names no layout; write it as oci-layout:DIRECTORY:TAG, or @DIGEST", USAGE)
    if found is None:
        return Location(Path(text), "", "", None)
    return Location(Path(found["path"]), "", "", found["digest"] or found["tag"])
