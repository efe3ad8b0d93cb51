"""Ask a transparency log to hold a signature: Rekor 1 (POST /api/v1/log/entries) and 2 (POST /api/v2/log/entries).

What is returned is a TransparencyLogEntry as a bundle has it (sigstore/protobuf-specs protos/sigstore_rekor.proto). Requests:
sigstore/rekor pkg/types (hashedrekord, dsse 0.0.1), sigstore/rekor-tiles CLIENTS.md; sigstore-go pkg/sign/transparency.go.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from mediatypes.documents import at
from signing.making.answers import InvalidAnswer, bytes_at, from_hex, number_at, read_object, text_at
from signing.making.artifacts import compact
from signing.making.envelopes import Envelope
from signing.private_keys import SigningKey, UnusableKey

PATH_1: Final = "/api/v1/log/entries"
PATH_2: Final = "/api/v2/log/entries"

Signer = SigningKey | x509.Certificate
Entry = dict[str, Any]
_DETAILS: Final = {
    "secp256r1": ("PKIX_ECDSA_P256_SHA_256", "sha256"),
    "secp384r1": ("PKIX_ECDSA_P384_SHA_384", "sha384"),
    "secp521r1": ("PKIX_ECDSA_P521_SHA_512", "sha512"),
}
_RSA: Final = (2048, 3072, 4096)


def envelope_request_1(envelope: Envelope, signer: Signer) -> bytes:
    """Return the request that Rekor 1 holds an envelope (dsse 0.0.1)."""
    proposed = {"envelope": compact(envelope.document()).decode(), "verifiers": [_base64(_pem(signer))]}
    return compact({"apiVersion": "0.0.1", "kind": "dsse", "spec": {"proposedContent": proposed}})


def signature_request_1(content: bytes, signature: bytes, signer: Signer) -> bytes:
    """Return the request that Rekor 1 holds a signature of bytes (hashedrekord 0.0.1)."""
    _, algorithm = _details(signer)
    spec = {
        "signature": {"content": _base64(signature), "publicKey": {"content": _base64(_pem(signer))}},
        "data": {"hash": {"algorithm": algorithm, "value": hashlib.new(algorithm, content).hexdigest()}},
    }
    return compact({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": spec})


def request_2(content: bytes, signature: bytes, signer: Signer) -> bytes:
    """Return the request that Rekor 2 holds a signature of bytes (hashedrekord 0.0.2).

    Of an envelope these are Envelope.signed_bytes.
    """
    details, algorithm = _details(signer)
    verifier: dict[str, Any] = (
        {"publicKey": {"rawBytes": _base64(signer.public_der)}}
        if isinstance(signer, SigningKey)
        else {"x509Certificate": {"rawBytes": _base64(signer.public_bytes(Encoding.DER))}}
    )
    request = {
        "digest": _base64(hashlib.new(algorithm, content).digest()),
        "signature": {"content": _base64(signature), "verifier": {**verifier, "keyDetails": details}},
    }
    return compact({"hashedRekordRequestV002": request})


def read_entry_1(content: bytes, signature: bytes) -> Entry:
    """Read the answer of Rekor 1, an entry under its identifier. Raise InvalidAnswer, also where it holds another signature."""
    document = read_object(content, "Rekor")
    entries = list(document.values())
    if len(entries) != 1:
        raise InvalidAnswer(f"Rekor has answered {len(entries)} entries instead of one")
    found = entries[0]
    proof = at(found, "/verification/inclusionProof")
    entry: Entry = {
        "logIndex": str(number_at(found, "/logIndex", "Rekor")),
        "logId": {"keyId": _base64(from_hex(text_at(found, "/logID", "Rekor"), "Rekor's log identifier"))},
        "kindVersion": _kind_of(found, "/body", signature),
        "integratedTime": str(number_at(found, "/integratedTime", "Rekor")),
        "inclusionPromise": {
            "signedEntryTimestamp": _base64(bytes_at(found, "/verification/signedEntryTimestamp", "Rekor"))
        },
        "canonicalizedBody": text_at(found, "/body", "Rekor"),
    }
    if proof is not None:
        hashes = proof.get("hashes") or [] if isinstance(proof, dict) else []
        entry["inclusionProof"] = {
            "logIndex": str(number_at(proof, "/logIndex", "Rekor")),
            "rootHash": _base64(from_hex(text_at(proof, "/rootHash", "Rekor"), "Rekor's root hash")),
            "treeSize": str(number_at(proof, "/treeSize", "Rekor")),
            "hashes": [_base64(from_hex(str(item), "a hash of Rekor's proof")) for item in hashes],
            "checkpoint": {"envelope": text_at(proof, "/checkpoint", "Rekor")},
        }
    return entry


def read_entry_2(content: bytes, signature: bytes) -> Entry:
    """Read the answer of Rekor 2, an entry as bundles have it. Raise InvalidAnswer, also where it holds another signature."""
    found = read_object(content, "Rekor")
    entry: Entry = {
        "logIndex": str(number_at({"logIndex": 0, **found}, "/logIndex", "Rekor")),
        "logId": {"keyId": _base64(bytes_at(found, "/logId/keyId", "Rekor"))},
        "kindVersion": _kind_of(found, "/canonicalizedBody", signature),
        "canonicalizedBody": text_at(found, "/canonicalizedBody", "Rekor"),
    }
    proof = at(found, "/inclusionProof")
    if not isinstance(proof, dict):
        raise InvalidAnswer("Rekor has answered without a proof that the log holds the signature")
    hashes = proof.get("hashes", [])
    entry["inclusionProof"] = {
        # What is zero or empty is left out of proto3's JSON, and some readers miss it then.
        "logIndex": str(number_at({"logIndex": 0, **proof}, "/logIndex", "Rekor")),
        "rootHash": _base64(bytes_at(proof, "/rootHash", "Rekor")),
        "treeSize": str(number_at(proof, "/treeSize", "Rekor")),
        "hashes": [text_at({"hash": item}, "/hash", "Rekor") for item in hashes] if isinstance(hashes, list) else [],
        "checkpoint": {"envelope": text_at(proof, "/checkpoint/envelope", "Rekor")},
    }
    return entry


def _kind_of(entry: object, pointer: str, signature: bytes) -> dict[str, str]:
    body = read_object(bytes_at(entry, pointer, "Rekor"), "Rekor's entry")
    held = (
        "/spec/signature/content",
        "/spec/hashedRekordV002/signature/content",
    )
    signatures = [at(body, place) for place in held]
    listed = at(body, "/spec/signatures")
    if isinstance(listed, list):
        signatures += [at(item, "/signature") for item in listed]
    if _base64(signature) not in signatures:
        raise InvalidAnswer("Rekor has answered an entry of another signature than the one it was given")
    return {"kind": text_at(body, "/kind", "Rekor"), "version": text_at(body, "/apiVersion", "Rekor")}


def _details(signer: Signer) -> tuple[str, str]:
    public = signer.private.public_key() if isinstance(signer, SigningKey) else signer.public_key()
    if isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name in _DETAILS:
        return _DETAILS[public.curve.name]
    if isinstance(public, rsa.RSAPublicKey) and public.key_size in _RSA:
        return f"PKIX_RSA_PKCS1V15_{public.key_size}_SHA256", "sha256"
    raise UnusableKey("is one whose signatures a log does not take: use ECDSA, or RSA of 2048, 3072 or 4096 bits")


def _pem(signer: Signer) -> bytes:
    return signer.public_pem if isinstance(signer, SigningKey) else signer.public_bytes(Encoding.PEM)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
