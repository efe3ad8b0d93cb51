"""The keys that sign what scanners say: ECDSA on P-256, each sealed by the installation's secret key, rotated by people.

What an older key has signed stays true, so that its public half is told for ever; but not of one that has leaked.
"""

from __future__ import annotations

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from registry.auth.sealing import SecretKey
from registry.core.audit import REGISTRY, Action, Actor, Event, record
from registry.db import scan_keys
from registry.db.pool import Connection, Database
from registry.db.scan_keys import NewScanKey, ScanKeyRow
from signing.private_keys import SigningKey, new_signing_key


class ScanKeys:
    """The verbs of who signs and who rotates."""

    def __init__(self, db: Database, secret: SecretKey) -> None:
        self._db = db
        self._secret = secret

    async def signer(self) -> SigningKey:
        """Return the key that signs now; the first of all is made here. Raise SecretKeyUnusable, Unavailable."""
        row = await self._db.read("find_scan_key", scan_keys.signer)
        if row is None:
            await self._db.transaction("make_scan_key", self._add_first)
            return await self.signer()
        return self._opened(row)

    async def rotate(self, *, actor: Actor, now: bool = False) -> str:
        """Make a key that signs from now on, and return its id. With `now` the others are revoked, as after a leak."""
        new = self._made()

        async def add(conn: Connection) -> None:
            await scan_keys.lock(conn)
            await scan_keys.add(conn, new)
            if now:
                await scan_keys.revoke_others(conn, new.kid)
            detail = {"others": "revoked" if now else "stay"}
            await record(conn, Event(actor, Action.SCAN_KEY_ADD, f"key:{new.kid}", detail=detail))

        await self._db.transaction("rotate_scan_keys", add)
        return new.kid

    async def _add_first(self, conn: Connection) -> None:
        await scan_keys.lock(conn)
        if await scan_keys.signer(conn) is None:  # another node may have made it
            new = self._made()
            await scan_keys.add(conn, new)
            await record(conn, Event(REGISTRY, Action.SCAN_KEY_ADD, f"key:{new.kid}"))

    def _made(self) -> NewScanKey:
        key = new_signing_key()
        content = key.private.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return NewScanKey(key.hint, key.public_der, self._secret.seal(content, name=f"scan key {key.hint}"))

    def _opened(self, row: ScanKeyRow) -> SigningKey:
        content = self._secret.open(row.sealed_key, name=f"scan key {row.kid}")
        private = serialization.load_der_private_key(content, password=None)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        return SigningKey(private)
