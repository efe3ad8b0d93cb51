"""Tokens that another token server has given out for this registry (distribution's token specification).

That server has decided: what stands in `access` is the right itself, and ends with the token. Nothing here can take it back
earlier but the withdrawal of the key that signed it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

import jwt

from mediatypes.names import InvalidName, parse_repository_name
from registry.auth import foreign_tokens
from registry.auth.foreign_keys import DEFAULT_ALGORITHMS, ForeignKey
from registry.auth.issuers import fetch_keys
from registry.auth.outgoing import Outgoing
from registry.auth.remote import Remote
from registry.auth.tokens import bound_of
from registry.auth.verified import Verified, VerifiedTokens
from registry.core.access import Caller
from registry.errors import TokenInvalid


class ExternalTokens:
    """Verifies."""

    def __init__(
        self,
        outgoing: Outgoing,
        *,
        issuer: str,
        service: str,
        keys_url: str,
        kids: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Tokens are of `issuer`, for `service` alone, and signed by a key of `keys_url`; with `kids`, by one of these."""
        self._issuer = issuer
        self._service = service
        self._kids = frozenset(kids)
        self._keys = Remote(
            f"the key set of the token server {issuer}",
            lambda: fetch_keys(outgoing, keys_url, DEFAULT_ALGORITHMS),
            clock=clock,
        )
        self._verified = VerifiedTokens(self._read, self._key)

    def claims(self, token: str) -> bool:
        """Say whether a token says that it is of this server: then nobody else's keys may verify it."""
        try:
            return bool(jwt.decode(token, options={"verify_signature": False}).get("iss") == self._issuer)
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            return False

    async def verify(self, token: str) -> Caller:
        """Return whose token this is, bound to what it permits. Raise TokenInvalid, Unavailable."""
        return await self._verified.caller(token)

    async def _read(self, token: str) -> Verified:
        said = foreign_tokens.read(token)
        if said.issuer != self._issuer:
            raise TokenInvalid("is of another issuer")
        claims = foreign_tokens.verified(
            token, await self._key(said.kid), issuer=self._issuer, audiences=(self._service,), strict=True
        )
        try:
            bound = bound_of([one for one in claims["access"] or () if _can_be(one["type"], one["name"])])
        except (KeyError, TypeError):
            raise TokenInvalid("says nothing of what it permits (access), so it is not for a registry") from None
        subject = claims.get("sub")
        name = subject if isinstance(subject, str) and subject.isascii() and subject.isprintable() else ""
        return Verified(Caller(None, name, bound), said.kid, float(claims["exp"]) + foreign_tokens.LEEWAY)

    async def _key(self, kid: str) -> ForeignKey | None:
        if self._kids and kid not in self._kids:
            return None
        return (await self._keys.value(lambda known: kid in known)).get(kid)


def _can_be(of: str, name: str) -> bool:
    """Say whether there can be such a resource here. What can be no repository's name is never looked up."""
    if of != "repository":
        return True
    try:
        parse_repository_name(name)
    except InvalidName:
        return False
    return True
