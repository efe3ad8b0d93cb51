"""Requests that services sign (RFC 9421), with their bodies (RFC 9530).

A signature covers `@method` and `@target-uri`, and `content-digest` where there is a body, and says `created`, `nonce`, `keyid`
and `alg`. The whole URI rather than `@path` and `@query`, so that a request for one installation is none for another that knows
the same key: it is the external URL with the request's own path and query, as the client has written them. The nonce is used up
in PostgreSQL: that is the only place that all nodes ask.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NamedTuple

import http_sf
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from http_message_signatures import (
    HTTPMessageSignaturesException,
    HTTPMessageVerifier,
    HTTPSignatureAlgorithm,
    MappingKeyResolver,
)
from http_message_signatures.algorithms import ECDSA_P256_SHA256, ED25519

from registry.core.access import Caller, Credential, CredentialKind
from registry.core.service_keys import PublicKey
from registry.db import service_keys
from registry.db.pool import Connection, Database
from registry.db.service_keys import ServiceKeyRow
from registry.errors import SignatureInvalid

WINDOW: Final = 300
"""Seconds by which `created` may be away from now."""

_ALGORITHMS: Final[Mapping[str, type[HTTPSignatureAlgorithm]]] = {
    "ed25519": ED25519,
    "ecdsa-p256-sha256": ECDSA_P256_SHA256,
}
_COVERED: Final = frozenset(("@method", "@target-uri"))
_DIGEST: Final = "content-digest"
_PARAMETERS: Final = frozenset(("created", "nonce", "keyid", "alg"))
_LONGEST: Final = 2048  # characters of a header
_LONGEST_NONCE: Final = 128
_NO_BODY: Final = hashlib.sha256().digest()


class PublicKeyUnfit(ValueError):
    """A text that is no public key by which requests can be verified; the message says what is one."""


class Signed(NamedTuple):
    """Whose request it is, and by which key that is known."""

    caller: Caller
    key_id: str


class _Claim(NamedTuple):
    """What a signature says of itself."""

    covered: frozenset[str]
    created: int
    nonce: str
    keyid: str
    alg: str


@dataclass(frozen=True, slots=True)
class _Message:
    """A request in the shape that the library reads."""

    method: str
    url: str
    headers: Mapping[str, str]


class _Verifier(HTTPMessageVerifier):
    max_clock_skew = timedelta(seconds=WINDOW)


class RequestSignatures:
    """Verifies signed requests."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def verify(self, method: str, target: str, headers: Mapping[str, str], body_digest: bytes | None) -> Signed:
        """Return whose request this is; each is taken once. Raise SignatureInvalid.

        `target` is an absolute URI; `headers` are by lower-case names, a header given twice joined by a comma. `body_digest` is
        the SHA-256 of the body, None where there is none.
        """
        claim = _read(headers, has_body=body_digest is not None)
        _require_digest(headers, body_digest or _NO_BODY)
        row = await self._db.read("find_service_key", lambda conn: service_keys.find(conn, claim.keyid))
        if row is None or row.algorithm != claim.alg:
            raise SignatureInvalid("is by a key that is not known here, expired or revoked, or by another algorithm")
        _require_signature(_Message(method, target, headers), claim, row)

        async def use(conn: Connection) -> bool:
            return await service_keys.use_nonce(conn, claim.keyid, claim.nonce, created=claim.created, window=WINDOW)

        if not await self._db.statement("use_nonce", use):
            raise SignatureInvalid("has been used before, or is too old")
        return Signed(
            Caller(row.principal_id, row.principal, credential=Credential(CredentialKind.SIGNATURE, claim.keyid)),
            claim.keyid,
        )


def read_public_key(pem: bytes) -> PublicKey:
    """Return a public key in PEM; its id is the SHA-256 of its DER in hexadecimal. Raise PublicKeyUnfit."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise PublicKeyUnfit("this is no public key in PEM (`openssl pkey -in KEY -pubout`)") from None
    if isinstance(key, ed25519.Ed25519PublicKey):
        algorithm = "ed25519"
    elif isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        algorithm = "ecdsa-p256-sha256"
    else:
        raise PublicKeyUnfit("requests are signed by Ed25519 or by ECDSA on P-256; this key is of another kind")
    content = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    key_id = hashlib.sha256(content).hexdigest()
    return PublicKey(key_id, algorithm, content)


def _read(headers: Mapping[str, str], *, has_body: bool) -> _Claim:
    """Return what the one signature says, if it says all that is needed and nothing else."""
    if "signature" not in headers or "signature-input" not in headers:
        raise SignatureInvalid("is missing (RFC 9421: Signature-Input and Signature)")
    members = list(_dictionary(headers, "signature-input").values())
    if len(members) != 1 or len(_dictionary(headers, "signature")) != 1:
        raise SignatureInvalid("is not the only one; sign once")
    components, parameters = members[0]
    if not isinstance(components, list):
        raise SignatureInvalid("covers no list of components")
    if set(parameters) != _PARAMETERS:
        raise SignatureInvalid(f"has other parameters than {', '.join(sorted(_PARAMETERS))}")
    covered = _covered(components)
    needed = _COVERED | {_DIGEST} if has_body or _DIGEST in headers else _COVERED
    if not needed <= covered:
        raise SignatureInvalid(f"does not cover {', '.join(sorted(needed - covered))}")
    claim = _Claim(covered, **parameters)
    if type(claim.created) is not int or not all(type(text) is str for text in (claim.nonce, claim.keyid, claim.alg)):
        raise SignatureInvalid("has a parameter of the wrong type")
    if claim.alg not in _ALGORITHMS:
        raise SignatureInvalid(f"is by none of {', '.join(_ALGORITHMS)}")
    if not 0 < len(claim.nonce) <= _LONGEST_NONCE or not 0 <= claim.created < 1 << 40:
        raise SignatureInvalid(f"has a nonce that is not of 1 to {_LONGEST_NONCE} characters, or an impossible time")
    return claim


def _covered(components: list[Any]) -> frozenset[str]:
    """Return the components' names. Fields may be covered beside those needed, but each whole, once, and as it was sent."""
    names = [name for name, parameters in components if isinstance(name, str) and not parameters]
    if len(names) != len(components) or len(set(names)) != len(names):
        raise SignatureInvalid("covers a component twice, or by parameters")
    if any(name.startswith("@") and name not in {*_COVERED, "@authority"} for name in names):
        raise SignatureInvalid("covers a derived component other than @method, @target-uri and @authority")
    return frozenset(names)


def _require_digest(headers: Mapping[str, str], expected: bytes) -> None:
    if _DIGEST not in headers:
        return
    digests = _dictionary(headers, _DIGEST)
    found, parameters = digests.get("sha-256", (None, None))
    if len(digests) != 1 or not isinstance(found, bytes) or parameters:
        raise SignatureInvalid("covers a Content-Digest that is not one of sha-256 alone")
    if not hmac.compare_digest(found, expected):
        raise SignatureInvalid("covers another body than was received")


def _require_signature(message: _Message, claim: _Claim, row: ServiceKeyRow) -> None:
    key: Any = serialization.load_der_public_key(row.public_key)
    verifier = _Verifier(
        signature_algorithm=_ALGORITHMS[row.algorithm],
        key_resolver=MappingKeyResolver(public_keys={claim.keyid: key}, private_keys={}),
    )
    try:
        verifier.verify(message, max_age=timedelta(0))
    except HTTPMessageSignaturesException:
        raise SignatureInvalid(
            f"is not that of this request by this key, or was not made within {WINDOW} seconds; it covers the external URL"
        ) from None


def _dictionary(headers: Mapping[str, str], name: str) -> dict[str, Any]:
    """Return the members of a dictionary (RFC 9651) with their parameters. Raise SignatureInvalid, for a key twice, too."""

    def refuse(key: str, _context: str) -> None:
        raise SignatureInvalid(f"is unclear: {name} has {key} twice")

    try:
        value = headers[name].encode("ascii")
        parsed = http_sf.parse(value, tltype="dictionary", on_duplicate_key=refuse) if len(value) <= _LONGEST else None
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise SignatureInvalid(f"can't be read: {name} is no dictionary of RFC 9651, or too long")
    return parsed
