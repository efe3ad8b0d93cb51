"""Sigstore bundles v0.3 as referrers, as cosign 3 writes them.

sigstore/protobuf-specs protos/sigstore_bundle.proto; sigstore/cosign pkg/oci/remote/write.go, WriteReferrer.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from signing.making.artifacts import CREATED, Blob, Made, Subject, compact, empty_config, referrer
from signing.making.envelopes import Envelope
from signing.private_keys import SigningKey

BUNDLE_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"


def bundle(
    envelope: Envelope,
    signer: SigningKey | bytes,
    *,
    entries: Sequence[dict[str, Any]] = (),
    timestamps: Sequence[bytes] = (),
) -> bytes:
    """Return a bundle.

    `signer` is the key, of which only a hint gets into the bundle, or the DER of a certificate. `entries` are log entries
    (signing.making.rekor), `timestamps` answers of timestamp authorities in DER (signing.making.timestamps).
    """
    material: dict[str, Any] = (
        {"publicKey": {"hint": signer.hint}}
        if isinstance(signer, SigningKey)
        else {"certificate": {"rawBytes": base64.b64encode(signer).decode()}}
    )
    if entries:
        material["tlogEntries"] = list(entries)
    if timestamps:
        stamped = [{"signedTimestamp": base64.b64encode(answer).decode()} for answer in timestamps]
        material["timestampVerificationData"] = {"rfc3161Timestamps": stamped}
    return compact({"mediaType": BUNDLE_TYPE, "verificationMaterial": material, "dsseEnvelope": envelope.document()})


def attach(subject: Subject, content: bytes, predicate_type: str, *, created: datetime) -> Made:
    """Make the referrer of a bundle whose statement is of this predicate type (SIGNED for signatures)."""
    annotations = {
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": predicate_type,
        CREATED: created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    config = empty_config(artifactType=BUNDLE_TYPE)
    return referrer(
        subject, Blob(BUNDLE_TYPE, content), config=config, artifact_type=BUNDLE_TYPE, annotations=annotations
    )
