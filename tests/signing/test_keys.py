"""Keys are read strictly, and verify by their one algorithm."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from signing.keys import InvalidKey, PublicKey
from tests.signing.services import new_key, pem, sign, spki


def refused(content: bytes) -> str:
    with pytest.raises(InvalidKey) as caught:
        PublicKey.parse(content)
    return str(caught.value)


def test_a_key_has_a_fingerprint_and_a_kind() -> None:
    key = new_key(ec.SECP384R1())
    read = PublicKey.parse(b"\n" + pem(key) + b" \n")
    assert read.fingerprint == hashlib.sha256(spki(key)).hexdigest()
    assert read.kind == "ECDSA P-384"


def test_a_signature_by_pss_is_one_where_a_form_says_so() -> None:
    key = rsa.generate_private_key(65537, 2048)
    read = PublicKey.parse(pem(key))
    by_pss = key.sign(b"x", padding.PSS(padding.MGF1(SHA256()), 32), SHA256())
    by_pkcs = sign(key, b"x")
    assert [read.has_signed(b"x", each, is_pss=True) for each in (by_pss, by_pkcs)] == [True, False]
    assert [read.has_signed(b"x", each) for each in (by_pss, by_pkcs)] == [False, True]


def test_other_kinds_are_refused() -> None:
    private = new_key()
    assert "is a key of a kind that is not taken" in refused(pem(ed448.Ed448PrivateKey.generate()))
    assert "is a key of a kind that is not taken" in refused(pem(dsa.generate_private_key(2048)))
    assert "secp224r1" in refused(pem(ec.generate_private_key(ec.SECP224R1())))
    assert "is no PEM" in refused(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert "is no PEM" in refused(spki(private))


def test_a_key_that_is_not_spelled_in_der_is_refused() -> None:
    key = new_key()
    compressed = key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    prefix = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200")
    with pytest.raises(InvalidKey, match="not spelled in DER"):
        PublicKey.from_der(prefix + compressed)


def test_pem_with_more_in_it_is_refused() -> None:
    key = pem(new_key())
    assert "is no PEM" in refused(b"words\n" + key)
    assert "is no PEM" in refused(key + b"words\n")
    assert "several PEM blocks" in refused(key + key)
    assert "is no public key that can be read" in refused(key.replace(b"MFkw", b"MFkx"))
    assert "is no PEM" in refused(key + b" " * (64 << 10))
