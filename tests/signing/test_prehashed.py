"""Ed25519 signs pure or prehashed, and what is signed one way is nothing else."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.bindings import (
    crypto_sign_ed25519ph_final_create,
    crypto_sign_ed25519ph_state,
    crypto_sign_ed25519ph_update,
    crypto_sign_seed_keypair,
)

from signing.keys import PublicKey

# RFC 8032 §7.3
SEED = bytes.fromhex("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42")
PREHASHED = bytes.fromhex(
    "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae4131f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406"
)


@pytest.fixture
def key() -> PublicKey:
    private = ed25519.Ed25519PrivateKey.from_private_bytes(SEED)
    return PublicKey.parse(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def prehashed(content: bytes) -> bytes:
    state = crypto_sign_ed25519ph_state()
    crypto_sign_ed25519ph_update(state, content)
    return crypto_sign_ed25519ph_final_create(state, crypto_sign_seed_keypair(SEED)[1])


def test_ed25519_signs_pure_or_prehashed(key: PublicKey) -> None:
    assert key.has_signed(b"abc", ed25519.Ed25519PrivateKey.from_private_bytes(SEED).sign(b"abc"))
    assert prehashed(b"abc") == PREHASHED
    assert key.has_signed(b"abc", PREHASHED)


@pytest.mark.parametrize(
    ("content", "signature"),
    [
        (b"abd", PREHASHED),
        (b"abc", PREHASHED[:-1] + b"\0"),
        (b"abc", PREHASHED[:-1]),
        (b"abc", PREHASHED + b"\0"),
        (b"abc", b""),
        (b"abc", b"\0" * 64),
    ],
    ids=["other bytes", "altered", "shorter", "longer", "empty", "nothing but zeros"],
)
def test_a_prehashed_signature_is_of_the_very_bytes(key: PublicKey, content: bytes, signature: bytes) -> None:
    assert not key.has_signed(content, signature)
