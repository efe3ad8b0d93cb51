"""The key that signs the audit log's heads: Ed25519 (RFC 8032), derived from the installation's secret key.

The database holds nothing of it, not even the public half: whoever can write there can't make the log believe in another one.
"""

from __future__ import annotations

from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from registry.auth.sealing import SecretKey
from registry.core.audit_chain import Signature


class AuditKey:
    """Signs and verifies. It is the same on all nodes, for as long as the secret key is."""

    def __init__(self, secret: SecretKey) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(secret.audit_seed)
        self._public = self._private.public_key()
        self._kid = sha256(self._public.public_bytes_raw()).hexdigest()[:32]

    def sign(self, message: bytes) -> Signature:
        """Return the signature of a message."""
        return Signature(self._kid, self._private.sign(message))

    def verify(self, message: bytes, signature: Signature) -> bool:
        """Say whether this key has signed a message."""
        if signature.kid != self._kid:
            return False
        try:
            self._public.verify(signature.value, message)
        except InvalidSignature:
            return False
        return True
