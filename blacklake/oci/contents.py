"""What is read from a registry or a layout: bytes that are what their digest says, or an error that says why not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from mediatypes.digest import Digest
from mediatypes.documents import MAX_SIZE, parsed
from mediatypes.manifest import InvalidManifest, Manifest, parse_manifest
from mediatypes.oci import MANIFEST_TYPES


class OciFailed(Exception):
    """It could not be read or written; the message is a sentence that says why."""


class Absent(OciFailed):
    """It is not there."""


class Unavailable(OciFailed):
    """Nobody can say now: the network, a refusal, a limit."""


class Unsound(OciFailed):
    """What is there is not what it is said to be: other bytes than the digest's, or a manifest of two meanings."""


@dataclass(frozen=True, slots=True)
class Content:
    """A manifest: its bytes, and as what they are served."""

    digest: Digest
    media_type: str
    content: bytes
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Listed:
    """A referrer as a list names it."""

    digest: Digest
    artifact_type: str | None


class Source(Protocol):
    """Where artifacts are: a repository of a registry, or a layout."""

    def manifest(self, reference: str) -> Content:
        """Return what a tag or a digest names. Raise OciFailed."""

    def blob(self, digest: Digest, limit: int) -> bytes:
        """Return a blob of at most `limit` bytes. Raise OciFailed."""

    def referrers(self, digest: Digest) -> Iterator[Listed]:
        """Yield what refers to a manifest by its subject. Raise OciFailed."""


def checked(content: bytes, digest: Digest, what: str) -> bytes:
    """Return bytes that are those of a digest; `what` names them. Raise Unsound."""
    found = Digest.of(content, digest.algorithm)
    if found != digest:
        raise Unsound(f"{what} is not what its digest says: its bytes are those of {found}")
    return content


def manifest_of(content: bytes, media_type: str, digest: Digest, what: str) -> Content:
    """Return a manifest that is served as `media_type`; where that is none of a manifest's, it says itself what it is.

    Raise Unsound.
    """
    if media_type not in MANIFEST_TYPES:
        document = parsed(content)
        said = document.get("mediaType") if isinstance(document, dict) else None
        if said not in MANIFEST_TYPES:
            raise Unsound(f"{what} is no manifest: it is served as “{media_type[:100]}” and does not say what it is")
        media_type = str(said)
    try:
        return Content(digest, media_type, content, parse_manifest(content, media_type))
    except InvalidManifest as error:
        raise Unsound(f"{what} is no manifest that all readers understand alike: it {error}") from None


LARGEST_MANIFEST = MAX_SIZE
"""Bytes of a manifest or an index that is read."""
