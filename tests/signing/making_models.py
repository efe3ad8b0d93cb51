"""Signatures of OpenSSF model signing, as `model_signing verify` reads them. Source: see signing.model_signing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate

from signing.making.artifacts import compact
from signing.making.bundles import BUNDLE_TYPE
from signing.making.envelopes import STATEMENT_TYPE, Envelope
from signing.model_signing import PREDICATE_TYPE
from signing.private_keys import SigningKey, UnusableKey


def files_statement(model: str, digests: Mapping[str, str]) -> bytes:
    """Return the statement of a model's files: SHA-256 in hexadecimal digits, by path within the model."""
    listed = sorted(digests.items(), key=lambda item: item[0].split("/"))
    resources = [{"name": path, "algorithm": "sha256", "digest": digest} for path, digest in listed]
    whole = hashlib.sha256(b"".join(bytes.fromhex(digest) for _, digest in listed)).hexdigest()
    serialization = {"method": "files", "hash_type": "sha256", "allow_symlinks": False}
    return compact(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": model, "digest": {"sha256": whole}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": {"serialization": serialization, "resources": resources},
        }
    )


def files_bundle(envelope: Envelope, key: SigningKey, chain: Sequence[Certificate] = ()) -> bytes:
    """Return the bundle of a sealed statement by a key, or by its certificate and those above it.

    Raise UnusableKey where the key is not ECDSA. Keyless signatures are bundles as others are (signing.making.bundles).
    """
    if not isinstance(key.private, ec.EllipticCurvePrivateKey):
        raise UnusableKey("is not ECDSA, the only kind that model signing takes")
    certificates = [{"rawBytes": base64.b64encode(each.public_bytes(Encoding.DER)).decode()} for each in chain]
    signer: dict[str, Any] = (
        {"x509CertificateChain": {"certificates": certificates}}
        if chain
        # Other bundles have the hash of the key's DER here.
        else {"publicKey": {"hint": hashlib.sha256(key.public_pem).hexdigest()}}
    )
    material = {**signer, "tlogEntries": []}
    return compact({"mediaType": BUNDLE_TYPE, "verificationMaterial": material, "dsseEnvelope": envelope.document()})
