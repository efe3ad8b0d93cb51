"""The token endpoint and the keys that verify its tokens."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final

import msgspec

from registry.auth.gate import basic_of
from registry.auth.keyring import Keyring
from registry.auth.proxied import ProxiedIdentities
from registry.auth.scopes import InvalidScope, Scope, parse_scopes
from registry.auth.token_service import Given, TokenService, Wanted
from registry.core.access import Caller
from registry.errors import IdentityUnfit, RequestInvalid, TooManyLogins, Unauthorized
from registry.http.call import Call
from registry.http.forms import read_form
from registry.http.limits import Networks
from registry.http.reply import Headers, Reply

LONGEST_CLIENT: Final = 128
"""Characters of a client's name for itself, which goes into the audit log."""

PRIVATE: Final[Headers] = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
"""Of answers with secrets: nobody on the way keeps them (RFC 6749 §5.1)."""


class TokenEndpoint:
    """GET and POST of `/auth/token`, and the JWKS."""

    def __init__(
        self,
        service: TokenService,
        keyring: Keyring,
        networks: Networks,
        proxied: ProxiedIdentities | None = None,
        *,
        audience: str,
    ) -> None:
        """Give out tokens for `audience`, also to whom trusted proxies name (`proxied`)."""
        self._proxied = proxied
        self._service = service
        self._keyring = keyring
        self._networks = networks
        self._audience = audience

    async def get(self, call: Call) -> Reply:
        """Give a token to whom Basic names, or to anybody (token specification)."""
        self._require_audience(call.query.one("service"))
        wanted = Wanted(
            _scopes(call.query.all("scope")),
            (call.query.one("client_id") or "")[:LONGEST_CLIENT],
            self._networks.of(call),
            call.request_id,
            offline=call.query.one("offline_token") == "true",
            named=await self._named(call),
        )
        basic = basic_of(call.headers.get("authorization"))
        if basic is None:
            return token_reply(await self._service.without_credentials(wanted))
        with_basic = self._service.by_password(basic.user, basic.password, wanted)
        return token_reply(await self._answered(with_basic, wanted))

    async def post(self, call: Call) -> Reply:
        """Give a token to whom a form names (OAuth2 specification)."""
        form = await read_form(call)
        self._require_audience(form.get("service"))
        client = form.get("client_id", "")[:LONGEST_CLIENT]
        wanted = Wanted([], client, self._networks.of(call), call.request_id, named=await self._named(call))
        given = await self._answered(self._service.by_form(form, wanted), wanted)
        return token_reply(given, scope=" ".join(map(str, given.scopes)), token_type="Bearer")  # noqa: S106 - a type, no token

    async def _answered(self, giving: Awaitable[Given], wanted: Wanted) -> Given:
        try:
            return await giving
        except (Unauthorized, IdentityUnfit, TooManyLogins) as error:
            await self._service.refuse(error, wanted)
            raise

    async def keys(self, _call: Call) -> Reply:
        """Publish the keys (RFC 7517)."""
        headers = [("Content-Type", "application/jwk-set+json"), ("Cache-Control", "public, max-age=60")]
        return Reply(200, headers, msgspec.json.encode(await self._keyring.published()))

    async def _named(self, call: Call) -> Caller | None:
        if self._proxied is None:
            return None
        return await self._proxied.named(call.headers, peer=call.peer, repeated=call.repeated)

    def _require_audience(self, service: str | None) -> None:
        if service not in (None, "", self._audience):
            raise RequestInvalid(f"service “{service[:64]}” is another one: this is {self._audience}")


def token_reply(given: Given, **more: str) -> Reply:
    """Return the answer that gives a token; a client of the token specification reads `token`, one of OAuth2 `access_token`."""
    document = {
        "token": given.issued.token,
        "access_token": given.issued.token,
        "expires_in": given.issued.expires_in,
        "issued_at": given.issued.issued_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        **more,
    }
    if given.refresh_token is not None:
        document["refresh_token"] = given.refresh_token
    if given.issued_token_type is not None:
        document["issued_token_type"] = given.issued_token_type
    return Reply(200, [*PRIVATE], msgspec.json.encode(document))


def _scopes(texts: list[str]) -> list[Scope]:
    try:
        return parse_scopes(texts)
    except InvalidScope as error:
        raise RequestInvalid(f"scope: {error}") from None
