"""Manifests that speak of an artifact, looked into for what may be a signature."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from mediatypes.digest import Digest, InvalidDigest
from mediatypes.documents import objects, parsed
from signing.documents import unreadable
from signing.evidence import MOST_BLOBS, Attached, Evidence
from signing.steps import Refused, Step

REFERRER: Final = "referrer"


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of a manifest that is attached to an artifact."""

    attached: Attached
    number: int
    """Its place in the manifest; the first is 1."""
    media_type: str
    digest: str
    annotations: dict[str, str]

    @property
    def where(self) -> str:
        """Return the manifest and the layer."""
        return f"{self.attached.digest}, layer {self.number}"

    def content(self) -> bytes:
        """Return its bytes, which have its digest. Raise Refused where they were not gathered or are others."""
        content = self.attached.blobs.get(self.digest)
        if content is None:
            why = self.attached.missing.get(self.digest, "was not gathered")
            raise unreadable(f"the layer {self.digest[:160]} {why}")
        try:
            digest = Digest.parse(self.digest)
        except InvalidDigest as error:
            raise unreadable(f"the layer's digest {error}") from None
        if Digest.of(content, digest.algorithm) != digest:
            raise unreadable(f"the layer {digest} holds other bytes than its digest says")
        return content

    def annotation(self, name: str) -> str | None:
        """Return an annotation; None where it is missing or empty."""
        return self.annotations.get(name) or None


def layers(attached: Attached) -> Iterator[Layer]:
    """Yield the layers of a manifest; of what is no manifest there are none."""
    document = parsed(attached.content)
    if not isinstance(document, dict):
        return
    for number, layer in enumerate(objects(document.get("layers"))[:MOST_BLOBS], 1):
        media_type, digest = layer.get("mediaType"), layer.get("digest")
        if isinstance(media_type, str) and isinstance(digest, str):
            yield Layer(attached, number, media_type, digest, _texts(layer.get("annotations")))


def _texts(annotations: Any) -> dict[str, str]:
    if not isinstance(annotations, dict):
        return {}
    return {name: value for name, value in annotations.items() if isinstance(value, str)}


def must_be_attached(attached: Attached, evidence: Evidence) -> None:
    """Raise Refused where a referrer's subject is not this artifact, by digest, media type and size.

    By a tag a signature is only found: what it signs is in its payload.
    """
    if attached.origin != REFERRER:
        return
    document = parsed(attached.content)
    subject = document.get("subject") if isinstance(document, dict) else None
    if not isinstance(subject, dict):
        raise Refused(Step.SUBJECT, "its manifest has no subject, though it was found as a referrer")
    if subject.get("digest") != evidence.digest:
        raise Refused(Step.SUBJECT, f"its manifest refers to {subject.get('digest')!r:.160}, not to {evidence.digest}")
    if subject.get("mediaType") != evidence.media_type:
        raise Refused(
            Step.SUBJECT,
            f"its manifest refers to one of the type {subject.get('mediaType')!r:.160}, and this is {evidence.media_type}",
        )
    if subject.get("size") != len(evidence.content):
        raise Refused(
            Step.SUBJECT,
            f"its manifest refers to one of {subject.get('size')!r:.40} bytes, and this has {len(evidence.content)}",
        )
