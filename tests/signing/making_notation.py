"""Signatures of the Notary Project as JWS, as notation writes them.

notaryproject/specifications specs/signature-specification.md (Storage), specs/signature-envelope-jws.md.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import Certificate

from signing.making.artifacts import CREATED, Blob, Made, Subject, compact, empty_config, referrer
from signing.notation import ARTIFACT_TYPE, PAYLOAD_TYPE
from signing.notation_attributes import EXPIRY, SCHEME, SIGNING_TIME, TIMESTAMP, Scheme
from signing.notation_certificates import algorithm_of, require_chain
from signing.notation_jws import MEDIA_TYPE
from signing.private_keys import SigningKey
from signing.steps import Refused

AGENT: Final = "io.cncf.notary.signingAgent"
THUMBPRINTS: Final = "io.cncf.notary.x509chain.thumbprint#S256"
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}


class UnusableChain(ValueError):
    """Certificates by which no signature verifies; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature of an artifact. Its bytes may be timestamped before it is attached."""

    subject: Subject
    protected: str
    payload: str
    signature: bytes
    chain: tuple[Certificate, ...]

    def envelope(self, timestamp: bytes | None = None) -> bytes:
        """Return the envelope, with a TimeStampToken of the signature (DER) where one is given."""
        header: dict[str, Any] = {
            "x5c": [base64.b64encode(item.public_bytes(Encoding.DER)).decode() for item in self.chain],
            AGENT: "Blacklake",
        }
        if timestamp is not None:
            header[TIMESTAMP] = base64.b64encode(timestamp).decode()
        return compact(
            {
                "payload": self.payload,
                "protected": self.protected,
                "header": header,
                "signature": _base64url(self.signature),
            }
        )

    def attach(self, *, created: datetime, timestamp: bytes | None = None) -> Made:
        """Make the manifest that refers to the artifact."""
        prints = [hashlib.sha256(item.public_bytes(Encoding.DER)).hexdigest() for item in self.chain]
        annotations = {THUMBPRINTS: json.dumps(prints, separators=(",", ":")), CREATED: _time(created)}
        layer = Blob(MEDIA_TYPE, self.envelope(timestamp))
        # The type is the config's alone, as notation has it.
        return referrer(
            self.subject, layer, config=empty_config(ARTIFACT_TYPE), artifact_type=None, annotations=annotations
        )


def sign(
    subject: Subject,
    key: SigningKey,
    chain: Sequence[Certificate],
    *,
    signed_at: datetime,
    expires_at: datetime | None = None,
) -> Signed:
    """Sign an artifact by the scheme `notary.x509`.

    `chain` starts with the key's certificate and ends with the self-signed root. Raise UnusableChain where it is not as Notary
    Project asks for (signing.notation_certificates), or not the key's.
    """
    algorithm = _algorithm(key, chain)
    protected = {
        "alg": algorithm,
        "cty": PAYLOAD_TYPE,
        "crit": [SCHEME, *([EXPIRY] if expires_at else [])],
        SCHEME: Scheme.X509.value,
        SIGNING_TIME: _time(signed_at),
    }
    if expires_at is not None:
        protected[EXPIRY] = _time(expires_at)
    encoded, payload = _base64url(compact(protected)), _base64url(compact({"targetArtifact": subject.descriptor()}))
    signature = _sign(key, algorithm, f"{encoded}.{payload}".encode())
    return Signed(subject, encoded, payload, signature, tuple(chain))


def _algorithm(key: SigningKey, chain: Sequence[Certificate]) -> str:
    if not chain:
        raise UnusableChain("The key has no certificates, and a signature of the Notary Project needs them.")
    if chain[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != key.public_der:
        raise UnusableChain("The first certificate is not the key's.")
    try:
        require_chain(chain)
        return algorithm_of(chain[0])
    except Refused as error:
        raise UnusableChain(f"The certificates can't be used: {error.reason}.") from None


def _sign(key: SigningKey, algorithm: str, content: bytes) -> bytes:
    used = _HASHES[algorithm[2:]]
    match key.private:
        case ec.EllipticCurvePrivateKey():
            size = (key.private.key_size + 7) // 8
            r, s = decode_dss_signature(key.private.sign(content, ec.ECDSA(used)))
            return r.to_bytes(size) + s.to_bytes(size)
        case rsa.RSAPrivateKey():
            return key.private.sign(content, padding.PSS(padding.MGF1(used), used.digest_size), used)
        case ed25519.Ed25519PrivateKey():
            raise UnusableChain("Ed25519 is not known to the Notary Project: use ECDSA or RSA.")


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
