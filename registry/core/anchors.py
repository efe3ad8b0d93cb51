"""The public halves of the keys that sign what scanners say: by them anybody believes it, or does not."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime

from registry.db import scan_keys
from registry.db.pool import Database
from registry.db.scan_keys import ScanKeyRow


@dataclass(frozen=True, slots=True)
class Anchor:
    """A key; `kid` is the SHA-256 of its DER in base64, by which bundles name it. `jwk` is as of RFC 7517."""

    kid: str
    algorithm: str
    pem: str
    jwk: dict[str, str]
    signs_from: datetime
    revoked_at: datetime | None


class Anchors:
    """The verb of who verifies."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def listed(self) -> list[Anchor]:
        """Return all keys that ever signed, in the order in which they began to."""
        return [_anchor(row) for row in await self._db.read("list_scan_keys", scan_keys.all_of_them)]


def _anchor(row: ScanKeyRow) -> Anchor:
    from cryptography.hazmat.primitives.asymmetric import (
        ec,
    )  # it takes its time and memory: only who asks for keys does
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

    public = load_der_public_key(row.public_key)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    numbers = public.public_numbers()
    x, y = (urlsafe_b64encode(number.to_bytes(32, "big")).decode().rstrip("=") for number in (numbers.x, numbers.y))
    jwk = {"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": row.kid, "use": "sig", "alg": "ES256"}
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return Anchor(row.kid, "ES256", pem, jwk, row.signs_from, row.revoked_at)
