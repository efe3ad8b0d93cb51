"""How many requests a client may make: who it is, and what its answers say of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from registry.auth.request_limits import RequestLimits, class_of
from registry.core.access import Caller
from registry.core.limits import WINDOW, MemoryCounter, RateLimit, Standing
from registry.errors import TooManyRequests, Unauthorized
from registry.http.call import Call
from registry.http.reply import Headers

_LONGEST: Final = 60  # characters of an address with brackets, zone and port
_HOST_BITS: Final = 64  # of IPv6: one client has a whole network of them

Address = IPv4Address | IPv6Address


class Networks:
    """Knows from which network a call comes."""

    def __init__(self, trusted_proxies: Iterable[str]) -> None:
        self._trusted = [ipaddress.ip_network(network) for network in trusted_proxies]

    def of(self, call: Call) -> str:
        """Return who makes a call: its peer, or whom trusted proxies name, one behind the other (X-Forwarded-For).

        An address of IPv4; of IPv6 the first of its network of 64 bits.
        """
        client = call.peer
        if self._trusted:
            hops = call.headers.get("x-forwarded-for", "").split(",")
            while hops and self._is_trusted(client):
                behind = hops.pop().strip()
                if _parsed(behind) is None:
                    break
                client = behind
        return _network_of(client)

    def _is_trusted(self, client: str) -> bool:
        address = _parsed(client)
        return address is not None and any(address in network for network in self._trusted)


class Limits:
    """Counts calls: by the networks that they come from, and by who makes them and what for. Each may have no limit."""

    def __init__(self, networks: Networks, of_network: RateLimit | None, of_callers: RequestLimits) -> None:
        self._networks = networks
        self._of_network = of_network
        self._of_callers = of_callers

    async def count(self, call: Call) -> None:
        """Count a call by its network, before anything else. Raise TooManyRequests."""
        if self._of_network is not None:
            _note(call, "requests", await self._of_network.count(self._networks.of(call)))

    async def admit(self, call: Call, caller: Awaitable[Caller]) -> None:
        """Find out who calls, and count the call as his; what can't be found out counts for the network that it comes from.

        Raise TooManyRequests, and what `caller` raises.
        """
        try:
            call.caller = await caller
        except Unauthorized:
            await self.count_caller(call)
            raise
        await self.count_caller(call)

    async def count_caller(self, call: Call) -> None:
        """Count a call by who makes it, once that is known, or can't be. Raise TooManyRequests."""
        of = class_of(call.method, call.path)
        if of in self._of_callers.limited:
            _note(call, of, await self._of_callers.count(of, call.caller, self._networks.of(call)))


NO_LIMITS: Final = Limits(Networks(()), None, RequestLimits({}, MemoryCounter()))
"""Lets everybody make as many requests as he likes."""


def quota_headers(quotas: Mapping[str, Standing]) -> Headers:
    """Return what an answer says of its client's quotas, by their names (draft-ietf-httpapi-ratelimit-headers-10)."""
    if not quotas:
        return []
    policies = (f'"{name}";q={standing.limit};w={WINDOW}' for name, standing in quotas.items())
    left = (f'"{name}";r={standing.remaining};t={standing.next_in}' for name, standing in quotas.items())
    return [("RateLimit-Policy", ", ".join(policies)), ("RateLimit", ", ".join(left))]


def _note(call: Call, name: str, standing: Standing) -> None:
    call.quotas[name] = standing
    if standing.is_refused:
        raise TooManyRequests(standing.next_in)


def _parsed(text: str) -> Address | None:
    """Return an address, which may have a port; an IPv4 address in IPv6's clothes is one of IPv4."""
    return _read(text) if len(text) <= _LONGEST else None  # what clients send is kept only where it is short


@lru_cache(4096)  # by the text: an address is slow to hash
def _network_of(client: str) -> str:
    address = _parsed(client)
    if address is None:
        return client
    return str(address if address.version == 4 else IPv6Address(int(address) >> _HOST_BITS << _HOST_BITS))


@lru_cache(4096)
def _read(text: str) -> Address | None:
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
