"""Signatures of cosign before bundles: simple signing (`sha256-….sig`) and attestations (`sha256-….att`).

Each is a layer, whose annotations hold what proves it. sigstore/cosign specs/SIGNATURE_SPEC.md; pkg/oci/static/options.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.x509 import Certificate

from signing import certificates
from signing.authorities import Authority
from signing.certificates import InvalidCertificate
from signing.documents import Members, from_base64, read, unreadable
from signing.entries import Entry
from signing.evidence import Attached, Evidence
from signing.manifests import Layer, layers, must_be_attached
from signing.signers import Material, signer_of
from signing.statements import Envelope, Said
from signing.steps import Refused, Step
from signing.verified import SIGNED, Form, Rejected, Statement, Verified

SIMPLE_SIGNING: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
ENVELOPE: Final = "application/vnd.dsse.envelope.v1+json"
PAYLOAD_TYPE: Final = "cosign container image signature"
SIGNATURE: Final = "dev.cosignproject.cosign/signature"
CERTIFICATE: Final = "dev.sigstore.cosign/certificate"
CHAIN: Final = "dev.sigstore.cosign/chain"
LOG_ENTRY: Final = "dev.sigstore.cosign/bundle"
TIMESTAMP: Final = "dev.sigstore.cosign/rfc3161timestamp"


@dataclass(frozen=True, slots=True)
class SimpleSigning:
    """A signature of cosign's payload, which names the digest that is signed."""

    layer: Layer
    material: Material
    signed_digest: str
    payload_type: str

    form = Form.COSIGN

    @property
    def where(self) -> str:
        """Return the manifest and the layer."""
        return self.layer.where

    def verify(self, evidence: Evidence, authority: Authority, *, now: datetime) -> Verified:
        """Verify it by all steps. Raise Refused."""
        signer = signer_of(self.material, authority, now=now)
        must_be_attached(self.layer.attached, evidence)
        if self.signed_digest != evidence.digest:
            raise Refused(Step.SUBJECT, f"it signs {self.signed_digest[:160]}, not {evidence.digest}")
        if self.payload_type != PAYLOAD_TYPE:
            raise Refused(Step.STATEMENT, f"its payload is a {self.payload_type[:120]!r}, and no signature of an image")
        return signer.verified(authority, self.form, self.where, Statement(SIGNED))


@dataclass(frozen=True, slots=True)
class Attestation:
    """A DSSE envelope as a layer."""

    layer: Layer
    material: Material
    said: Said

    form = Form.COSIGN_ATTESTATION

    @property
    def where(self) -> str:
        """Return the manifest and the layer."""
        return self.layer.where

    def verify(self, evidence: Evidence, authority: Authority, *, now: datetime) -> Verified:
        """Verify it by all steps. Raise Refused."""
        signer = signer_of(self.material, authority, now=now)
        must_be_attached(self.layer.attached, evidence)
        self.said.must_speak_of(evidence)
        return signer.verified(authority, self.form, self.where, self.said.statement)


def read_signatures(attached: Attached) -> Iterator[SimpleSigning | Attestation | Rejected]:
    """Yield the signatures and attestations of a manifest, and as Rejected those that can't be read."""
    for layer in layers(attached):
        form = {SIMPLE_SIGNING: Form.COSIGN, ENVELOPE: Form.COSIGN_ATTESTATION}.get(layer.media_type)
        if form is None:
            continue
        try:
            yield _simple_signing(layer) if form is Form.COSIGN else _attestation(layer)
        except Refused as error:
            yield Rejected(layer.where, error.step.value, error.reason, form)


def _simple_signing(layer: Layer) -> SimpleSigning:
    payload = layer.content()
    critical = read(payload, "the payload").only("critical", "optional").object("critical")
    critical.only("identity", "image", "type")
    digest = critical.object("image").only("docker-manifest-digest").text("docker-manifest-digest")
    return SimpleSigning(layer, _material(layer, payload, _signature(layer)), digest, critical.text("type"))


def _signature(layer: Layer) -> bytes:
    signature = layer.annotation(SIGNATURE)
    if signature is None:
        raise unreadable(f"the layer has no annotation {SIGNATURE}: the signature was stripped")
    return from_base64(signature, "the signature")


def _attestation(layer: Layer) -> Attestation:
    content = layer.content()
    envelope = Envelope.parse(read(content, "the envelope"))
    material = _material(layer, envelope.signed, envelope.signature, envelope.payload, content)
    return Attestation(layer, material, Said.parse(envelope.payload))


def _material(
    layer: Layer, signed: bytes, signature: bytes, payload: bytes | None = None, envelope: bytes | None = None
) -> Material:
    entry, stamp = layer.annotation(LOG_ENTRY), layer.annotation(TIMESTAMP)
    certificate = _certificates(layer, CERTIFICATE)
    if len(certificate) > 1:
        raise unreadable(f"the annotation {CERTIFICATE} holds {len(certificate)} certificates; exactly one is read")
    return Material(
        signed,
        signature,
        certificate[0] if certificate else None,
        tuple(_certificates(layer, CHAIN)),
        entries=() if entry is None else (Entry.from_cosign(entry),),
        timestamps=() if stamp is None else (_timestamp(read(stamp, "the timestamp")),),
        payload=payload,
        envelope=envelope,
    )


def _certificates(layer: Layer, name: str) -> list[Certificate]:
    pem = layer.annotation(name)
    if pem is None:
        return []
    try:
        return certificates.from_pem(pem.encode())
    except InvalidCertificate as error:
        raise unreadable(f"the annotation {name} {error}") from None
    except UnicodeEncodeError:
        raise unreadable(f"the annotation {name} is no text") from None


def _timestamp(document: Members) -> bytes:
    return document.only("SignedRFC3161Timestamp").bytes("SignedRFC3161Timestamp")
