"""Sigstore bundles: one document with a signature and all that proves it.

sigstore/protobuf-specs protos/sigstore_bundle.proto; sigstore/cosign specs/BUNDLE_SPEC.md.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from cryptography.x509 import Certificate

from mediatypes.documents import at, parsed
from signing import certificates
from signing.authorities import Authority
from signing.certificates import InvalidCertificate
from signing.documents import Members, read, unreadable
from signing.entries import MOST_ENTRIES, Entry
from signing.evidence import Attached, Evidence
from signing.manifests import Layer, layers, must_be_attached
from signing.signers import Material, signer_of
from signing.statements import Envelope, Said
from signing.steps import Refused, Step
from signing.timestamps import MOST_TIMESTAMPS
from signing.verified import SIGNED, Form, Rejected, Statement, Verified

MEDIA_TYPES: Final = {
    "application/vnd.dev.sigstore.bundle+json;version=0.1": 1,
    "application/vnd.dev.sigstore.bundle+json;version=0.2": 2,
    "application/vnd.dev.sigstore.bundle+json;version=0.3": 3,
    "application/vnd.dev.sigstore.bundle.v0.3+json": 3,
}
"""Those of a bundle, with the version's last number."""
LAYER_TYPES: Final = ("application/vnd.dev.sigstore.bundle+json", "application/vnd.dev.sigstore.bundle.v")
_HASHES: Final = {"SHA2_256": "sha256", "SHA2_384": "sha384", "SHA2_512": "sha512"}


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle, read and not yet verified: of a statement, or of a message that stands elsewhere."""

    certificate: Certificate | None
    intermediates: tuple[Certificate, ...]
    hint: str | None
    entries: tuple[Entry, ...]
    timestamps: tuple[bytes, ...]
    envelope: Envelope | None
    message_digest: tuple[str, bytes] | None
    """Of a message: algorithm and hash, where they are stated."""
    signature: bytes

    @classmethod
    def parse(cls, content: bytes, *, takes_chain: bool = False) -> Self:
        """Read a bundle of version 0.1, 0.2 or 0.3. Raise Refused.

        `takes_chain` reads a chain of certificates in version 0.3 as well, where model signing has it.
        """
        document = read(content, "the bundle")
        document.only("mediaType", "verificationMaterial", "dsseEnvelope", "messageSignature")
        version = MEDIA_TYPES[document.one_of("mediaType", MEDIA_TYPES)]
        material = document.object("verificationMaterial").only(
            "certificate", "x509CertificateChain", "publicKey", "tlogEntries", "timestampVerificationData"
        )
        certificate, *intermediates = _certificates(material, takes_chain=takes_chain or version < 3) or [None]
        entries = tuple(Entry.parse(each) for each in material.objects("tlogEntries", MOST_ENTRIES))
        if version > 1 and any(entry.proof is None for entry in entries):
            raise unreadable("the bundle has a log entry without a proof of inclusion, which its version asks for")
        envelope, message = _content(document)
        digest = _message_digest(message) if message is not None and "messageDigest" in message else None
        return cls(
            certificate,
            tuple(each for each in intermediates if each is not None),
            _hint(material),
            entries,
            _timestamps(material),
            envelope,
            digest,
            envelope.signature if envelope else message.bytes("signature") if message else b"",
        )

    def material(self, message: bytes = b"") -> Material:
        """Return the signature with what proves it: of its own envelope, else of a message."""
        return Material(
            self.envelope.signed if self.envelope else message,
            self.signature,
            self.certificate,
            self.intermediates,
            self.hint,
            self.entries,
            self.timestamps,
            self.envelope.payload if self.envelope else None,
        )


def _content(document: Members) -> tuple[Envelope | None, Members | None]:
    if ("dsseEnvelope" in document) == ("messageSignature" in document):
        raise unreadable("the bundle has neither an envelope nor a message's signature, or both")
    if "dsseEnvelope" in document:
        return Envelope.parse(document.object("dsseEnvelope")), None
    return None, document.object("messageSignature").only("messageDigest", "signature")


def _message_digest(message: Members) -> tuple[str, bytes]:
    stated = message.object("messageDigest").only("algorithm", "digest")
    return _HASHES[stated.one_of("algorithm", _HASHES)], stated.bytes("digest")


def _certificates(material: Members, *, takes_chain: bool) -> list[Certificate | None]:
    given = [name for name in ("certificate", "x509CertificateChain", "publicKey") if name in material]
    if len(given) != 1:
        raise unreadable(f"the bundle names {len(given)} signers (certificate, chain or key); exactly one is read")
    if given == ["publicKey"]:
        return []
    if given == ["certificate"]:
        stated = [material.object("certificate")]
    elif not takes_chain:
        raise unreadable("the bundle has a chain of certificates, which its version replaces by one certificate")
    else:
        chain = material.object("x509CertificateChain").only("certificates")
        stated = chain.objects("certificates", certificates.LONGEST_CHAIN)
    if not stated:
        raise unreadable("the bundle has a chain without a certificate")
    try:
        return [certificates.from_der(each.only("rawBytes").bytes("rawBytes")) for each in stated]
    except InvalidCertificate as error:
        raise unreadable(f"a certificate of the bundle {error}") from None


def _hint(material: Members) -> str | None:
    if "publicKey" not in material:
        return None
    key = material.object("publicKey").only("hint")
    return key.text("hint") if "hint" in key else None


def _timestamps(material: Members) -> tuple[bytes, ...]:
    if "timestampVerificationData" not in material:
        return ()
    data = material.object("timestampVerificationData").only("rfc3161Timestamps")
    stated = data.objects("rfc3161Timestamps", MOST_TIMESTAMPS)
    return tuple(each.only("signedTimestamp").bytes("signedTimestamp") for each in stated)


@dataclass(frozen=True, slots=True)
class BundleSignature:
    """A bundle as a layer."""

    layer: Layer
    bundle: Bundle
    said: Said | None
    """What the statement says; None where the bundle signs the artifact's manifest itself."""

    form = Form.BUNDLE

    @property
    def where(self) -> str:
        """Return the manifest and the layer."""
        return self.layer.where

    def verify(self, evidence: Evidence, authority: Authority, *, now: datetime) -> Verified:
        """Verify it by all steps. Raise Refused."""
        signer = signer_of(self.bundle.material(evidence.content), authority, now=now)
        must_be_attached(self.layer.attached, evidence)
        if self.said is not None:
            self.said.must_speak_of(evidence)
            return signer.verified(authority, self.form, self.where, self.said.statement)
        algorithm, digest = self.bundle.message_digest or ("sha256", hashlib.sha256(evidence.content).digest())
        if hashlib.new(algorithm, evidence.content).digest() != digest:
            raise Refused(Step.SUBJECT, f"it signs the {algorithm} {digest.hex()[:128]}, not {evidence.digest}")
        return signer.verified(authority, self.form, self.where, Statement(SIGNED))


def read_bundles(attached: Attached) -> Iterator[BundleSignature | Rejected]:
    """Yield the bundles of a manifest, and as Rejected those that can't be read."""
    for layer in layers(attached):
        if not layer.media_type.startswith(LAYER_TYPES):
            continue
        try:
            content = layer.content()
            if predicate_type(content) in MODEL_SIGNING:
                continue
            bundle = Bundle.parse(content)
            said = Said.parse(bundle.envelope.payload) if bundle.envelope else None
        except Refused as error:
            yield Rejected(layer.where, error.step.value, error.reason, Form.BUNDLE)
            continue
        yield BundleSignature(layer, bundle, said)


def predicate_type(content: bytes) -> str | None:
    """Return the predicate type of a bundle's statement, without reading more of it; None where it has none."""
    payload = at(parsed(content), "/dsseEnvelope/payload")
    try:
        statement = parsed(base64.b64decode(payload, validate=True)) if isinstance(payload, str) else None
    except ValueError:
        return None
    found = at(statement, "/predicateType")
    return found if isinstance(found, str) else None


MODEL_SIGNING: Final = (
    "https://model_signing/signature/v1.0",
    "https://model_signing/Digests/v0.1",
)
"""Predicates whose subject is a model's files and no manifest; another form reads them."""
