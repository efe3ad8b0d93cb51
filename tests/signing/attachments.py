"""Artifacts and what is attached to them, as cosign does it; every part may be made otherwise."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from signing.evidence import Attached, Evidence
from signing.verified import SIGNED
from tests.signing.services import PrivateKey, b64, compact, details, hint, pem, sign, spki

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
ENVELOPE_TYPE = "application/vnd.dsse.envelope.v1+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
ANNOTATIONS = {
    "signature": "dev.cosignproject.cosign/signature",
    "certificate": "dev.sigstore.cosign/certificate",
    "chain": "dev.sigstore.cosign/chain",
    "entry": "dev.sigstore.cosign/bundle",
    "timestamp": "dev.sigstore.cosign/rfc3161timestamp",
}


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def descriptor(content: bytes, media_type: str, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(content), "size": len(content), **more}


ARTIFACT = compact(
    {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "layers": [], "annotations": {"name": "the artifact"}}
)
OTHER = compact({"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "layers": [], "annotations": {"name": "another"}})
INDEX = compact({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [descriptor(ARTIFACT, MANIFEST_TYPE)]})


def evidence(*attached: Attached, content: bytes = ARTIFACT, media_type: str = MANIFEST_TYPE) -> Evidence:
    return Evidence(digest(content), media_type, content, attached)


def referrer(
    blob: bytes, media_type: str = BUNDLE_TYPE, *, subject: dict[str, Any] | None = None, annotations: Any = None
) -> Attached:
    """Attach a layer as a referrer."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": media_type,
        "config": descriptor(b"{}", "application/vnd.oci.empty.v1+json"),
        "layers": [descriptor(blob, media_type, **({"annotations": annotations} if annotations else {}))],
        "subject": subject or descriptor(ARTIFACT, MANIFEST_TYPE),
    }
    content = compact(manifest)
    return Attached("referrer", digest(content), MANIFEST_TYPE, content, {digest(blob): blob})


def tagged(*layers: tuple[bytes, str, dict[str, str]], suffix: str = "sig", content: bytes = ARTIFACT) -> Attached:
    """Attach layers by the tag of a digest."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": descriptor(b"{}", "application/vnd.oci.image.config.v1+json"),
        "layers": [descriptor(blob, media_type, annotations=annotations) for blob, media_type, annotations in layers],
    }
    made = compact(manifest)
    tag = digest(content).replace(":", "-") + f".{suffix}"
    return Attached(tag, digest(made), MANIFEST_TYPE, made, {digest(blob): blob for blob, _, _ in layers})


def simple_signing(signed: str | None = None, **changes: Any) -> bytes:
    critical = {
        "identity": {"docker-reference": "registry.example.com/team/model"},
        "image": {"docker-manifest-digest": signed or digest(ARTIFACT)},
        "type": "cosign container image signature",
    }
    return compact({"critical": critical | changes, "optional": None})


def signature_annotations(signature: bytes, **more: str) -> dict[str, str]:
    return {ANNOTATIONS[name]: value for name, value in {"signature": b64(signature), **more}.items()}


def signed_tag(key: PrivateKey, payload: bytes | None = None, **annotations: str) -> Attached:
    """Sign as cosign does without bundles."""
    payload = simple_signing() if payload is None else payload
    return tagged((payload, SIMPLE_SIGNING, signature_annotations(sign(key, payload), **annotations)))


def statement(predicate_type: str = SIGNED, predicate: Any = None, **changes: Any) -> bytes:
    stated = {
        "_type": STATEMENT_TYPE,
        "subject": [{"digest": {"sha256": digest(ARTIFACT).removeprefix("sha256:")}}],
        "predicateType": predicate_type,
        "predicate": {} if predicate is None else predicate,
    }
    return compact({name: value for name, value in (stated | changes).items() if value is not ...})


def pae(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    return b"DSSEv1 %d %s %d %s" % (len(payload_type), payload_type.encode(), len(payload), payload)


def envelope(key: PrivateKey, payload: bytes, payload_type: str = PAYLOAD_TYPE) -> dict[str, Any]:
    return {
        "payload": b64(payload),
        "payloadType": payload_type,
        "signatures": [{"sig": b64(sign(key, pae(payload, payload_type)))}],
    }


def bundle(
    key: PrivateKey,
    payload: bytes | None = None,
    *,
    certificate: x509.Certificate | None = None,
    **material: Any,
) -> dict[str, Any]:
    """Sign as cosign does with bundles."""
    signer = (
        {"publicKey": {"hint": hint(key)}}
        if certificate is None
        else {"certificate": {"rawBytes": b64(certificate.public_bytes(Encoding.DER))}}
    )
    return {
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": signer | material,
        "dsseEnvelope": envelope(key, statement() if payload is None else payload),
    }


def message_bundle(key: PrivateKey, content: bytes = ARTIFACT, **material: Any) -> dict[str, Any]:
    """Sign a manifest itself, as `cosign sign-blob` does a file."""
    return {
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": {"publicKey": {"hint": hint(key)}} | material,
        "messageSignature": {
            "messageDigest": {"algorithm": "SHA2_256", "digest": b64(hashlib.sha256(content).digest())},
            "signature": b64(sign(key, content)),
        },
    }


def stamped(*responses: bytes) -> dict[str, Any]:
    return {"rfc3161Timestamps": [{"signedTimestamp": b64(each)} for each in responses]}


def attach(document: dict[str, Any] | bytes, **more: Any) -> Attached:
    """Attach a bundle as a referrer."""
    return referrer(document if isinstance(document, bytes) else json.dumps(document).encode(), **more)


# Bodies of log entries


def signer_pem(key: PrivateKey, certificate: x509.Certificate | None) -> bytes:
    return pem(key) if certificate is None else certificate.public_bytes(Encoding.PEM)


def verifier(key: PrivateKey, certificate: x509.Certificate | None) -> dict[str, Any]:
    stated: dict[str, Any] = (
        {"publicKey": {"rawBytes": b64(spki(key))}}
        if certificate is None
        else {"x509Certificate": {"rawBytes": b64(certificate.public_bytes(Encoding.DER))}}
    )
    return stated | {"keyDetails": details(key)}


def hashedrekord(
    key: PrivateKey, signed: bytes, signature: bytes, certificate: x509.Certificate | None = None
) -> bytes:
    spec = {
        "data": {"hash": {"algorithm": "sha256", "value": hashlib.sha256(signed).hexdigest()}},
        "signature": {"content": b64(signature), "publicKey": {"content": b64(signer_pem(key, certificate))}},
    }
    return compact({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": spec})


def dsse(key: PrivateKey, document: dict[str, Any], certificate: x509.Certificate | None = None) -> bytes:
    signature = document["signatures"][0]["sig"]
    spec = {
        "envelopeHash": {"algorithm": "sha256", "value": hashlib.sha256(compact(document)).hexdigest()},
        "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(unpacked(document)).hexdigest()},
        "signatures": [{"signature": signature, "verifier": b64(signer_pem(key, certificate))}],
    }
    return compact({"apiVersion": "0.0.1", "kind": "dsse", "spec": spec})


def intoto(
    key: PrivateKey, document: dict[str, Any], content: bytes, certificate: x509.Certificate | None = None
) -> bytes:
    """Return an entry of the kind intoto 0.0.1, of the envelope's own bytes."""
    spec = {
        "content": {
            "hash": {"algorithm": "sha256", "value": hashlib.sha256(content).hexdigest()},
            "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(unpacked(document)).hexdigest()},
        },
        "publicKey": b64(signer_pem(key, certificate)),
    }
    return compact({"apiVersion": "0.0.1", "kind": "intoto", "spec": spec})


def intoto_2(key: PrivateKey, document: dict[str, Any], certificate: x509.Certificate | None = None) -> bytes:
    """Return an entry of the kind intoto 0.0.2, which encodes signature and signer once more."""
    signature = document["signatures"][0]["sig"]
    signatures = [{"publicKey": b64(signer_pem(key, certificate)), "sig": b64(signature.encode())}]
    spec = {
        "content": {
            "envelope": {"payloadType": document["payloadType"], "signatures": signatures},
            "hash": {"algorithm": "sha256", "value": hashlib.sha256(compact(document)).hexdigest()},
            "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(unpacked(document)).hexdigest()},
        }
    }
    return compact({"apiVersion": "0.0.2", "kind": "intoto", "spec": spec})


def hashedrekord_2(
    key: PrivateKey, signed: bytes, signature: bytes, certificate: x509.Certificate | None = None
) -> bytes:
    record = {
        "data": {"algorithm": "SHA2_256", "digest": b64(hashlib.sha256(signed).digest())},
        "signature": {"content": b64(signature), "verifier": verifier(key, certificate)},
    }
    return compact({"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": {"hashedRekordV002": record}})


def dsse_2(key: PrivateKey, document: dict[str, Any], certificate: x509.Certificate | None = None) -> bytes:
    record = {
        "payloadHash": {"algorithm": "SHA2_256", "digest": b64(hashlib.sha256(unpacked(document)).digest())},
        "signatures": [
            {"content": document["signatures"][0]["sig"], "verifier": verifier(key, certificate)},
        ],
    }
    return compact({"apiVersion": "0.0.2", "kind": "dsse", "spec": {"dsseV002": record}})


def unpacked(document: dict[str, Any]) -> bytes:
    return from_base64(document["payload"])


def from_base64(text: str) -> bytes:
    return base64.b64decode(text)
