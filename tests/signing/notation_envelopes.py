"""Envelopes of Notary Project signatures, put together by hand so that each part can be wrong."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate

from signing.evidence import Attached
from signing.making.artifacts import Blob, Made, Subject, empty_config, referrer
from tests.signing.chains import NOW, Chain

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
ARTIFACT = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "layers": []}).encode()
SUBJECT = Subject.of(ARTIFACT, MANIFEST)
SCHEME, TIME, AUTHENTIC, EXPIRY = (
    f"io.cncf.notary.{each}" for each in ("signingScheme", "signingTime", "authenticSigningTime", "expiry")
)
SIGNED_AT = NOW - timedelta(days=1)
JWS, COSE = "application/jose+json", "application/cose"
_DROPPED = object()


def drop() -> Any:
    """Say that a member is left out."""
    return _DROPPED


def merged(members: dict[Any, Any], changes: dict[Any, Any]) -> dict[Any, Any]:
    return {key: value for key, value in {**members, **changes}.items() if value is not _DROPPED}


def raw_signature(key: Any, content: bytes, digest: HashAlgorithm | None = None) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        used = digest or {2048: SHA256(), 3072: SHA384(), 4096: SHA512()}[key.key_size]
        return key.sign(content, padding.PSS(padding.MGF1(used), used.digest_size), used)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    used = digest or {256: SHA256(), 384: SHA384(), 521: SHA512()}[key.key_size]
    size = (key.key_size + 7) // 8
    r, s = decode_dss_signature(key.sign(content, ec.ECDSA(used)))
    return r.to_bytes(size) + s.to_bytes(size)


def der(certificates: Sequence[Certificate]) -> list[bytes]:
    return [each.public_bytes(Encoding.DER) for each in certificates]


def target(**changes: Any) -> bytes:
    return json.dumps({"targetArtifact": merged(SUBJECT.descriptor(), changes)}).encode()


def url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def jws(
    own: Chain,
    *,
    protected: dict[str, Any] | bytes | None = None,
    header: dict[str, Any] | None = None,
    envelope: dict[str, Any] | None = None,
    payload: bytes | None = None,
    key: Any = None,
    signature: bytes | None = None,
) -> bytes:
    """Return an envelope in JSON, in which members of the headers and of the whole are changed."""
    said = {
        "alg": "ES256",
        "cty": "application/vnd.cncf.notary.payload.v1+json",
        "crit": [SCHEME],
        SCHEME: "notary.x509",
        TIME: SIGNED_AT.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    first = protected if isinstance(protected, bytes) else json.dumps(merged(said, protected or {})).encode()
    encoded, body = url(first), url(target() if payload is None else payload)
    made = raw_signature(key or own.signer.key, f"{encoded}.{body}".encode()) if signature is None else signature
    x5c = [base64.b64encode(each).decode() for each in der(own.certificates)]
    whole = {
        "payload": body,
        "protected": encoded,
        "header": merged({"x5c": x5c}, header or {}),
        "signature": url(made),
    }
    return json.dumps(merged(whole, envelope or {})).encode()


def cose(
    own: Chain,
    *,
    protected: dict[Any, Any] | bytes | None = None,
    header: dict[Any, Any] | None = None,
    payload: bytes | None = None,
    signature: bytes | None = None,
    tag: int | None = 18,
) -> bytes:
    """Return an envelope in CBOR, in which members of the headers are changed."""
    said = {
        1: -7,
        2: [SCHEME],
        3: "application/vnd.cncf.notary.payload.v1+json",
        SCHEME: "notary.x509",
        TIME: cbor2.CBORTag(1, int(SIGNED_AT.timestamp())),
    }
    first = protected if isinstance(protected, bytes) else cbor2.dumps(merged(said, protected or {}))
    body = target() if payload is None else payload
    content = cbor2.dumps(["Signature1", first, b"", body])
    made = raw_signature(own.signer.key, content) if signature is None else signature
    parts = [first, merged({33: der(own.certificates)}, header or {}), body, made]
    return cbor2.dumps(parts if tag is None else cbor2.CBORTag(tag, parts))


def attach(envelope: bytes, media_type: str = JWS, subject: Subject = SUBJECT) -> Attached:
    """Return the manifest that holds an envelope, as it is gathered."""
    kind = "application/vnd.cncf.notary.signature"
    layer = Blob(media_type, envelope)
    return gathered(referrer(subject, layer, config=empty_config(kind), artifact_type=None, annotations={}))


def gathered(made: Made) -> Attached:
    blobs = {blob.digest: blob.content for blob in made.blobs}
    return Attached("referrer" if made.tag is None else made.tag, made.digest, made.media_type, made.content, blobs)
