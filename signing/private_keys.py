"""Keys to sign with: read from PEM, as cosign, OpenSSL and others write them; the algorithm follows from the key.

cosign's own form is a JSON document in PEM: scrypt derives the key of a NaCl secretbox (XSalsa20-Poly1305), in which there is
PKCS #8 (secure-systems-lab/go-securesystemslib, encrypted/encrypted.go; sigstore/cosign, pkg/cosign/keys.go).
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from binascii import Error as NotBase64
from dataclasses import dataclass
from typing import Final

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
)
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

LARGEST_KEY: Final = 64 << 10
"""Bytes of a file that holds a key."""
SMALLEST_RSA: Final = 2048
"""Bits of an RSA key."""

_BLOCK: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,64})-----\s(.*?)-----END \1-----", re.DOTALL)
_SEALED: Final = ("ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY")
_PLAIN: Final = ("PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY")
_COSTS: Final = (32768, 65536, 131072)
"""The costs N of scrypt that are in use; another would let a file ask for any amount of memory."""
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


class UnusableKey(ValueError):
    """What is given as a key to sign with is none; the message completes “the key …”."""


class WrongPassphrase(UnusableKey):
    """The key is encrypted, and the passphrase is missing or another."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key to sign with: ECDSA (P-256, P-384, P-521, each with the hash of its size), Ed25519, RSA (PKCS #1 v1.5, SHA-256)."""

    private: PrivateKey

    def sign(self, content: bytes) -> bytes:
        """Sign bytes. ECDSA signatures are in DER."""
        match self.private:
            case ec.EllipticCurvePrivateKey():
                return self.private.sign(content, ec.ECDSA(_HASHES[self.private.curve.name]))
            case rsa.RSAPrivateKey():
                return self.private.sign(content, padding.PKCS1v15(), hashes.SHA256())
            case ed25519.Ed25519PrivateKey():
                return self.private.sign(content)

    @property
    def kind(self) -> str:
        """Return the algorithm as Fulcio names it: `ECDSA`, `ED25519` or `RSA_PSS`."""
        match self.private:
            case ec.EllipticCurvePrivateKey():
                return "ECDSA"
            case rsa.RSAPrivateKey():
                return "RSA_PSS"
            case ed25519.Ed25519PrivateKey():
                return "ED25519"

    @property
    def public_der(self) -> bytes:
        """Return the public key as SubjectPublicKeyInfo in DER."""
        return self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def public_pem(self) -> bytes:
        """Return the public key as SubjectPublicKeyInfo in PEM."""
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def hint(self) -> str:
        """Return by which a bundle names the key: the SHA-256 of the public key's DER, in base64."""
        return base64.b64encode(hashlib.sha256(self.public_der).digest()).decode()


def new_signing_key() -> SigningKey:
    """Make a key (ECDSA, P-256), as cosign makes them and as keyless signatures use one once."""
    return SigningKey(ec.generate_private_key(ec.SECP256R1()))


def read_signing_key(content: bytes, passphrase: bytes | None = None) -> SigningKey:
    """Read a key: PKCS #8, encrypted or not; PKCS #1 and SEC 1, not encrypted; cosign's form, with the passphrase.

    A passphrase that is not needed is not used. Raise UnusableKey; WrongPassphrase where another passphrase would help.
    """
    if len(content) > LARGEST_KEY:
        raise UnusableKey(f"is larger than {LARGEST_KEY} bytes")
    label, body = _block(content)
    if label in _SEALED:
        return _usable(_der_key(_unsealed(_base64(body), passphrase)))
    return _usable(_pem_key(content, label, passphrase))


def seal_signing_key(key: SigningKey, passphrase: bytes) -> bytes:
    """Return a key as cosign writes it, `ENCRYPTED SIGSTORE PRIVATE KEY`, by a passphrase that may be empty."""
    salt, nonce = secrets.token_bytes(32), secrets.token_bytes(SecretBox.NONCE_SIZE)
    der = key.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    box = SecretBox(_derived(passphrase, salt, _COSTS[1]))
    sealed = _Sealed(
        kdf=_Kdf("scrypt", _Scrypt(_COSTS[1], 8, 1), base64.b64encode(salt).decode()),
        cipher=_Cipher("nacl/secretbox", base64.b64encode(nonce).decode()),
        ciphertext=base64.b64encode(box.encrypt(der, nonce).ciphertext).decode(),
    )
    text = base64.b64encode(msgspec.json.encode(sealed)).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {_SEALED[0]}-----", *lines, f"-----END {_SEALED[0]}-----", ""]).encode()


class _Scrypt(msgspec.Struct, frozen=True):
    cost: int = msgspec.field(name="N")
    r: int
    p: int


class _Kdf(msgspec.Struct, frozen=True):
    name: str
    params: _Scrypt
    salt: str


class _Cipher(msgspec.Struct, frozen=True):
    name: str
    nonce: str


class _Sealed(msgspec.Struct, frozen=True):
    kdf: _Kdf
    cipher: _Cipher
    ciphertext: str


def _block(content: bytes) -> tuple[str, bytes]:
    found = [(label.decode(), body) for label, body in _BLOCK.findall(content)]
    keys = [(label, body) for label, body in found if label in _SEALED + _PLAIN]
    if len(keys) == 1:
        return keys[0]
    if len(keys) > 1:
        raise UnusableKey(f"file holds {len(keys)} private keys; give one that holds one")
    labels = ", ".join(label for label, _ in found)
    raise UnusableKey(f"file holds no private key in PEM{f' but {labels}' if labels else ''}")


def _base64(text: bytes | str) -> bytes:
    joined = b"".join(text.split()) if isinstance(text, bytes) else text
    try:
        return base64.b64decode(joined, validate=True)
    except (NotBase64, ValueError):
        raise UnusableKey("is not whole: its base64 is broken") from None


def _unsealed(document: bytes, passphrase: bytes | None) -> bytes:
    try:
        sealed = msgspec.json.decode(document, type=_Sealed)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise UnusableKey("is not one that cosign has encrypted: its JSON is of another form") from None
    params = sealed.kdf.params
    if (sealed.kdf.name, sealed.cipher.name) != ("scrypt", "nacl/secretbox"):
        raise UnusableKey(f"is encrypted by {sealed.kdf.name:.40} and {sealed.cipher.name:.40}, which is not supported")
    if params.cost not in _COSTS or (params.r, params.p) != (8, 1):
        raise UnusableKey("is encrypted with parameters of scrypt that are not in use")
    salt, nonce, ciphertext = _base64(sealed.kdf.salt), _base64(sealed.cipher.nonce), _base64(sealed.ciphertext)
    if len(nonce) != SecretBox.NONCE_SIZE or not 8 <= len(salt) <= 64:
        raise UnusableKey("is not one that cosign has encrypted: nonce or salt are of another length")
    if passphrase is None:
        raise WrongPassphrase("is encrypted; give its passphrase")
    try:
        return SecretBox(_derived(passphrase, salt, params.cost)).decrypt(ciphertext, nonce)
    except (CryptoError, ValueError):
        raise WrongPassphrase("can't be decrypted with this passphrase") from None


def _derived(passphrase: bytes, salt: bytes, cost: int) -> bytes:
    return hashlib.scrypt(passphrase, salt=salt, n=cost, r=8, p=1, maxmem=cost * 2048, dklen=SecretBox.KEY_SIZE)


def _der_key(der: bytes) -> object:
    try:
        return load_der_private_key(der, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UnusableKey("is decrypted, but holds no private key in PKCS #8") from None


def _pem_key(content: bytes, label: str, passphrase: bytes | None) -> object:
    is_encrypted = label == "ENCRYPTED PRIVATE KEY" or b"Proc-Type: 4,ENCRYPTED" in content
    if is_encrypted and not passphrase:
        raise WrongPassphrase("is encrypted; give its passphrase")
    try:
        return load_pem_private_key(content, passphrase if is_encrypted else None)
    except UnsupportedAlgorithm:
        raise UnusableKey("is of an algorithm that is not supported: take ECDSA, Ed25519 or RSA") from None
    except (ValueError, TypeError):
        if is_encrypted:
            raise WrongPassphrase("can't be decrypted with this passphrase, or is not whole") from None
        raise UnusableKey("is not whole, or no private key") from None


def _usable(key: object) -> SigningKey:
    match key:
        case ec.EllipticCurvePrivateKey() if key.curve.name in _HASHES:
            return SigningKey(key)
        case ec.EllipticCurvePrivateKey():
            raise UnusableKey(f"is of the curve {key.curve.name}; take P-256, P-384 or P-521")
        case rsa.RSAPrivateKey() if key.key_size >= SMALLEST_RSA:
            return SigningKey(key)
        case rsa.RSAPrivateKey():
            raise UnusableKey(f"has {key.key_size} bits; RSA needs {SMALLEST_RSA} and more")
        case ed25519.Ed25519PrivateKey():
            return SigningKey(key)
        case _:
            raise UnusableKey("is of an algorithm that is not supported: take ECDSA, Ed25519 or RSA")
