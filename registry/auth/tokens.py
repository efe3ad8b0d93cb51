"""Access tokens: JWTs (RFC 7519) in the shape of distribution's token specification, short-lived, for one service.

Which key verifies one is the keyring's to say, and the key says by which algorithm: nothing in a token's header is believed but
the key's name.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from uuid import uuid4

import jwt

from registry.auth.keyring import Keyring
from registry.auth.scopes import Scope
from registry.auth.verified import Verified, VerifiedTokens
from registry.core.access import ALL, Bound, Caller, Credential, CredentialKind, Permission
from registry.errors import TokenInvalid

LONGEST: Final = 16 << 10
"""Characters of a token."""

_LEEWAY: Final = 5  # seconds by which nodes' clocks may differ
_HEADER: Final = {"alg", "typ", "kid"}
_CLAIMS: Final = ("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "access", "pid")
_PERMITTED: Final[Mapping[str, frozenset[Permission]]] = MappingProxyType(
    {
        "pull": frozenset((Permission.PULL,)),
        "push": frozenset((Permission.PUSH, Permission.TAG_MOVE, Permission.SIGN)),
        "delete": frozenset((Permission.DELETE,)),
        "*": ALL,
    }
)


class Issued(NamedTuple):
    """A token, its `jti`, for how many seconds it is valid, and since when."""

    token: str
    id: str
    expires_in: int
    issued_at: datetime


class AccessTokens:
    """Issues and verifies."""

    def __init__(self, keyring: Keyring, *, issuer: str, service: str, seconds: int) -> None:
        """`seconds` is for how long a token is valid."""
        self._keyring = keyring
        self._issuer = issuer
        self._service = service
        self._seconds = seconds
        self._verified = VerifiedTokens(self._read, keyring.verifier)

    async def issue(
        self,
        caller: Caller,
        granted: Iterable[Scope],
        *,
        unadmitted: Sequence[str] = (),
        seconds: int | None = None,
    ) -> Issued:
        """Return a token for a caller and what was granted to it, valid for `seconds` at most where that is given.

        Of the repositories `unadmitted` it reads what policies refuse, too: clients that sign ask for no more than to pull.
        """
        valid = self._seconds if seconds is None else min(seconds, self._seconds)
        key = await self._keyring.signer()
        now, jti = int(time.time()), uuid4().hex
        claims = {
            "iss": self._issuer,
            "sub": caller.name,
            "aud": self._service,
            "exp": now + valid,
            "nbf": now,
            "iat": now,
            "jti": jti,
            "access": [{"type": one.type, "name": one.name, "actions": sorted(one.actions)} for one in granted],
            "pid": caller.principal_id,
        }
        if unadmitted:
            claims["unadmitted"] = list(unadmitted)
        token = jwt.encode(claims, key.private, key.algorithm, headers={"kid": key.kid, "typ": "JWT"})
        return Issued(token, jti, valid, datetime.fromtimestamp(now, UTC))

    async def verify(self, token: str) -> Caller:
        """Return whose token this is, bound to what it permits. Raise TokenInvalid."""
        return await self._verified.caller(token)

    async def _read(self, token: str) -> Verified:
        if len(token) > LONGEST:
            raise TokenInvalid("is too long")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            raise TokenInvalid("is no token of this registry") from None
        kid = header.get("kid")
        if set(header) != _HEADER or header["typ"] != "JWT" or not isinstance(kid, str):
            raise TokenInvalid("is no token of this registry")
        key = await self._keyring.verifier(kid)
        if key is None:
            raise TokenInvalid("is signed by a key that nobody knows here, or that is no longer valid")
        try:
            claims = jwt.decode(
                token,
                key.public,
                algorithms=[key.algorithm],
                issuer=self._issuer,
                audience=self._service,
                leeway=_LEEWAY,
                options={"require": list(_CLAIMS), "strict_aud": True},
            )
            caller = Caller(
                int(claims["pid"]),
                str(claims["sub"]),
                bound_of(claims["access"])._replace(unadmitted=frozenset(claims.get("unadmitted", ()))),
                Credential(CredentialKind.TOKEN, str(claims["jti"])),
            )
        except jwt.ExpiredSignatureError:
            raise TokenInvalid("has expired") from None
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError):
            raise TokenInvalid("is not valid here") from None
        return Verified(caller, kid, float(claims["exp"]))


def bound_of(access: Any) -> Bound:
    """Return what an `access` claim permits; a name with `*` at its end is all that begin so.

    Raise KeyError, TypeError where it is none.
    """
    repositories: dict[str, frozenset[Permission]] = {}
    prefixes: dict[str, frozenset[Permission]] = {}
    catalog = admin = False
    for entry in access:
        actions = entry["actions"]
        if entry["type"] == "repository":
            permitted = frozenset[Permission]().union(*(_PERMITTED.get(action, ()) for action in actions))
            name = entry["name"]
            if not isinstance(name, str):
                raise TypeError("a repository's name is a text")
            named, text = (prefixes, name[:-1]) if name.endswith("*") else (repositories, name)
            named[text] = named.get(text, frozenset()) | permitted
        elif entry["type"] == "registry" and entry["name"] == "catalog":
            catalog = catalog or "*" in actions
        elif entry["type"] == "registry" and entry["name"] == "admin":
            admin = admin or "*" in actions
    return Bound(repositories, catalog, admin, prefixes)
