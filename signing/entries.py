"""Entries of transparency logs, read; and whether an entry is of this very signature.

sigstore/protobuf-specs protos/sigstore_rekor.proto; sigstore/rekor pkg/types/{hashedrekord,dsse,intoto};
sigstore/rekor-tiles docs (hashedrekord and dsse 0.0.2).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Self

from signing import certificates
from signing.certificates import InvalidCertificate
from signing.documents import Members, from_base64, read, unreadable
from signing.keys import InvalidKey, PublicKey
from signing.roots import KEY_KINDS
from signing.steps import Refused, Step

MOST_ENTRIES: Final = 8
"""Log entries of one signature."""
MOST_HASHES: Final = 63
"""Hashes of a proof: one for each level of a tree."""
_ALGORITHMS: Final = {"sha256": "sha256", "sha384": "sha384", "sha512": "sha512"}
_ALGORITHMS_2: Final = {"SHA2_256": "sha256", "SHA2_384": "sha384", "SHA2_512": "sha512"}


@dataclass(frozen=True, slots=True)
class Proof:
    """That an entry is in the tree of a log (RFC 6962 §2.1.1), and the log's word for the tree's root."""

    index: int
    size: int
    root: bytes
    hashes: tuple[bytes, ...]
    checkpoint: str

    @classmethod
    def parse(cls, document: Members) -> Self:
        """Read an inclusion proof. Raise Refused. Zeros may be left out (proto3's JSON)."""
        document.only("logIndex", "rootHash", "treeSize", "hashes", "checkpoint")
        hashes = document.document.get("hashes", [])
        if not isinstance(hashes, list) or len(hashes) > MOST_HASHES:
            raise unreadable(f"hashes of {document.what} are no list of at most {MOST_HASHES}")
        return cls(
            document.number("logIndex", 0),
            document.number("treeSize"),
            document.bytes("rootHash"),
            tuple(from_base64(each, f"a hash of {document.what}") for each in hashes),
            document.object("checkpoint").only("envelope").text("envelope"),
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a log, as it comes with a signature."""

    index: int
    log_id: bytes
    kind: str
    version: str
    body: bytes
    integrated_at: int | None
    """Seconds since 1970; only the promise vouches for it."""
    promise: bytes | None
    proof: Proof | None

    @classmethod
    def parse(cls, document: Members) -> Self:
        """Read an entry of a bundle (dev.sigstore.rekor.v1.TransparencyLogEntry). Raise Refused."""
        document.only(
            "logIndex",
            "logId",
            "kindVersion",
            "integratedTime",
            "inclusionPromise",
            "inclusionProof",
            "canonicalizedBody",
        )
        kind = document.object("kindVersion").only("kind", "version")
        has_promise, has_proof = "inclusionPromise" in document, "inclusionProof" in document
        promise = document.object("inclusionPromise").only("signedEntryTimestamp") if has_promise else None
        return cls(
            document.number("logIndex", 0),
            document.object("logId").only("keyId").bytes("keyId"),
            kind.text("kind"),
            kind.text("version"),
            document.bytes("canonicalizedBody"),
            document.number("integratedTime", 0) or None,
            promise.bytes("signedEntryTimestamp") if promise else None,
            Proof.parse(document.object("inclusionProof")) if has_proof else None,
        )

    @classmethod
    def from_cosign(cls, annotation: str) -> Self:
        """Read the entry of cosign's annotation `dev.sigstore.cosign/bundle`. Raise Refused."""
        document = read(annotation, "the log entry").only("SignedEntryTimestamp", "Payload")
        payload = document.object("Payload").only("body", "integratedTime", "logIndex", "logID")
        log_id = payload.text("logID")
        body = payload.bytes("body")
        try:
            identifier = bytes.fromhex(log_id)
        except ValueError:
            raise unreadable("the log entry's logID is no hexadecimal number") from None
        if identifier.hex() != log_id:
            raise unreadable("the log entry's logID is not in lower case")
        kind = read(body, "the body of the log entry")
        return cls(
            payload.number("logIndex"),
            identifier,
            kind.text("kind"),
            kind.text("apiVersion"),
            body,
            payload.number("integratedTime"),
            document.bytes("SignedEntryTimestamp"),
            None,
        )


@dataclass(frozen=True, slots=True)
class Claim:
    """What an entry has to be of."""

    signed: bytes
    """The bytes that the signature is over."""
    signature: bytes
    key: PublicKey
    certificate: bytes | None = None
    """The signer's certificate in DER."""
    payload: bytes | None = None
    """Of a DSSE envelope what is in it."""
    envelope: bytes | None = None
    """And its own bytes, where they are known."""


def must_be_of(entry: Entry, claim: Claim) -> None:
    """Raise Refused where an entry is of another content, signature or signer."""
    readers = {
        ("hashedrekord", "0.0.1"): _hashedrekord,
        ("dsse", "0.0.1"): _dsse,
        ("intoto", "0.0.1"): _intoto,
        ("intoto", "0.0.2"): _intoto,
        ("hashedrekord", "0.0.2"): _hashedrekord_2,
        ("dsse", "0.0.2"): _dsse_2,
    }
    reader = readers.get((entry.kind, entry.version))
    if reader is None:
        raise Refused(Step.LOG, f"the log entry is a {entry.kind[:40]} {entry.version[:20]}, which is not read")
    body = read(entry.body, "the body of the log entry").only("apiVersion", "kind", "spec")
    if (body.text("kind"), body.text("apiVersion")) != (entry.kind, entry.version):
        raise Refused(Step.LOG, "the log entry is of another kind than its body")
    reader(body.object("spec"), claim)


def _hashedrekord(spec: Members, claim: Claim) -> None:
    spec.only("data", "signature")
    signature = spec.object("signature").only("content", "publicKey")
    _same_hash(spec.object("data").only("hash").object("hash"), claim.signed)
    _same_signature(signature.bytes("content"), claim)
    _same_signer_pem(signature.object("publicKey").only("content").bytes("content"), claim)


def _dsse(spec: Members, claim: Claim) -> None:
    spec.only("envelopeHash", "payloadHash", "signatures")
    if claim.payload is None:
        raise _other("content")
    _same_hash(spec.object("payloadHash"), claim.payload)
    signature = _only_one(spec.objects("signatures", MOST_ENTRIES)).only("signature", "verifier")
    _same_signature(signature.bytes("signature"), claim)
    _same_signer_pem(signature.bytes("verifier"), claim)


def _intoto(spec: Members, claim: Claim) -> None:
    """Compare an entry of the kind intoto: 0.0.2 holds signature and signer, 0.0.1 the hash of the whole envelope."""
    content = spec.only("content", "publicKey").object("content").only("envelope", "hash", "payloadHash")
    if claim.payload is None:
        raise _other("content")
    _same_hash(content.object("payloadHash"), claim.payload)
    if "envelope" in content:
        envelope = content.object("envelope").only("payloadType", "signatures", "payload")
        signature = _only_one(envelope.objects("signatures", MOST_ENTRIES)).only("publicKey", "sig", "keyid")
        # The log encodes once more what the envelope holds in base64.
        encoded = signature.bytes("sig").decode("ascii", "replace")
        _same_signature(from_base64(encoded, "the signature of the log entry"), claim)
        _same_signer_pem(signature.bytes("publicKey"), claim)
        return
    if claim.envelope is None:
        raise Refused(Step.LOG, "the log entry is an intoto 0.0.1, which names no signature")
    _same_hash(content.object("hash"), claim.envelope)
    _same_signer_pem(spec.bytes("publicKey"), claim)


def _hashedrekord_2(spec: Members, claim: Claim) -> None:
    record = spec.only("hashedRekordV002").object("hashedRekordV002").only("data", "signature")
    signature = record.object("signature").only("content", "verifier")
    _same_hash_2(record.object("data"), claim.signed)
    _same_signature(signature.bytes("content"), claim)
    _same_signer_der(signature.object("verifier"), claim)


def _dsse_2(spec: Members, claim: Claim) -> None:
    record = spec.only("dsseV002").object("dsseV002").only("payloadHash", "signatures")
    if claim.payload is None:
        raise _other("content")
    _same_hash_2(record.object("payloadHash"), claim.payload)
    signature = _only_one(record.objects("signatures", MOST_ENTRIES)).only("content", "verifier")
    _same_signature(signature.bytes("content"), claim)
    _same_signer_der(signature.object("verifier"), claim)


def _other(what: str) -> Refused:
    return Refused(Step.LOG, f"the log entry is of another {what}")


def _only_one(signatures: list[Members]) -> Members:
    if len(signatures) != 1:
        raise Refused(Step.LOG, f"the log entry holds {len(signatures)} signatures; exactly one is read")
    return signatures[0]


def _same_hash(stated: Members, content: bytes) -> None:
    algorithm = _ALGORITHMS[stated.only("algorithm", "value").one_of("algorithm", _ALGORITHMS)]
    if hashlib.new(algorithm, content).hexdigest() != stated.text("value"):
        raise _other("content")


def _same_hash_2(stated: Members, content: bytes) -> None:
    algorithm = _ALGORITHMS_2[stated.only("algorithm", "digest").one_of("algorithm", _ALGORITHMS_2)]
    if hashlib.new(algorithm, content).digest() != stated.bytes("digest"):
        raise _other("content")


def _same_signature(found: bytes, claim: Claim) -> None:
    if found != claim.signature:
        raise _other("signature")


def _same_signer_pem(pem: bytes, claim: Claim) -> None:
    """Compare a signer in PEM: the very certificate, or the key."""
    try:
        if b"BEGIN CERTIFICATE" in pem:
            found = certificates.from_pem(pem)
            if len(found) == 1:
                _same_signer(certificates.to_der(found[0]), PublicKey.of(found[0]), claim)
                return
        else:
            _same_signer(None, PublicKey.parse(pem), claim)
            return
    except (InvalidCertificate, InvalidKey):
        pass
    raise Refused(Step.LOG, "the log entry names a signer that can't be read")


def _same_signer_der(verifier: Members, claim: Claim) -> None:
    verifier.only("x509Certificate", "publicKey", "keyDetails")
    try:
        if "x509Certificate" in verifier:
            certificate = verifier.object("x509Certificate").only("rawBytes").bytes("rawBytes")
            key = PublicKey.of(certificates.from_der(certificate))
            _same_signer(certificate, key, claim)
        else:
            key = PublicKey.from_der(verifier.object("publicKey").only("rawBytes").bytes("rawBytes"))
            _same_signer(None, key, claim)
    except (InvalidCertificate, InvalidKey):
        raise Refused(Step.LOG, "the log entry names a signer that can't be read") from None
    if KEY_KINDS.get(verifier.text("keyDetails"), key.kind) != key.kind:
        raise Refused(Step.LOG, "the log entry names a kind of key that its signer's is not")


def _same_signer(certificate: bytes | None, key: PublicKey, claim: Claim) -> None:
    if key.der != claim.key.der or (claim.certificate is not None and certificate != claim.certificate):
        raise _other("signer")
