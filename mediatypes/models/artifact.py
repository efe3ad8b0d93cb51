"""An artifact as a format sees it, and what a format says of it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from mediatypes.record import Fact, Kind

ENTRY_POINTS: Final = "blacklake.formats"
"""The group of entry points under which a package registers its formats: each an object that is a `Format`."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A descriptor of a manifest (image-spec descriptor.md); `document` is all of it, with fields that only some tools know."""

    media_type: str
    digest: str
    size: int  # bytes
    annotations: dict[str, str]
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Artifact:
    """A manifest that is valid (`mediatypes.manifest`).

    `config_document` is what the config blob holds, where that is JSON and not large.
    """

    media_type: str
    artifact_type: str | None
    """Its own, else its config's media type (image-spec manifest.md, guidelines for artifact usage)."""
    config: Descriptor | None
    layers: tuple[Descriptor, ...]
    manifests: tuple[Descriptor, ...]
    subject: Descriptor | None
    annotations: dict[str, str]
    config_document: Any = None


class Packing(enum.StrEnum):
    """How a layer holds files."""

    RAW = "raw"
    TAR = "tar"
    TAR_GZIP = "tar+gzip"
    TAR_ZSTD = "tar+zstd"


class Role(enum.StrEnum):
    """What files are for."""

    WEIGHTS = "weights"
    CONFIG = "config"
    DATASET = "dataset"
    CODE = "code"
    DOCUMENTATION = "documentation"
    LICENSE = "license"
    TEMPLATE = "template"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer and what it holds: the file `path`, or an archive of what is to lie in that directory; "" where nobody says."""

    descriptor: Descriptor
    path: str
    packing: Packing
    role: Role


@dataclass(slots=True)
class Description:
    """What a format says of an artifact."""

    kind: Kind
    facts: list[Fact] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)


class Format(Protocol):
    """A way to pack artifacts. Implementations are pure, and never raise for what is merely odd: they say less then."""

    name: str
    """A short word in lower case: modelpack, kitops, docker, ollama …"""
    is_generic: bool
    """Whether it is asked only when no other format recognises an artifact."""

    def recognises(self, artifact: Artifact) -> bool:
        """Say whether an artifact is of this format."""

    def describe(self, artifact: Artifact) -> Description:
        """Return what an artifact of this format is, by its manifest and its config."""
