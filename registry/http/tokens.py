"""The token endpoint and the keys that verify its tokens."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final
from urllib.parse import parse_qs

import msgspec

from registry.auth.gate import basic_of
from registry.auth.keyring import Keyring
from registry.auth.scopes import InvalidScope, Scope, parse_scopes
from registry.auth.token_service import Given, TokenService, Wanted
from registry.errors import RequestInvalid, Unauthorized
from registry.http.call import Call
from registry.http.limits import Networks
from registry.http.reply import Headers, Reply

_LONGEST_FORM: Final = 32 << 10  # bytes
_LONGEST_CLIENT: Final = 128  # characters of a client's name for itself, which goes into the audit log
_PRIVATE: Final[Headers] = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]


class TokenEndpoint:
    """GET and POST of `/auth/token`, and the JWKS."""

    def __init__(self, service: TokenService, keyring: Keyring, networks: Networks, *, audience: str) -> None:
        self._service = service
        self._keyring = keyring
        self._networks = networks
        self._audience = audience

    async def get(self, call: Call) -> Reply:
        """Give a token to whom Basic names, or to anybody (token specification)."""
        self._require_audience(call.query.one("service"))
        wanted = Wanted(
            _scopes(call.query.all("scope")),
            (call.query.one("client_id") or "")[:_LONGEST_CLIENT],
            self._networks.of(call),
            call.request_id,
            offline=call.query.one("offline_token") == "true",
        )
        basic = basic_of(call.headers.get("authorization"))
        if basic is None:
            return _reply(await self._service.to_anybody(wanted))
        with_basic = self._service.by_password(basic.user, basic.password, wanted)
        return _reply(await self._answered(with_basic, wanted))

    async def post(self, call: Call) -> Reply:
        """Give a token to whom a form names (OAuth2 specification)."""
        form = await _form(call)
        self._require_audience(form.get("service"))
        client = form.get("client_id", "")[:_LONGEST_CLIENT]
        wanted = Wanted([], client, self._networks.of(call), call.request_id)
        given = await self._answered(self._service.by_form(form, wanted), wanted)
        return _reply(given, scope=" ".join(map(str, given.scopes)))

    async def _answered(self, giving: Awaitable[Given], wanted: Wanted) -> Given:
        try:
            return await giving
        except Unauthorized as error:
            await self._service.refuse(error, wanted)
            raise

    async def keys(self, _call: Call) -> Reply:
        """Publish the keys (RFC 7517)."""
        headers = [("Content-Type", "application/jwk-set+json"), ("Cache-Control", "public, max-age=60")]
        return Reply(200, headers, msgspec.json.encode(await self._keyring.published()))

    def _require_audience(self, service: str | None) -> None:
        if service not in (None, "", self._audience):
            raise RequestInvalid(f"service “{service[:64]}” is another one: this is {self._audience}")


def _reply(given: Given, **more: str) -> Reply:
    """Return the answer; a client of the token specification reads `token`, one of OAuth2 `access_token`."""
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
        document |= {"issued_token_type": given.issued_token_type, "token_type": "Bearer"}
    return Reply(200, [*_PRIVATE], msgspec.json.encode(document))


def _scopes(texts: list[str]) -> list[Scope]:
    try:
        return parse_scopes(texts)
    except InvalidScope as error:
        raise RequestInvalid(f"scope: {error}") from None


async def _form(call: Call) -> dict[str, str]:
    """Return a form's fields. Raise RequestInvalid, also where a field is given twice (RFC 6749 §3.2)."""
    content = bytearray()
    async for piece in call.body:
        content += piece
        if len(content) > _LONGEST_FORM:
            raise RequestInvalid(f"the form is longer than {_LONGEST_FORM} bytes")
    try:
        fields = parse_qs(content.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=50)
    except ValueError:
        raise RequestInvalid("the body is no form (application/x-www-form-urlencoded)") from None
    if any(len(values) > 1 for values in fields.values()):
        raise RequestInvalid("a field of the form is given twice")
    return {name: values[0] for name, values in fields.items()}
