"""Keys that others publish (JWKS, RFC 7517): only public ones that verify signatures, by algorithms that were chosen before."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jwt.algorithms import get_default_algorithms
from jwt.exceptions import PyJWTError

from registry.auth.remote import DocumentUnfit

ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
"""By which others may sign: `none`, and what needs a shared secret (HS256), are not among them."""

DEFAULT_ALGORITHMS: Final = ("RS256", "ES256")

MOST_KEYS: Final = 64
LONGEST_KID: Final = 256
_RSA_BITS: Final = range(2048, 8193)
_CURVES: Final = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA"}
_MEMBERS: Final = ("kty", "crv", "x", "y", "n", "e")


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A public key, and by which algorithms it verifies here."""

    kid: str
    algorithms: tuple[str, ...]
    public: Any


def parse_keys(content: bytes, algorithms: Collection[str]) -> dict[str, ForeignKey]:
    """Return the keys of a JWKS that can verify by one of `algorithms`, by their names; others are left out.

    Raise DocumentUnfit where it is none, or has more than MOST_KEYS keys.
    """
    try:
        document = json.loads(content)
        listed = document["keys"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise DocumentUnfit("this is no JWKS") from None
    if not isinstance(listed, list) or len(listed) > MOST_KEYS:
        raise DocumentUnfit(f"this is no list of {MOST_KEYS} keys at most")
    found: dict[str, ForeignKey] = {}
    for jwk in listed:
        key = _key(jwk, algorithms) if isinstance(jwk, dict) else None
        if key is not None:
            found.setdefault(key.kid, key)
    return found


def _key(jwk: Mapping[str, Any], algorithms: Collection[str]) -> ForeignKey | None:
    kid = jwk.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= LONGEST_KID or "d" in jwk:  # a private key is nobody's any more
        return None
    if jwk.get("use", "sig") != "sig" or "verify" not in jwk.get("key_ops", ("verify",)):
        return None
    usable = tuple(one for one in _algorithms(jwk) if one in algorithms and jwk.get("alg", one) == one)
    if not usable:
        return None
    try:
        public = get_default_algorithms()[usable[0]].from_jwk({name: jwk[name] for name in _MEMBERS if name in jwk})
    except (PyJWTError, ValueError, TypeError, KeyError):
        return None
    if jwk["kty"] == "RSA" and public.key_size not in _RSA_BITS:
        return None
    return ForeignKey(kid, usable, public)


def _algorithms(jwk: Mapping[str, Any]) -> tuple[str, ...]:
    kty, curve = jwk.get("kty"), jwk.get("crv")
    if kty == "RSA":
        return tuple(one for one in ALGORITHMS if one[:2] in ("RS", "PS"))
    if isinstance(curve, str) and kty == ("OKP" if curve == "Ed25519" else "EC") and curve in _CURVES:
        return (_CURVES[curve],)
    return ()
