"""Manifests that attach something to an artifact, ready to be pushed: blobs first, then the manifest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

from mediatypes.digest import Digest

MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
EMPTY_TYPE: Final = "application/vnd.oci.empty.v1+json"
CREATED: Final = "org.opencontainers.image.created"

Descriptor = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Subject:
    """The artifact that is signed: the descriptor of its manifest or index."""

    media_type: str
    digest: str
    size: int

    @classmethod
    def of(cls, content: bytes, media_type: str, algorithm: str = "sha256") -> Subject:
        """Describe a manifest, by the digest under which it stands."""
        return cls(media_type, str(Digest.of(content, algorithm)), len(content))

    def descriptor(self) -> Descriptor:
        """Return it as JSON has it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


@dataclass(frozen=True, slots=True)
class Blob:
    """A layer or a config."""

    media_type: str
    content: bytes

    @property
    def digest(self) -> str:
        """Return its digest."""
        return digest_of(self.content)

    def descriptor(self, **more: object) -> Descriptor:
        """Return it as JSON has it, with more fields where they are given."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content), **more}


@dataclass(frozen=True, slots=True)
class Made:
    """What is to be pushed: the blobs that are new, and a manifest by its digest, or by a tag."""

    content: bytes
    blobs: tuple[Blob, ...]
    subject: Subject
    tag: str | None = None
    """The tag under which it is found; None where it names the artifact as its subject."""
    media_type: str = MANIFEST_TYPE

    @property
    def digest(self) -> str:
        """Return the manifest's digest."""
        return digest_of(self.content)


def referrer(
    subject: Subject, layer: Blob, *, config: Descriptor, artifact_type: str | None, annotations: dict[str, str]
) -> Made:
    """Make a manifest with one layer and a config of `{}` that refers to its subject."""
    manifest: dict[str, Any] = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE}
    if artifact_type is not None:
        manifest["artifactType"] = artifact_type
    manifest |= {
        "config": config,
        "layers": [layer.descriptor()],
        "subject": subject.descriptor(),
        "annotations": annotations,
    }
    return Made(compact(manifest), (Blob(config["mediaType"], b"{}"), layer), subject)


def empty_config(media_type: str = EMPTY_TYPE, **more: object) -> Descriptor:
    """Describe a config of `{}`."""
    return Blob(media_type, b"{}").descriptor(**more)


def compact(document: object) -> bytes:
    """Return JSON without white space, in UTF-8."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of bytes as a digest."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
