"""Who calls: from the headers of a request to a `Caller`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

from registry.auth.secrets import API_KEY, is_secret
from registry.core.access import ANONYMOUS, Caller
from registry.errors import CredentialsContradict, CredentialsWrong, RequestInvalid

if TYPE_CHECKING:  # an open registry has a gate as well, and nothing of what identifies people
    from registry.auth.external_tokens import ExternalTokens
    from registry.auth.identification import Identification
    from registry.auth.proxied import ProxiedIdentities
    from registry.auth.tokens import AccessTokens


class Gate(Protocol):
    """Lets requests in. There is one for open registries and one for those that ask who it is."""

    async def admit(self, headers: Mapping[str, str], *, peer: str = "", repeated: Collection[str] = ()) -> Caller:
        """Return who calls, by headers with lower-case names. Raise AccessDenied or Unauthorized.

        `peer` is the address at the connection's other end; `repeated` are the headers that were given more than once.
        """


class Basic(NamedTuple):
    """A user's name and password (RFC 7617)."""

    user: str
    password: str


class TokenGate:
    """Lets in who has an access token, or an API key in its place; who has nothing is ANONYMOUS."""

    def __init__(
        self,
        tokens: AccessTokens,
        identification: Identification,
        external: ExternalTokens | None = None,
        proxied: ProxiedIdentities | None = None,
    ) -> None:
        """Let in by `tokens`, and by those of an `external` token server; `proxied` are whom proxies name."""
        self._tokens = tokens
        self._identification = identification
        self._external = external
        self._proxied = proxied

    async def admit(self, headers: Mapping[str, str], *, peer: str = "", repeated: Collection[str] = ()) -> Caller:
        """See Gate. Raise CredentialsContradict where a proxy and the credentials name two."""
        named = None
        if self._proxied is not None:
            named = await self._proxied.named(headers, peer=peer, repeated=repeated)
        caller = await self._by_credentials(headers)
        if named is None or caller.name == named.name:
            return caller
        if caller != ANONYMOUS:
            raise CredentialsContradict(named.name)
        return named

    async def _by_credentials(self, headers: Mapping[str, str]) -> Caller:
        given = headers.get("authorization")
        if given is None:
            return ANONYMOUS
        scheme, _, credentials = given.partition(" ")
        credentials = credentials.strip()
        if scheme.lower() == "bearer":
            if is_secret(credentials, API_KEY):
                return await self._identification.by_key(credentials)
            if self._external is not None and self._external.claims(credentials):
                return await self._external.verify(credentials)
            return await self._tokens.verify(credentials)
        basic = basic_of(given)
        if basic is None:
            return ANONYMOUS
        if not is_secret(basic.password, API_KEY):  # passwords are taken where tokens are given out, and nowhere else
            raise CredentialsWrong
        return await self._identification.by_key(basic.password, user=basic.user)


def basic_of(header: str | None) -> Basic | None:
    """Return what an Authorization header says by Basic; None without one, or with an empty one, which some clients send.

    Raise RequestInvalid for anything else.
    """
    if header is None:
        return None
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise RequestInvalid("Authorization is neither Basic nor Bearer")
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise RequestInvalid("Authorization is not Basic with user:password in base64") from None
    if not colon:
        raise RequestInvalid("Authorization is not Basic with user:password in base64")
    return Basic(user, password) if user or password else None
