"""Logins at a terminal (RFC 8628): the registry passes on what the issuer shows, and gives its own tokens at the end."""

from __future__ import annotations

import time

import msgspec

from registry.auth.issuers import Issuers
from registry.auth.linked import LinkedUsers
from registry.auth.login import DEVICE_GRANT, Device, Login
from registry.auth.token_service import TokenService, Wanted
from registry.errors import GrantRefused, LoginRefused, Unauthorized
from registry.http.call import Call
from registry.http.forms import read_form
from registry.http.limits import Networks
from registry.http.reply import Reply
from registry.http.tokens import LONGEST_CLIENT, PRIVATE, token_reply


class DeviceEndpoint:
    """POST of `/auth/device` and of `/auth/device/token`. No cookie counts here, so that no page can make use of one."""

    def __init__(
        self, issuers: Issuers, login: Login, linked: LinkedUsers, service: TokenService, networks: Networks
    ) -> None:
        self._issuers = issuers
        self._login = login
        self._linked = linked
        self._service = service
        self._networks = networks

    async def begin(self, call: Call) -> Reply:
        """Tell what a terminal shows its user (RFC 8628 §3.2); `issuer` may be left out where there is only one."""
        issuer = (await read_form(call)).get("issuer") or await self._only_issuer()
        try:
            device, sealed = await self._login.begin_device(issuer)
        except LoginRefused as error:
            raise GrantRefused("invalid_request", error.message) from None
        return Reply(200, [*PRIVATE], msgspec.json.encode(_shown(device, sealed)))

    async def token(self, call: Call) -> Reply:
        """Give tokens to who has logged in (RFC 8628 §3.4, §3.5)."""
        form = await read_form(call)
        if form.get("grant_type") != DEVICE_GRANT:
            raise GrantRefused("unsupported_grant_type", f"grant_type is not {DEVICE_GRANT}")
        client = form.get("client_id", "")[:LONGEST_CLIENT]
        wanted = Wanted([], client, self._networks.of(call), call.request_id, offline=True)
        try:
            identity = await self._login.poll(form.get("device_code", ""))
            caller = await self._linked.caller(identity, address=wanted.network, request_id=wanted.request_id)
            given = await self._service.give(caller, wanted)
        except Unauthorized as error:
            await self._service.refuse(error, wanted)
            raise GrantRefused("access_denied", error.message) from None
        return token_reply(given, token_type="Bearer", username=caller.name)  # noqa: S106 - a type, no token

    async def _only_issuer(self) -> str:
        issuers = await self._issuers.for_logins()
        if len(issuers) == 1:
            return issuers[0]
        which = f"choose one of {', '.join(issuers)}" if issuers else "there is none; an administrator adds one"
        raise GrantRefused("invalid_request", f"issuer: {which}")


def _shown(device: Device, sealed: str) -> dict[str, object]:
    shown: dict[str, object] = {
        "device_code": sealed,
        "user_code": device.user_code,
        "verification_uri": device.verification_uri,
        "expires_in": max(int(device.until - time.time()), 1),
        "interval": device.interval,
    }
    if device.verification_uri_complete is not None:
        shown["verification_uri_complete"] = device.verification_uri_complete
    return shown
