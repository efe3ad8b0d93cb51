from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from signing.keys import PublicKey
from signing.private_keys import (
    SigningKey,
    UnusableKey,
    WrongPassphrase,
    new_signing_key,
    read_signing_key,
    seal_signing_key,
)

DATA = Path(__file__).parent / "data" / "cosign"
KEYS = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
}


def pem(key: Any, form: PrivateFormat = PrivateFormat.PKCS8, passphrase: bytes | None = None) -> bytes:
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, form, encryption)


def public(key: SigningKey) -> bytes:
    return PublicKey.parse(key.public_pem).der


@pytest.mark.parametrize("kind", KEYS)
def test_every_kind_is_read_from_every_form(kind: str) -> None:
    key = KEYS[kind]()
    expected = SigningKey(key).public_der
    forms = [pem(key), pem(key, passphrase=b"secret"), seal_signing_key(SigningKey(key), b"secret")]
    if kind != "Ed25519":
        forms += [pem(key, PrivateFormat.TraditionalOpenSSL), pem(key, PrivateFormat.TraditionalOpenSSL, b"secret")]
    for form in forms:
        assert public(read_signing_key(form, b"secret")) == expected


@pytest.mark.parametrize("kind", KEYS)
def test_what_a_key_signs_its_public_key_verifies(kind: str) -> None:
    key = SigningKey(KEYS[kind]())
    signature = key.sign(b"content")
    assert PublicKey.parse(key.public_pem).has_signed(b"content", signature)
    assert not PublicKey.parse(key.public_pem).has_signed(b"other", signature)


@pytest.mark.parametrize("name", ["cosign.key", "empty-passphrase.key"])
def test_what_cosign_has_encrypted_is_read(name: str) -> None:
    passphrase = b"" if name.startswith("empty") else b"secret"
    key = read_signing_key((DATA / name).read_bytes(), passphrase)
    assert key.public_pem == (DATA / name.replace(".key", ".pub")).read_bytes()


def test_what_is_sealed_without_a_passphrase_asks_for_an_empty_one() -> None:
    sealed = seal_signing_key(new_signing_key(), b"")
    assert read_signing_key(sealed, b"")
    with pytest.raises(WrongPassphrase, match="give its passphrase"):
        read_signing_key(sealed)


@pytest.mark.parametrize("passphrase", [None, b"", b"other", "schlüssel".encode()])
def test_with_another_passphrase_it_is_refused(passphrase: bytes | None) -> None:
    key = new_signing_key()
    traditional = pem(key.private, PrivateFormat.TraditionalOpenSSL, b"secret")
    for form in (seal_signing_key(key, b"secret"), pem(key.private, passphrase=b"secret"), traditional):
        with pytest.raises(WrongPassphrase):
            read_signing_key(form, passphrase)


def test_a_passphrase_that_is_not_needed_is_not_used() -> None:
    key = new_signing_key()
    assert read_signing_key(pem(key.private), b"secret").public_der == key.public_der


SEALED = seal_signing_key(new_signing_key(), b"secret")


def sealed(**changes: Any) -> bytes:
    lines = SEALED.decode().splitlines()
    document = json.loads(base64.b64decode("".join(lines[1:-1])))
    for path, value in changes.items():
        *steps, last = path.split("__")
        place = document
        for step in steps:
            place = place[step]
        place[last] = value
    body = base64.b64encode(json.dumps(document).encode()).decode()
    return f"{lines[0]}\n{body}\n{lines[-1]}\n".encode()


REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "no private key in PEM"),
    "text": (b"secret", "no private key in PEM"),
    "too-large": (b"x" * (65 << 10), "larger than"),
    "public-key": (new_signing_key().public_pem, "but PUBLIC KEY"),
    "two-keys": (pem(KEYS["P-256"]()) + pem(KEYS["P-256"]()), "2 private keys"),
    "truncated": (pem(KEYS["RSA"]())[:400] + b"\n-----END PRIVATE KEY-----\n", "not whole"),
    "no-key-inside": (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "not whole"),
    "curve-secp256k1": (pem(ec.generate_private_key(ec.SECP256K1())), "curve secp256k1"),
    "RSA-1024": (pem(rsa.generate_private_key(65537, 1024)), "1024 bits"),
    "DSA": (pem(dsa.generate_private_key(1024)), "not supported"),
    "X25519": (pem(x25519.X25519PrivateKey.generate()), "not supported"),
    "sealed-no-base64": (
        b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n!\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n",
        "base64 is broken",
    ),
    "sealed-no-json": (
        b"-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED COSIGN PRIVATE KEY-----\n",
        "JSON is of another form",
    ),
    "sealed-by-another-cipher": (sealed(cipher__name="aes"), "not supported"),
    "sealed-by-another-derivation": (sealed(kdf__name="argon2"), "not supported"),
    "sealed-at-any-cost": (sealed(kdf__params__N=1 << 30), "parameters of scrypt"),
    "sealed-in-more-parts": (sealed(kdf__params__p=1 << 20), "parameters of scrypt"),
    "sealed-with-a-short-nonce": (sealed(cipher__nonce="AAAA"), "another length"),
    "sealed-without-salt": (sealed(kdf__salt=""), "another length"),
    "sealed-text-altered": (sealed(ciphertext="AAAA" * 20), "can't be decrypted"),
}


@pytest.mark.parametrize(("content", "reason"), [pytest.param(*case, id=name) for name, case in REFUSED.items()])
def test_what_is_no_usable_key_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(UnusableKey, match=reason):
        read_signing_key(content, b"secret")
