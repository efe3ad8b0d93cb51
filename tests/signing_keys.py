"""Keys to sign with, as files."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from signing.private_keys import new_signing_key


class Pair(NamedTuple):
    """A private key, which no password protects, and its public half."""

    private: Path
    public: Path


def key_pair(directory: Path, name: str = "signer") -> Pair:
    key = new_signing_key()
    found = Pair(directory / f"{name}.key", directory / f"{name}.pub")
    found.private.write_bytes(key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    found.public.write_bytes(key.public_pem)
    return found
