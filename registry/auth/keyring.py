"""The keys that sign access tokens: kept in the database, published as a JWKS (RFC 7517), rotated without an outage.

A new key is published for PUBLISHED seconds before it signs, so that whoever fetches the set meanwhile knows it in time; the
key before it verifies until the last token that it signed has ended.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms
from jwt.utils import base64url_encode

from registry.auth.sealing import SecretKey
from registry.core.audit import REGISTRY, Action, Actor, Event, record
from registry.db import keys
from registry.db.keys import KeyRow, NewKey
from registry.db.pool import Connection, Database

PUBLISHED: Final = 300
"""Seconds for which a key is published before it signs."""

_FRESH: Final = 5.0  # seconds until the keys are looked at again
_PATIENCE: Final = 1.0  # seconds between looks for a key that nobody knows: whoever makes up names can't cause more

ALGORITHMS: Final[dict[str, Callable[[], Any]]] = {
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=3072),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}
"""What BLACKLAKE_TOKEN_ALGORITHM may be, and how a key of it is made."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key; it signs from `signs_from` (Unix time) on, until a later one does."""

    kid: str
    algorithm: str
    public: Any
    private: Any
    signs_from: float


class Keyring:
    """The keys, as of a few seconds ago at most."""

    def __init__(self, db: Database, secret: SecretKey, *, algorithm: str, longest: float) -> None:
        """Sign by `algorithm`. `longest` is for how many seconds a token is valid."""
        self._db = db
        self._secret = secret
        self._algorithm = algorithm
        self._longest = longest
        self._keys: dict[str, Key] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def signer(self) -> Key:
        """Return the key that signs now; the first of all is made here."""
        await self._look(_FRESH)
        now = time.time()
        signing = [key for key in self._keys.values() if key.signs_from <= now]
        if not signing and self._keys:  # nothing that is older verifies anything: there is nobody to wait for
            return min(self._keys.values(), key=lambda key: (key.signs_from, key.kid))
        if not signing:
            await self._make_first()
            return await self.signer()
        return max(signing, key=lambda key: (key.signs_from, key.kid))

    async def verifier(self, kid: str) -> Key | None:
        """Return the key that a token names; None where there is none such."""
        if kid not in self._keys or time.monotonic() - self._read_at >= _FRESH:  # asked for with every request
            await self._look(_FRESH if kid in self._keys else _PATIENCE)
        return self._keys.get(kid)

    async def listed(self) -> list[Key]:
        """Return the keys that sign or verify, in the order in which they begin to sign."""
        await self._look(0)
        return list(self._keys.values())

    async def published(self) -> dict[str, list[dict[str, Any]]]:
        """Return the JWKS."""
        await self._look(_FRESH)
        return {"keys": [_jwk(key) for key in self._keys.values()]}

    async def rotate(self, *, actor: Actor, now: bool = False) -> str:
        """Make a key and return its id. With `now` it signs at once and no other verifies any more, as after a leak."""
        new = self._made()

        async def add(conn: Connection) -> None:
            await keys.lock(conn)
            await keys.add(conn, new, delay=0 if now else PUBLISHED)
            await keys.retire_others(conn, new.kid, delay=0 if now else PUBLISHED + self._longest)
            await record(conn, _added(actor, new, now=now))

        await self._db.transaction("rotate_keys", add)
        self._read_at = float("-inf")
        return new.kid

    async def _make_first(self) -> None:
        new = self._made()

        async def add(conn: Connection) -> None:
            await keys.lock(conn)
            if not await keys.usable(conn):  # another node may have made it
                await keys.add(conn, new, delay=0)
                await record(conn, _added(REGISTRY, new, now=True))

        await self._db.transaction("make_first_key", add)
        self._read_at = float("-inf")

    def _made(self) -> NewKey:
        private = ALGORITHMS[self._algorithm]()
        kid = _thumbprint(private.public_key(), self._algorithm)
        content = private.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return NewKey(kid, self._algorithm, self._secret.seal(content, name=f"signing key {kid}"))

    async def _look(self, age: float) -> None:
        if time.monotonic() - self._read_at < age:
            return
        async with self._reading:
            asked_at = time.monotonic()
            if asked_at - self._read_at < age:  # somebody else has just looked
                return
            rows = await self._db.read("read_keys", keys.usable)
            self._keys = {row.kid: self._keys.get(row.kid) or self._opened(row) for row in rows}
            self._read_at = asked_at

    def _opened(self, row: KeyRow) -> Key:
        private = serialization.load_der_private_key(
            self._secret.open(row.sealed_key, name=f"signing key {row.kid}"), password=None
        )
        return Key(row.kid, row.algorithm, private.public_key(), private, row.signs_from.timestamp())


def _added(actor: Actor, new: NewKey, *, now: bool) -> Event:
    detail = {"algorithm": new.algorithm, "signs": "at once" if now else "later"}
    return Event(actor, Action.SIGNING_KEY_ADD, f"key:{new.kid}", detail=detail)


def _jwk(key: Key) -> dict[str, Any]:
    found = _members(key.public, key.algorithm)
    return found | {"kid": key.kid, "use": "sig", "alg": key.algorithm}


def _members(public: Any, algorithm: str) -> dict[str, Any]:
    found: dict[str, Any] = get_default_algorithms()[algorithm].to_jwk(public, as_dict=True)
    return {name: value for name, value in found.items() if name in ("kty", "crv", "x", "y", "n", "e")}


def _thumbprint(public: Any, algorithm: str) -> str:
    """Return the key's name: its thumbprint (RFC 7638)."""
    members = json.dumps(_members(public, algorithm), sort_keys=True, separators=(",", ":"))
    return base64url_encode(sha256(members.encode()).digest()).decode()
