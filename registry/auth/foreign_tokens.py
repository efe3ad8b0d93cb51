"""JWTs (RFC 7519) that others have signed, verified as RFC 8725 asks.

Of a token's header only two words count: `kid`, which chooses among the keys that its issuer publishes, and `alg`, which must
be one of the key's. A header that brings a key of its own, or that must be understood (`crit`), is refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final, NamedTuple

import jwt
from jwt.types import Options

from registry.auth.foreign_keys import LONGEST_KID, ForeignKey
from registry.errors import TokenInvalid

LONGEST: Final = 16 << 10
"""Characters of a token."""

LEEWAY: Final = 30
"""Seconds by which others' clocks may differ from ours."""

_LONGEST_LIFE: Final = 400 * 86400  # seconds
_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_REFUSED: Final = frozenset(("jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc"))
# Identities and distribution's tokens are of this type, or of none. An access token (at+jwt, RFC 9068), a logout token or a
# proof of possession that the same issuer has signed says something else.
_TYPES: Final = ("jwt", "application/jwt")
_OPTIONS: Final[Options] = {"require": ["iss", "aud", "exp", "iat"], "verify_aud": False, "verify_sub": False}


class Unverified(NamedTuple):
    """What a token says of itself. Nothing of it is true yet."""

    issuer: str
    kid: str
    algorithm: str


def read(token: str) -> Unverified:
    """Return what is needed to find the key that verifies a token. Raise TokenInvalid."""
    if len(token) > LONGEST:
        raise TokenInvalid("is too long")
    if _SHAPE.fullmatch(token) is None:
        raise TokenInvalid("is no JWT")
    try:
        header = jwt.get_unverified_header(token)
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        raise TokenInvalid("is no JWT") from None
    if refused := sorted(_REFUSED & header.keys()):
        raise TokenInvalid(f"has a header {refused[0]}, which is not accepted")
    if str(header.get("typ", _TYPES[0])).lower() not in _TYPES:
        raise TokenInvalid("is of another type (typ)")
    kid, algorithm, issuer = header.get("kid"), header.get("alg"), claims.get("iss")
    if not isinstance(kid, str) or not 0 < len(kid) <= LONGEST_KID or not isinstance(algorithm, str):
        raise TokenInvalid("doesn't name the key that signed it (kid)")
    if not isinstance(issuer, str):
        raise TokenInvalid("doesn't name its issuer")
    return Unverified(issuer, kid, algorithm)


def verified(
    token: str, key: ForeignKey | None, *, issuer: str, audiences: Collection[str], strict: bool
) -> dict[str, Any]:
    """Return the claims of a token that `key` has signed, that is of `issuer`, for one of `audiences`, and of now.

    With `strict` it is for nobody else. Raise TokenInvalid.
    """
    if key is None:
        raise TokenInvalid("is signed by a key that its issuer doesn't publish")
    try:
        claims: dict[str, Any] = jwt.decode(
            token, key.public, algorithms=list(key.algorithms), issuer=issuer, leeway=LEEWAY, options=_OPTIONS
        )
    except jwt.ExpiredSignatureError:
        raise TokenInvalid("has expired") from None
    except jwt.ImmatureSignatureError:
        raise TokenInvalid("is not valid yet") from None
    except jwt.MissingRequiredClaimError as error:
        raise TokenInvalid(f"has no {error.claim}") from None
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise TokenInvalid("is not valid: its signature, its algorithm or a claim is wrong") from None
    _require_times(claims)
    named = audiences_of(claims)
    if not named & set(audiences) or (strict and len(named) != 1):
        raise TokenInvalid("is for another audience, or for several (aud)")
    return claims


def audiences_of(claims: dict[str, Any]) -> set[str]:
    """Return for whom a token is; nobody where `aud` is neither a text nor a list of texts."""
    named = claims.get("aud")
    listed: list[Any] = named if isinstance(named, list) else [named]
    return set(listed) if all(isinstance(one, str) and one for one in listed) else set()


def _require_times(claims: dict[str, Any]) -> None:
    times = [claims["exp"], claims["iat"]]
    if not all(isinstance(time, int | float) and not isinstance(time, bool) for time in times):
        raise TokenInvalid("has an exp or iat that is no number")
    if not 0 < times[0] - times[1] < _LONGEST_LIFE:
        raise TokenInvalid("is valid for too long")
