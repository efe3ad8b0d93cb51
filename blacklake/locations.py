"""Artifacts of any registry, or of a layout on disk, as people write them, and how they are reached."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

from cyclopts import Parameter

from blacklake.references import named, url_of
from blacklake.settings import USAGE, CaFile, Insecure, Refused

if TYPE_CHECKING:
    from blacklake.oci.layout import Layout
    from blacklake.oci.repository import Repository

_LAYOUT: Final = "oci-layout:"
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
    from mediatypes.references import parse_reference

    if named(ref).host is None:
        raise Refused(f"“{ref[:128]}” names no registry; write it as registry.example/team/model:tag", USAGE)
    found = parse_reference(ref)
    return Location(None, found.host, found.name, str(found.reference))


@contextlib.contextmanager
def opened(place: Location, options: RegistryOptions) -> Iterator[Opened]:
    """Yield an artifact's place. Raise OciFailed."""
    from blacklake.oci.connection import connected
    from blacklake.oci.layout import Layout
    from blacklake.oci.repository import Repository

    if place.layout is not None:
        source = Layout(place.layout)
        yield Opened(source, place.reference or source.only())
        return
    host = _HUB_SERVER if place.host == _HUB else place.host
    server = url_of(host, ca_file=options.ca_file, plain_http=options.plain_http)
    with connected(
        server, place.host, place.repository, ca_file=options.ca_file, insecure=options.insecure
    ) as connection:
        yield Opened(Repository(connection, place.repository), place.reference or "latest")


def _in_layout(text: str) -> Location:
    from mediatypes.digest import Digest, InvalidDigest
    from mediatypes.names import InvalidTag, parse_tag

    if not Path(text).is_dir():
        for mark, parse in (("@", Digest.parse), (":", parse_tag)):
            path, _, reference = text.rpartition(mark)
            with contextlib.suppress(InvalidDigest, InvalidTag):
                if path:
                    return Location(Path(path), "", "", str(parse(reference)))
    if not text or ("@" in text and not Path(text).exists()):
        raise Refused(f"“{text[:128]}” names no layout; write it as oci-layout:DIRECTORY:TAG, or @DIGEST", USAGE)
    return Location(Path(text), "", "", None)
