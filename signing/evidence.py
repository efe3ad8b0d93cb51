"""What is known of an artifact when it is judged: plain data, gathered by whoever has it (registry, client, layout)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

MOST_ATTACHED: Final = 200
"""Manifests that are gathered of one artifact."""
MOST_BLOBS: Final = 20
"""Layers that are gathered of one of them."""
LARGEST_BLOB: Final = 4 << 20
"""Bytes of a layer that is gathered."""
LARGEST_EVIDENCE: Final = 24 << 20
"""Bytes of all layers that are gathered."""

FIRST_TYPES: Final = (
    "application/vnd.dev.sigstore.bundle.v0.3+json",
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
    "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.1",
    "application/vnd.dev.cosign.artifact.sig.v1+json",
    "application/vnd.dev.cosign.artifact.att.v1+json",
    "application/vnd.dsse.envelope.v1+json",
    "application/vnd.in-toto+json",
    "application/vnd.cncf.notary.signature",
    "application/spdx+json",
    "text/spdx+json",
    "application/vnd.cyclonedx+json",
)
"""Artifact types of referrers that are gathered before others.

What is attached comes in one order, wherever it is gathered, so that reasons do, too: what stands under tags, referrers of
these types, all others; each by `Digest.to_bytes`.
"""


class Attached(msgspec.Struct, frozen=True):
    """A manifest that speaks of an artifact, with its layers."""

    origin: str
    """How it was found: `referrer`, or the tag by which it is attached (`sha256-….sig`)."""
    digest: str
    media_type: str
    content: bytes
    blobs: dict[str, bytes] = {}
    """Content by digest: the layers that were read."""
    missing: dict[str, str] = {}
    """By digest of those that were not, why: completes “the layer …”."""


class Scan(msgspec.Struct, frozen=True):
    """What a scanner says of an artifact."""

    scanner: str
    state: str
    """`clean`, `found`, `pending`, `failed` or `down`."""
    worst: str | None = None
    """The worst severity that was found: `low`, `medium`, `high` or `critical`; None where nothing was."""
    version: str | None = None
    finished_at: datetime | None = None
    findings: tuple[dict[str, Any], ...] = ()
    """Objects with severity, rule, path and message."""
    is_whole: bool = True
    """Whether all of the artifact was looked at. What was found may be harmless, and what was not looked at the worst of it."""


class Known(msgspec.Struct, frozen=True):
    """What a registry knows of an artifact beside its manifests; without a registry nothing is known."""

    record: dict[str, Any] | None = None
    """The normalised record (mediatypes.record): values by field, with `kind`; None until it is described."""
    violations: tuple[dict[str, str], ...] | None = None
    """Where it does not conform to the schemas bound to it; None where that was not judged."""
    scans: tuple[Scan, ...] | None = None
    """What scanners say; None where nobody scans."""
    pushed_at: datetime | None = None


class Evidence(msgspec.Struct, frozen=True):
    """An artifact and all that speaks of it."""

    digest: str
    media_type: str
    content: bytes
    """The artifact's own manifest or index."""
    attached: tuple[Attached, ...] = ()
    problems: tuple[str, ...] = ()
    """What could not be gathered: sentences, told beside a verdict that denies."""
    known: Known = Known()
