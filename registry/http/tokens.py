"""The token endpoint and the keys that verify its tokens."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs

import msgspec

from registry.auth.gate import ANONYMOUS, basic_of
from registry.auth.identification import Identification
from registry.auth.keyring import Keyring
from registry.auth.scopes import InvalidScope, Scope, parse_scopes
from registry.auth.token_service import TokenService
from registry.core.access import Caller
from registry.errors import RequestInvalid
from registry.http.call import Call
from registry.http.reply import Headers, Reply

_LONGEST_FORM: Final = 32 << 10  # bytes
_PRIVATE: Final[Headers] = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]


class TokenEndpoint:
    """GET and POST of `/auth/token`, and the JWKS."""

    def __init__(
        self, service: TokenService, identification: Identification, keyring: Keyring, *, audience: str
    ) -> None:
        self._service = service
        self._identification = identification
        self._keyring = keyring
        self._audience = audience

    async def get(self, call: Call) -> Reply:
        """Give a token to whom Basic names, or to anybody (token specification)."""
        self._require_audience(call.query.one("service"))
        wanted = _scopes(call.query.all("scope"))
        basic = basic_of(call.headers.get("authorization"))
        caller = await self._identification.by_password(*basic) if basic is not None else ANONYMOUS
        return await self._token(caller, wanted)

    async def post(self, call: Call) -> Reply:
        """Give a token to whom a form names (OAuth2 specification; RFC 6749 §4.3, §6)."""
        form = await _form(call)
        self._require_audience(form.get("service"))
        wanted = _scopes([form.get("scope", "")])
        match form.get("grant_type"):
            case "password":
                caller = await self._identification.by_password(form.get("username", ""), form.get("password", ""))
            case other:
                raise RequestInvalid(f"grant_type “{(other or '')[:64]}” is none of password")
        return await self._token(caller, wanted, tell_scope=True)

    async def keys(self, _call: Call) -> Reply:
        """Publish the keys (RFC 7517)."""
        headers = [("Content-Type", "application/jwk-set+json"), ("Cache-Control", "public, max-age=60")]
        return Reply(200, headers, msgspec.json.encode(await self._keyring.published()))

    def _require_audience(self, service: str | None) -> None:
        if service not in (None, "", self._audience):
            raise RequestInvalid(f"service “{service[:64]}” is another one: this is {self._audience}")

    async def _token(self, caller: Caller, wanted: list[Scope], *, tell_scope: bool = False) -> Reply:
        issued, granted = await self._service.issue(caller, wanted)
        document = {
            "token": issued.token,
            "access_token": issued.token,
            "expires_in": issued.expires_in,
            "issued_at": issued.issued_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        if tell_scope:
            document["scope"] = " ".join(map(str, granted))
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
