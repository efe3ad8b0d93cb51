"""The installation's secret key (BLACKLAKE_SECRET_KEY_FILE): what the database keeps is of no use without it."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SIZE: Final = 32
"""Bytes of the key."""

_NONCE: Final = 12


class SecretKeyUnusable(ValueError):
    """The secret key is missing, unreadable, or not the one by which something was sealed; the message says what to do."""


class SecretKey:
    """Seals by AES-256-GCM (NIST SP 800-38D), and makes codes that nobody else can make (HMAC-SHA-256).

    Each purpose has a key of its own, derived by HKDF (RFC 5869).
    """

    def __init__(self, material: bytes) -> None:
        if len(material) != SIZE:
            raise SecretKeyUnusable(f"the secret key has {len(material)} bytes; it must have {SIZE}")
        self._sealing = AESGCM(_derived(material, b"seal"))
        self._codes = _derived(material, b"code")
        self._audit = _derived(material, b"audit")

    def seal(self, content: bytes, *, name: str) -> bytes:
        """Return `content` so that only this key opens it, and only under the same `name`."""
        nonce = os.urandom(_NONCE)
        return nonce + self._sealing.encrypt(nonce, content, name.encode())

    def open(self, sealed: bytes, *, name: str) -> bytes:
        """Return what was sealed. Raise SecretKeyUnusable where that was done by another key or under another name."""
        try:
            return self._sealing.decrypt(sealed[:_NONCE], sealed[_NONCE:], name.encode())
        except (InvalidTag, ValueError):
            raise SecretKeyUnusable(
                f"the secret key doesn't open {name}, which the database keeps; BLACKLAKE_SECRET_KEY_FILE must name the key"
                " by which it was sealed, the same on every node"
            ) from None

    @property
    def audit_seed(self) -> bytes:
        """Return the private key (RFC 8032 §5.1.5) of what signs the audit log."""
        return self._audit

    def code(self, message: bytes) -> bytes:
        """Return the code of a message; compare by hmac.compare_digest."""
        return hmac.digest(self._codes, message, "sha256")


def make_key_file(path: Path) -> None:
    """Make a key file (0600) unless there is one; half a file is never seen."""
    if path.exists():
        return
    new = path.with_suffix(".new")
    with open(new, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(base64.b64encode(secrets.token_bytes(SIZE)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)


def read_key(path: Path) -> SecretKey:
    """Return the key in a file: base64 of 32 bytes. Raise SecretKeyUnusable."""
    try:
        return SecretKey(base64.b64decode(path.read_bytes().strip(), validate=True))
    except OSError as error:
        raise SecretKeyUnusable(f"the secret key {path} can't be read: {error.strerror}") from None
    except (binascii.Error, SecretKeyUnusable):
        raise SecretKeyUnusable(
            f"{path} holds no secret key; make one by `openssl rand -base64 {SIZE} > {path}`, the same on every node"
        ) from None


def _derived(material: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), SIZE, salt=None, info=b"blacklake " + purpose).derive(material)
