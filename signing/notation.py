"""Signatures of the Notary Project (notation), as JWS or COSE, by certificates of own authorities.

notaryproject/specifications specs/signature-specification.md, specs/trust-store-trust-policy.md (Signature Verification).
Revocation is not looked up: nothing here reaches a network.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.x509 import Certificate

from mediatypes.documents import at, parsed
from signing import certificates
from signing.authorities import Authority, ChainAuthority
from signing.certificates import Untrusted
from signing.documents import read, unreadable
from signing.evidence import Attached, Evidence
from signing.identities import identify, must_have_subject
from signing.keys import PublicKey
from signing.manifests import Layer, layers, must_be_attached
from signing.notation_attributes import Envelope, Scheme
from signing.notation_certificates import has_signed, require_algorithm, require_chain
from signing.notation_cose import MEDIA_TYPE as COSE
from signing.notation_cose import read_cose
from signing.notation_jws import MEDIA_TYPE as JWS
from signing.notation_jws import read_jws
from signing.signers import read_certificates, with_timestamps
from signing.steps import Refused, Step
from signing.timestamp_answers import as_response
from signing.timestamps import verify_timestamp
from signing.verified import SIGNED, Form, Rejected, Statement, Verified

ARTIFACT_TYPE: Final = "application/vnd.cncf.notary.signature"
PAYLOAD_TYPE: Final = "application/vnd.cncf.notary.payload.v1+json"
_READERS: Final = {JWS: read_jws, COSE: read_cose}
_DESCRIPTOR: Final = ("mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType")


@dataclass(frozen=True, slots=True)
class Target:
    """The descriptor of what is signed."""

    media_type: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class NotationSignature:
    """A signature of the Notary Project."""

    layer: Layer
    envelope: Envelope
    target: Target
    form: Form = Form.NOTATION

    @property
    def where(self) -> str:
        """Return the manifest and the layer that hold it."""
        return self.layer.where

    def verify(self, evidence: Evidence, authority: Authority, *, now: datetime) -> Verified:
        """Verify it by all steps (signing.steps). Raise Refused at the first that fails."""
        envelope, signer = self.envelope, self.envelope.chain[0]
        trusted = _must_be_trusted(envelope, authority)
        signed_at, until = _must_be_valid(envelope, trusted, now)
        if not has_signed(signer, envelope.algorithm, envelope.signed, envelope.signature):
            raise Refused(
                Step.SIGNATURE, "the signature is not one of these bytes by its certificate's key: they were altered"
            )
        must_be_attached(self.layer.attached, evidence)
        _must_be_of(self.target, evidence)
        must_have_subject(signer, trusted.authority.subjects)
        identify(signer, trusted.authority.identities, is_single=False)
        return Verified(
            form=self.form,
            where=self.where,
            statement=Statement(SIGNED),
            signer=f"{signer.subject.rfc4514_string()}, issued by {signer.issuer.rfc4514_string()}",
            key=PublicKey.of(signer).fingerprint,
            identity=signer.subject.rfc4514_string(),
            signed_at=signed_at,
            valid_until=until,
        )


def read_notation(attached: Attached) -> Iterator[NotationSignature | Rejected]:
    """Yield the signature of a manifest of Notary Project's type, or why it can't be read (see candidates.Reader)."""
    document = parsed(attached.content)
    if ARTIFACT_TYPE not in (at(document, "/artifactType"), at(document, "/config/mediaType")):
        return
    found = list(layers(attached))
    if len(found) != 1:
        reason = f"its manifest has {len(found)} layers, and a signature of the Notary Project is exactly one"
        yield Rejected(attached.digest, Step.READ.value, reason, Form.NOTATION)
        return
    try:
        yield _read(found[0])
    except Refused as error:
        yield Rejected(found[0].where, error.step.value, error.reason, Form.NOTATION)


def _read(layer: Layer) -> NotationSignature:
    reader = _READERS.get(layer.media_type)
    if reader is None:
        raise unreadable(f"its envelope is of the type {layer.media_type!r:.120}; {JWS} and {COSE} are read")
    envelope = reader(layer.content())
    if envelope.content_type != PAYLOAD_TYPE:
        raise unreadable(f"its payload is of the type {envelope.content_type!r:.120}; {PAYLOAD_TYPE} is read")
    payload = read(envelope.payload, "the payload").only("targetArtifact")
    target = payload.object("targetArtifact").only(*_DESCRIPTOR)
    return NotationSignature(
        layer, envelope, Target(target.text("mediaType"), target.text("digest"), target.number("size"))
    )


@dataclass(frozen=True, slots=True)
class _Trusted:
    """An authority that is trusted, and of which of its certificates a signature's chain has one."""

    authority: ChainAuthority
    anchor: Certificate


def _must_be_trusted(envelope: Envelope, authority: Authority) -> _Trusted:
    """Step 2: the chain is what Notary Project asks for, and holds a certificate that is trusted for its scheme."""
    if not isinstance(authority, ChainAuthority):
        raise Refused(
            Step.SIGNER,
            "it is a signature of the Notary Project, which certificates of own authorities verify; "
            f"{authority.name} trusts others",
        )
    require_chain(envelope.chain)
    require_algorithm(envelope.chain[0], envelope.algorithm)
    scheme = envelope.attributes.scheme
    if (scheme is Scheme.SIGNING_AUTHORITY) != authority.is_signing_authority:
        trusts = "is trusted" if authority.is_signing_authority else "is not trusted"
        raise Refused(
            Step.SIGNER,
            f"its scheme is {scheme}, and {authority.name} {trusts} as a signing authority, whose word on the time counts",
        )
    trusted = read_certificates(authority.certificates, authority.name)
    # A signer's certificate is trusted by itself only where no authority stands above it (trust store of the type ca).
    possible = envelope.chain if len(envelope.chain) == 1 else envelope.chain[1:]
    anchor = next((certificate for certificate in possible if certificate in trusted), None)
    if anchor is None:
        raise Refused(Step.SIGNER, f"no certificate of its chain is one that {authority.name} trusts")
    return _Trusted(authority, anchor)


def _must_be_valid(envelope: Envelope, trusted: _Trusted, now: datetime) -> tuple[datetime | None, datetime | None]:
    """Step 3: return when it was signed, as a trusted party witnesses, and when it stops to hold."""
    expires_at = envelope.attributes.expires_at
    if expires_at is not None and now >= expires_at:
        raise Refused(Step.TIME, f"it has expired at {expires_at:%Y-%m-%d %H:%M:%S}, as its signer has set")
    signed_at = _witnessed(envelope, trusted.authority, now)
    moment = signed_at or now
    for position, certificate in enumerate(envelope.chain, 1):
        if not certificates.is_valid_at(certificate, moment):
            when = "when it was signed" if signed_at else "and nobody who is trusted witnesses when it was signed"
            raise Refused(
                Step.TIME,
                f"certificate {position} of its chain is valid from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S} to "
                f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S}, not at {moment:%Y-%m-%d %H:%M:%S}, {when}",
            )
    try:
        certificates.verify_chain(envelope.chain[0], envelope.chain[1:], [trusted.anchor], at=moment, usage=None)
    except Untrusted as error:
        raise Refused(Step.SIGNER, f"its certificate is not trusted: {error}") from None
    ends = [certificate.not_valid_after_utc for certificate in envelope.chain if signed_at is None]
    return signed_at, min([*ends, *([expires_at] if expires_at else [])], default=None)


def _witnessed(envelope: Envelope, authority: ChainAuthority, now: datetime) -> datetime | None:
    if envelope.attributes.scheme is Scheme.SIGNING_AUTHORITY:
        if envelope.attributes.signed_at > now:
            raise Refused(
                Step.TIME,
                f"it says that it was signed at {envelope.attributes.signed_at:%Y-%m-%d %H:%M:%S}, which is to come",
            )
        return envelope.attributes.signed_at
    stamps = with_timestamps(authority).timestamp_authorities
    if envelope.timestamp is None or not stamps:
        return None
    return verify_timestamp(as_response(envelope.timestamp), envelope.signature, stamps)


def _must_be_of(target: Target, evidence: Evidence) -> None:
    """Step 6: the descriptor that is signed is the artifact's, wholly."""
    if target.digest != evidence.digest:
        raise Refused(Step.SUBJECT, f"it signs {target.digest:.160}, not {evidence.digest}")
    if target.media_type != evidence.media_type:
        raise Refused(
            Step.SUBJECT, f"it signs this digest as {target.media_type:.160}, and it is {evidence.media_type}"
        )
    if target.size != len(evidence.content):
        raise Refused(
            Step.SUBJECT, f"it signs this digest with {target.size} bytes, and it has {len(evidence.content)}"
        )
