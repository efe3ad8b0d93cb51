"""Signatures and attestations under tags, `sha256-….sig` and `sha256-….att`, as cosign up to 2 writes them.

Each tag is an image with a layer per signature, which a new one is added to: between reading it and pushing it another may
have done so as well, and the later push wins. sigstore/cosign pkg/oci/static, pkg/oci/mutate, pkg/cosign/bundle.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from mediatypes.manifest import InvalidManifest, parse_manifest
from signing.making.artifacts import MANIFEST_TYPE, Blob, Made, Subject, compact
from signing.making.envelopes import ENVELOPE_TYPE, Envelope

CONFIG_TYPE: Final = "application/vnd.oci.image.config.v1+json"
SIMPLE_SIGNING_TYPE: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE: Final = "dev.cosignproject.cosign/signature"
CERTIFICATE: Final = "dev.sigstore.cosign/certificate"
CHAIN: Final = "dev.sigstore.cosign/chain"
BUNDLE: Final = "dev.sigstore.cosign/bundle"
TIMESTAMP: Final = "dev.sigstore.cosign/rfc3161timestamp"
_NEVER: Final = "0001-01-01T00:00:00Z"


class ForeignTag(ValueError):
    """What stands under the tag is no image to which a layer can be added; the message completes “the tag …”."""


@dataclass(frozen=True, slots=True)
class Witnessed:
    """What goes with a signature: PEM of certificate and chain, a log entry (Rekor 1), an answer of a timestamp authority."""

    certificate: bytes | None = None
    chain: bytes | None = None
    entry: dict[str, Any] | None = None
    timestamp: bytes | None = None

    def annotations(self) -> dict[str, str]:
        """Return them as a layer is annotated."""
        found: dict[str, str] = {}
        if self.certificate is not None:
            found[CERTIFICATE] = self.certificate.decode()
        if self.chain is not None:
            found[CHAIN] = self.chain.decode()
        if self.entry is not None:
            found[BUNDLE] = compact(_promise(self.entry)).decode()
        if self.timestamp is not None:
            stamped = {"SignedRFC3161Timestamp": base64.b64encode(self.timestamp).decode()}
            found[TIMESTAMP] = compact(stamped).decode()
        return found


def simple_signing(subject: Subject, reference: str, annotations: dict[str, str] | None = None) -> bytes:
    """Return the payload that says that an artifact is signed; `reference` is `HOST/REPOSITORY`, without tag or digest."""
    critical = {
        "identity": {"docker-reference": reference},
        "image": {"docker-manifest-digest": subject.digest},
        "type": "cosign container image signature",
    }
    return compact({"critical": critical, "optional": annotations or None})


def add_signature(
    subject: Subject, payload: bytes, signature: bytes, witnessed: Witnessed, present: bytes | None
) -> Made:
    """Add a signature of `payload` (simple_signing) to the manifest under `….sig`, None where there is none yet.

    Raise ForeignTag.
    """
    annotations = {SIGNATURE: base64.b64encode(signature).decode(), **witnessed.annotations()}
    return _added(subject, "sig", Blob(SIMPLE_SIGNING_TYPE, payload), annotations, present)


def add_attestation(
    subject: Subject, envelope: Envelope, predicate_type: str, witnessed: Witnessed, present: bytes | None
) -> Made:
    """Add an attestation to the manifest under `….att`, None where there is none yet. Raise ForeignTag."""
    annotations = {SIGNATURE: "", "predicateType": predicate_type, **witnessed.annotations()}
    return _added(subject, "att", Blob(ENVELOPE_TYPE, compact(envelope.document())), annotations, present)


def tag_of(subject: Subject, suffix: str) -> str:
    """Return the tag under which signatures (`sig`) or attestations (`att`) of an artifact stand."""
    return f"{subject.digest.replace(':', '-')}.{suffix}"


def _promise(entry: dict[str, Any]) -> dict[str, Any]:
    log_id = base64.b64decode(entry["logId"]["keyId"]).hex()
    return {
        "SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
        "Payload": {
            "body": entry["canonicalizedBody"],
            "integratedTime": int(entry["integratedTime"]),
            "logIndex": int(entry["logIndex"]),
            "logID": log_id,
        },
    }


def _added(subject: Subject, suffix: str, blob: Blob, annotations: dict[str, str], present: bytes | None) -> Made:
    layers = [*_layers(present), blob.descriptor(annotations=annotations)]
    config = Blob(CONFIG_TYPE, _config([layer["digest"] for layer in layers]))
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config.descriptor(), "layers": layers}
    return Made(compact(manifest), (config, blob), subject, tag=tag_of(subject, suffix))


def _layers(present: bytes | None) -> list[dict[str, Any]]:
    if present is None:
        return []
    try:
        parse_manifest(present, MANIFEST_TYPE)
    except InvalidManifest as error:
        raise ForeignTag(f"holds no image manifest to which a signature can be added: it {error}") from None
    layers: list[dict[str, Any]] = json.loads(present).get("layers") or []
    return layers


def _config(layers: Sequence[str]) -> bytes:
    return compact(
        {
            "architecture": "",
            "created": _NEVER,
            "history": [{"created": _NEVER} for _ in layers],
            "os": "",
            "rootfs": {"type": "layers", "diff_ids": list(layers)},
            "config": {},
        }
    )
