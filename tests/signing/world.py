"""Who signs and who is trusted in the tests of signatures: one Sigstore, one key, one identity."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.x509 import RFC822Name

from signing.authorities import Authority, ChainAuthority, Identity, KeyAuthority, KeylessAuthority
from signing.evidence import Attached, Evidence
from signing.roots import TrustRoot
from signing.verification import Found, judge
from signing.verified import Rejected, Verified
from tests.signing import attachments as made
from tests.signing.services import NOW, PrivateKey, Sigstore, new_key, pem, sign

WHO = "release@example.com"
ISSUER = "https://accounts.example.com"


class World:
    """Makes what is signed well; a part may be given otherwise."""

    def __init__(self) -> None:
        self.sigstore = Sigstore()
        self.key = new_key()
        self.other_key = new_key()
        self.certificate = self.issue()

    # Who is trusted

    def keys(self, *keys: PrivateKey, **more: Any) -> KeyAuthority:
        return KeyAuthority("release", tuple(pem(key) for key in keys or (self.key,)), **more)

    def root(self, **changes: Any) -> TrustRoot:
        return TrustRoot.parse(self.sigstore.root(**changes))

    def keyless(self, identity: Identity | None = None, root: TrustRoot | None = None, **more: Any) -> KeylessAuthority:
        wanted = identity or Identity(identity=WHO, issuer=ISSUER)
        return KeylessAuthority("people", (wanted,), root or self.root(), **more)

    def chain(self, **more: Any) -> ChainAuthority:
        root = self.sigstore.authority.root.public_bytes(made.Encoding.PEM)
        return ChainAuthority("company", (root,), **more)

    # What is signed

    def issue(self, identity: x509.GeneralName | None = None, issuer: str | None = ISSUER, **more: Any) -> Any:
        return self.sigstore.authority.issue(self.key, identity or RFC822Name(WHO), issuer, **more)

    def keyless_bundle(
        self,
        payload: bytes | None = None,
        *,
        certificate: Any = None,
        body: bytes | None = None,
        entry: dict[str, Any] | None = None,
        **material: Any,
    ) -> dict[str, Any]:
        """Make a bundle with a certificate and an entry of the log."""
        certificate = certificate or self.certificate
        document = made.bundle(self.key, payload, certificate=certificate)
        if entry is None:
            body = body or made.dsse(self.key, document["dsseEnvelope"], certificate)
            entry = self.sigstore.log.entry(body)
        document["verificationMaterial"] |= {"tlogEntries": [entry]} | material
        return document

    def second_bundle(self, *, certificate: Any = None, **material: Any) -> dict[str, Any]:
        """Make a bundle with an entry of Rekor 2 and a timestamp."""
        certificate = certificate or self.certificate
        document = made.bundle(self.key, certificate=certificate)
        envelope = document["dsseEnvelope"]
        body = made.hashedrekord_2(self.key, made.pae(made.unpacked(envelope)), signature_of(document), certificate)
        document["verificationMaterial"] |= {
            "tlogEntries": [self.sigstore.second_log.entry(body)],
            "timestampVerificationData": made.stamped(self.sigstore.timestamps.stamp(signature_of(document))),
        } | material
        return document

    def stamped_bundle(self, response: bytes | None = None, *, certificate: Any = None) -> dict[str, Any]:
        """Make a bundle with a certificate and a timestamp, in no log."""
        document = made.bundle(self.key, certificate=certificate or self.certificate)
        response = response or self.sigstore.timestamps.stamp(signature_of(document))
        document["verificationMaterial"]["timestampVerificationData"] = made.stamped(response)
        return document

    def keyless_tag(
        self, payload: bytes | None = None, *, certificate: Any = None, entry: str | None = None
    ) -> Attached:
        """Make a layer of simple signing with a certificate and an entry of the log."""
        certificate = certificate or self.certificate
        payload = payload or made.simple_signing()
        signature = sign(self.key, payload)
        body = made.hashedrekord(self.key, payload, signature, certificate)
        annotations = made.signature_annotations(
            signature,
            certificate=certificate.public_bytes(made.Encoding.PEM).decode(),
            entry=entry or self.sigstore.log.cosign_entry(body),
        )
        return made.tagged((payload, made.SIMPLE_SIGNING, annotations))


def signature_of(document: dict[str, Any]) -> bytes:
    return made.from_base64(document["dsseEnvelope"]["signatures"][0]["sig"])


def judged(evidence: Evidence, authority: Authority, now: datetime = NOW) -> Found:
    return judge(evidence, authority, now=now)


def accepted(evidence: Evidence, authority: Authority, now: datetime = NOW) -> Verified:
    """Return the one signature of an artifact, which is verified."""
    found = judged(evidence, authority, now)
    assert not found.rejected, found.rejected
    assert len(found.verified) == 1
    return found.verified[0]


def rejected(evidence: Evidence, authority: Authority, now: datetime = NOW) -> Rejected:
    """Return the one signature of an artifact, which is rejected."""
    found = judged(evidence, authority, now)
    assert not found.verified, found.verified
    assert len(found.rejected) == 1
    return found.rejected[0]
