"""Who calls the API of an open registry: everybody, but no web page of another site."""

from __future__ import annotations

from registry.auth.open_access import OpenAccess
from registry.core.audit import actor_of
from registry.http.api.asked import NOBODY, Asked
from registry.http.call import Call
from registry.http.limits import Limits, Networks


class OpenCallers:
    """Lets everybody in. There are no routes but those for readers: what an administrator would do needs users."""

    def __init__(self, access: OpenAccess, networks: Networks, limits: Limits) -> None:
        self._access = access
        self._networks = networks
        self._limits = limits

    async def admit(self, call: Call, content: bytes, *, is_for_readers: bool = False) -> Asked:
        """See Door. Raise AccessDenied, TooManyRequests."""
        del content, is_for_readers
        await self._limits.admit(call, self._access.admit(call.headers, peer=call.peer, repeated=call.repeated))
        actor = actor_of(call.caller, address=self._networks.of(call), request_id=call.request_id)
        return Asked(call, call.caller, NOBODY, actor)
