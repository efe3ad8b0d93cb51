"""OCI image layouts on disk (image-spec, image-layout.md): read only, and trusted no more than a registry.

A path is only ever made of the layout's directory and a digest, and what is read there is what the digest says.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from blacklake.oci.contents import (
    LARGEST_MANIFEST,
    Absent,
    Content,
    Listed,
    OciFailed,
    Unavailable,
    Unsound,
    checked,
    manifest_of,
)
from mediatypes.digest import Digest, InvalidDigest
from mediatypes.documents import objects, parsed
from mediatypes.oci import MANIFEST_TYPES

_MOST_MANIFESTS: Final = 5000
_TAG: Final = "org.opencontainers.image.ref.name"
_KIND: Final = "kind"
_KINDS: Final = {
    "dev.cosignproject.cosign/sigs": "sig",
    "dev.cosignproject.cosign/atts": "att",
    "dev.cosignproject.cosign/sboms": "sbom",
}
"""How `cosign save` marks in a layout what would stand under a tag in a registry."""


class Layout:
    """A layout by its directory."""

    def __init__(self, directory: Path) -> None:
        """Read its index. Raise OciFailed."""
        self.directory = directory
        marker = parsed(self._read("oci-layout", LARGEST_MANIFEST))
        version = marker.get("imageLayoutVersion") if isinstance(marker, dict) else None
        if not isinstance(version, str) or not version.startswith("1."):
            raise Unsound(f"{directory} is no OCI image layout of version 1")
        index = parsed(self._read("index.json", LARGEST_MANIFEST))
        if not isinstance(index, dict) or not isinstance(index.get("manifests"), list):
            raise Unsound(f"{directory / 'index.json'} is no index")
        self._entries = objects(index["manifests"])
        self._types: dict[Digest, str] = {}
        self._note_types(self._entries)
        self._known: dict[Digest, Content] | None = None

    def only(self) -> str:
        """Return the digest of the one artifact that is no other's signature or referrer. Raise Unavailable."""
        found = {digest for digest in map(self._digest, self._entries) if digest and not self._is_attached(digest)}
        if len(found) != 1:
            tags = ", ".join(sorted(str(tag) for tag in map(_tag_of, self._entries) if tag))[:500]
            raise Unavailable(
                f"{self.directory} holds {len(found)} artifacts: name one by a tag ({tags}) or its digest"
            )
        return str(found.pop())

    def manifest(self, reference: str) -> Content:
        """See Source."""
        if ":" in reference:
            try:
                asked = Digest.parse(reference)
            except InvalidDigest as error:
                raise Unavailable(f"“{reference[:150]}” {error}") from None
            if asked not in self._types:
                self._manifests()
            return self._manifest(asked)
        found = {self._digest(entry) for entry in self._entries if _tag_of(entry) == reference}
        if len(found) > 1:
            raise Unsound(f"{self.directory} names {len(found)} artifacts by the tag {reference}")
        digest = found.pop() if found else None
        if digest is None:
            raise Absent(f"{self.directory} has no tag {reference}")
        return self._manifest(digest)

    def blob(self, digest: Digest, limit: int) -> bytes:
        """See Source."""
        content = self._read(f"blobs/{digest.algorithm}/{digest.encoded}", limit)
        return checked(content, digest, f"blob {digest} of {self.directory}")

    def referrers(self, digest: Digest) -> Iterator[Listed]:
        """See Source. All manifests that the index leads to are looked at."""
        for found in self._manifests().values():
            if found.manifest.subject == digest:
                yield Listed(found.digest, found.manifest.artifact_type)

    def kept_by_cosign(self) -> Iterator[tuple[str, Digest]]:
        """Yield what `cosign save` has put beside an image: `sig`, `att` or `sbom`, and the manifest's digest."""
        for entry in self._entries:
            annotations = entry.get("annotations")
            kind = _KINDS.get(str(annotations.get(_KIND))) if isinstance(annotations, dict) else None
            digest = self._digest(entry)
            if kind is not None and digest is not None:
                yield kind, digest

    def _manifests(self) -> dict[Digest, Content]:
        """Return the manifests that the index leads to; those that can't be read are none. Raise Unavailable for too many."""
        if self._known is not None:
            return self._known
        known: dict[Digest, Content] = {}
        seen: set[Digest] = set()
        pending = list(self._entries)
        while pending:
            entry = pending.pop()
            digest = self._digest(entry)
            if digest is None or digest in seen or entry.get("mediaType") not in MANIFEST_TYPES:
                continue
            seen.add(digest)
            if len(seen) > _MOST_MANIFESTS:
                raise Unavailable(f"{self.directory} holds more than {_MOST_MANIFESTS} manifests, more than are read")
            try:
                known[digest] = found = self._manifest(digest)
            except OciFailed:
                continue
            document = parsed(found.content)
            children = objects(document.get("manifests")) if isinstance(document, dict) else []
            self._note_types(children)
            pending += children
        self._known = known
        return known

    def _manifest(self, digest: Digest) -> Content:
        content = self.blob(digest, LARGEST_MANIFEST)
        return manifest_of(content, self._types.get(digest, ""), digest, f"manifest {digest} of {self.directory}")

    def _note_types(self, entries: list[dict[str, Any]]) -> None:
        """Keep as what manifests are listed: many don't say themselves what they are."""
        for entry in entries:
            if digest := self._digest(entry):
                self._types.setdefault(digest, str(entry.get("mediaType") or ""))

    def _is_attached(self, digest: Digest) -> bool:
        if any(kept == digest for _, kept in self.kept_by_cosign()):
            return True
        entries = [entry for entry in self._entries if self._digest(entry) == digest]
        tags = [tag for tag in map(_tag_of, entries) if tag is not None]
        found = self._manifests().get(digest)
        return (
            all(_is_fallback(tag) for tag in tags) if tags else found is not None and found.manifest.subject is not None
        )

    def _digest(self, entry: dict[str, Any]) -> Digest | None:
        try:
            return Digest.parse(str(entry.get("digest")))
        except InvalidDigest:
            return None

    def _read(self, name: str, limit: int) -> bytes:
        """Return a file's bytes; never wait for what is none. Raise OciFailed."""
        path = self.directory / name
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise Unavailable(f"{path} is no file")
                content = file.read(limit + 1)
        except FileNotFoundError:
            raise Absent(f"{path} is not there") from None
        except OSError as error:
            raise Unavailable(f"{path} can't be read: {error.strerror}") from error
        if len(content) > limit:
            raise Unavailable(f"{path} has more than {limit} bytes, more than is read")
        return content


def _tag_of(entry: dict[str, Any]) -> str | None:
    annotations = entry.get("annotations")
    tag = annotations.get(_TAG) if isinstance(annotations, dict) else None
    return tag if isinstance(tag, str) else None


def _is_fallback(tag: str) -> bool:
    return tag.startswith(("sha256-", "sha512-"))
