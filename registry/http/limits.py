"""How many requests a client may make: who it is, and what its answers say of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from registry.core.limits import WINDOW, RateLimit, Standing
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

        An address of IPv4; of IPv6 the network of 64 bits.
        """
        address = _parsed(call.peer)
        if address is None:
            return call.peer
        if self._trusted:
            hops = call.headers.get("x-forwarded-for", "").split(",")
            while hops and self._is_trusted(address):
                behind = _parsed(hops.pop().strip())
                if behind is None:
                    break
                address = behind
        return str(address) if address.version == 4 else f"{int(address) >> _HOST_BITS:x}::"

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


class Limits:
    """Counts calls by the networks that they come from."""

    def __init__(self, rate: RateLimit, networks: Networks) -> None:
        self._rate = rate
        self._networks = networks

    async def count(self, call: Call) -> Standing:
        """Count a call."""
        return await self._rate.count(self._networks.of(call))


def quota_headers(standing: Standing) -> Headers:
    """Return what an answer says of its client's quota (draft-ietf-httpapi-ratelimit-headers-10)."""
    return [
        ("RateLimit-Policy", f'"requests";q={standing.limit};w={WINDOW}'),
        ("RateLimit", f'"requests";r={standing.remaining};t={standing.next_in}'),
    ]


def _parsed(text: str) -> Address | None:
    """Return an address, which may have a port; an IPv4 address in IPv6's clothes is one of IPv4."""
    return _read(text) if len(text) <= _LONGEST else None  # what clients send is kept only where it is short


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
