"""Public keys and what they have signed.

A key goes with one algorithm, so that no signature can choose another: ECDSA over P-256 with SHA-256, P-384 with SHA-384 and
P-521 with SHA-512, in DER; Ed25519 (RFC 8032: pure, or Ed25519ph with no context, by which cosign signs artifacts; what is
signed by one is never a signature by the other); RSA of 2048 to 8192 bits with SHA-256, PKCS #1 v1.5 (or PSS where a form
says so). Source: sigstore/architecture-docs, algorithm-registry.md.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)
from cryptography.x509 import Certificate
from nacl.bindings import (
    crypto_sign_ed25519ph_final_verify,
    crypto_sign_ed25519ph_state,
    crypto_sign_ed25519ph_update,
)
from nacl.exceptions import CryptoError

SMALLEST_RSA: Final = 2048
LARGEST_RSA: Final = 8192
LARGEST_PEM: Final = 64 << 10  # bytes
_CURVES: Final[dict[str, HashAlgorithm]] = {"secp256r1": SHA256(), "secp384r1": SHA384(), "secp521r1": SHA512()}
_LABEL: Final = (b"-----BEGIN PUBLIC KEY-----", b"-----END PUBLIC KEY-----")


class InvalidKey(ValueError):
    """What is no public key of a kind that is taken."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key."""

    key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
    der: bytes
    """Its SubjectPublicKeyInfo."""

    @classmethod
    def parse(cls, pem: bytes) -> Self:
        """Read one PEM block `PUBLIC KEY` with nothing around it but white space. Raise InvalidKey."""
        text = pem.strip()
        if len(pem) > LARGEST_PEM or not text.startswith(_LABEL[0]) or not text.endswith(_LABEL[1]):
            raise InvalidKey("is no PEM of a public key: one block “PUBLIC KEY” and nothing else")
        if text.count(b"-----BEGIN") != 1:
            raise InvalidKey("holds several PEM blocks; give each key by itself")
        try:
            key = load_pem_public_key(text)
        except (ValueError, UnsupportedAlgorithm):
            raise InvalidKey("is no public key that can be read (PEM of SubjectPublicKeyInfo)") from None
        return cls._of(key)

    @classmethod
    def from_der(cls, der: bytes) -> Self:
        """Read a SubjectPublicKeyInfo. Raise InvalidKey, also where it is not DER."""
        try:
            loaded = load_der_public_key(der)
        except (ValueError, UnsupportedAlgorithm):
            raise InvalidKey("is no public key that can be read (SubjectPublicKeyInfo)") from None
        key = cls._of(loaded)
        if key.der != der:
            raise InvalidKey("is a public key that is not spelled in DER")
        return key

    @classmethod
    def of(cls, certificate: Certificate) -> Self:
        """Return a certificate's key. Raise InvalidKey."""
        try:
            key = certificate.public_key()
        except (ValueError, UnsupportedAlgorithm):
            raise InvalidKey("is a key that can't be read") from None
        return cls._of(key)

    @classmethod
    def _of(cls, key: object) -> Self:
        if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name not in _CURVES:
            raise InvalidKey(f"is a key of the curve {key.curve.name}; P-256, P-384 and P-521 are taken")
        if isinstance(key, rsa.RSAPublicKey) and not SMALLEST_RSA <= key.key_size <= LARGEST_RSA:
            raise InvalidKey(f"is an RSA key of {key.key_size} bits; {SMALLEST_RSA} to {LARGEST_RSA} are taken")
        if not isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey):
            raise InvalidKey("is a key of a kind that is not taken; ECDSA, Ed25519 and RSA are")
        return cls(key, key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 of its SubjectPublicKeyInfo, in hexadecimal."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def kind(self) -> str:
        """Return its kind, such as `ECDSA P-256` or `RSA 2048`."""
        if isinstance(self.key, ec.EllipticCurvePublicKey):
            return f"ECDSA P-{self.key.curve.key_size}"
        return "Ed25519" if isinstance(self.key, ed25519.Ed25519PublicKey) else f"RSA {self.key.key_size}"

    def has_signed(self, content: bytes, signature: bytes, *, is_pss: bool = False) -> bool:
        """Say whether a signature is this key's of the content, by the key's one algorithm.

        `is_pss` asks of an RSA key for PSS with SHA-256, MGF1 with SHA-256 and a salt as long as the hash.
        """
        try:
            if isinstance(self.key, ec.EllipticCurvePublicKey):
                self.key.verify(signature, content, ec.ECDSA(_CURVES[self.key.curve.name]))
            elif isinstance(self.key, ed25519.Ed25519PublicKey):
                return _is_ed25519(self.key, content, signature)
            elif is_pss:
                self.key.verify(signature, content, padding.PSS(padding.MGF1(SHA256()), SHA256.digest_size), SHA256())
            else:
                self.key.verify(signature, content, padding.PKCS1v15(), SHA256())
        except (InvalidSignature, ValueError):
            return False
        return True


def _is_ed25519(key: ed25519.Ed25519PublicKey, content: bytes, signature: bytes) -> bool:
    """Say whether a signature is pure Ed25519, or Ed25519ph, which `cryptography` does not know."""
    try:
        key.verify(signature, content)
    except InvalidSignature:
        state = crypto_sign_ed25519ph_state()
        crypto_sign_ed25519ph_update(state, content)
        try:
            return crypto_sign_ed25519ph_final_verify(state, signature, key.public_bytes_raw())
        except CryptoError:
            return False
    return True
