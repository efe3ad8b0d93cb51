"""An artifact as a format sees it, and what a format says of it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from mediatypes.documents import parsed
from mediatypes.oci import IMAGE_INDEX, IMAGE_MANIFEST
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


def parse_artifact(content: bytes, config: bytes | None) -> Artifact:
    """Return the artifact of a valid manifest's bytes (`mediatypes.manifest`) and its config blob's, None where that is absent.

    What of the config isn't plain JSON (`documents.parsed`), and annotations of descriptors that aren't texts, are left out.
    """
    document = parsed(content)
    described = document.get("config")
    own_type = document.get("artifactType")
    config_descriptor = _descriptor(described) if described is not None else None
    subject = document.get("subject")
    return Artifact(
        media_type=document.get("mediaType") or (IMAGE_INDEX if "manifests" in document else IMAGE_MANIFEST),
        artifact_type=own_type or (config_descriptor.media_type if config_descriptor else None),
        config=config_descriptor,
        layers=_descriptors(document.get("layers")),
        manifests=_descriptors(document.get("manifests")),
        subject=_descriptor(subject) if subject is not None else None,
        annotations=_annotations(document),
        config_document=parsed(config) if config is not None else None,
    )


def _descriptors(listed: Any) -> tuple[Descriptor, ...]:
    return tuple(_descriptor(item) for item in listed or ())


def _descriptor(item: dict[str, Any]) -> Descriptor:
    return Descriptor(item["mediaType"], item["digest"], item["size"], _annotations(item), item)


def _annotations(item: dict[str, Any]) -> dict[str, str]:
    found = item.get("annotations")
    pairs = found.items() if isinstance(found, dict) else ()
    return {name: value for name, value in pairs if isinstance(value, str)}


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
    problems: list[str] = field(default_factory=list)
    """What went wrong while other formats looked at the artifact: sentences for whoever runs the registry."""


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
