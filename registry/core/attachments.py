"""Which manifests only speak of another one: signatures, attestations and the like, by a subject or under a tag of cosign's.

Policies judge artifacts, not what speaks of them: that is read by whoever may read the artifact. What could be used by itself
is never such, whatever it says of itself: an index, but for the list of referrers that clients keep, what a runtime would run,
what a format knows as a model, a data set or the like; nor is what people have given a tag of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from mediatypes.digest import Digest
from mediatypes.models.artifact import Artifact, parse_artifact
from mediatypes.models.formats import installed, recognise
from mediatypes.oci import INDEX_TYPES
from mediatypes.record import Kind

SIGNATURE_TAG: Final = re.compile(r"sha256-([0-9a-f]{64})(?:\.(?:sig|att|sbom))?", re.ASCII)
"""The tags that cosign gives what speaks of a manifest, which it writes anew for each signature."""

_SUFFIXES: Final = (".sig", ".att", ".sbom")
_USED: Final = frozenset((Kind.MODEL, Kind.DATASET, Kind.EXPERIMENT, Kind.CHART, Kind.WASM, Kind.IMAGE, Kind.INDEX))
_RUN: Final = (
    "application/vnd.oci.image.layer.",
    "application/vnd.docker.image.rootfs.",
    "application/vnd.docker.image.",
)
_CONFIGS: Final = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.wasm.config.v0+json",
    "application/vnd.wasm.config.v1+json",
)
_SPEAKING: Final = (
    "application/vnd.dev.cosign.",
    "application/vnd.dev.sigstore.bundle",
    "application/vnd.dsse.envelope",
    "application/vnd.in-toto",
    "application/vnd.cyclonedx",
    "application/vnd.syft",
    "application/spdx+json",
    "text/spdx",
)
"""Layers of signatures, attestations and bills of materials, under whatever config."""
_EMPTY: Final = str(Digest.of(b"{}"))


def attached_to(tag: str) -> Digest | None:
    """Return the manifest of which what a tag names speaks; None where it is a tag like any other."""
    found = SIGNATURE_TAG.fullmatch(tag)
    return Digest("sha256", found[1]) if found is not None else None


def tags_about(digest: Digest) -> list[str]:
    """Return the tags under which signatures, attestations and SBOMs of a manifest may stand."""
    return [f"sha256-{digest.encoded}{suffix}" for suffix in _SUFFIXES] if digest.algorithm == "sha256" else []


def subject_of(media_type: str, content: bytes, tags: Sequence[str], subject: Digest | None) -> Digest | None:
    """Return of which manifest one with these tags only speaks; None where it is an artifact of its own.

    Of an index the caller has yet to see that all that it lists are manifests with that subject (Admission).
    """
    named = [attached_to(tag) for tag in tags]
    if None in named:
        return None
    about = subject or next(iter(named), None)
    if about is None:
        return None
    if media_type in INDEX_TYPES:
        # The list of referrers that clients keep where a registry has no API for it.
        return about if subject is None and not any("." in tag for tag in tags) else None
    artifact = parse_artifact(content, None)
    if subject is None and not _speaks(artifact):
        return None
    return None if _is_used(artifact) else about


def _speaks(artifact: Artifact) -> bool:
    """Say whether it is what is kept under tags of cosign's: anybody gives such a tag to anything."""
    return all(layer.media_type.startswith(_SPEAKING) for layer in artifact.layers)


def _is_used(artifact: Artifact) -> bool:
    """Say whether somebody could run or load it, by what tools go by: types of configs and layers, and any of the formats."""
    kinds = {recognise(artifact, [form])[1].kind for form in installed().formats}
    return bool(kinds & _USED) or _runs(artifact)


def _runs(artifact: Artifact) -> bool:
    """Say whether a runtime would take it for an image; cosign's signatures have an image's config as well."""
    if artifact.config is None or artifact.config.digest == _EMPTY:
        return False
    is_image = artifact.config.media_type in _CONFIGS
    return any(
        layer.media_type.startswith(_RUN) or (is_image and not layer.media_type.startswith(_SPEAKING))
        for layer in artifact.layers
    )
