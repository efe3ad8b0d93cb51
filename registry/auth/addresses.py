"""Addresses to which the registry may connect by itself: public ones, and what the operator opens.

A URL that an administrator, an issuer or a redirect names must not lead into the operator's own network, least of all to the
addresses where clouds hand their machines credentials. An IPv6 address that stands for an IPv4 address (RFC 4291 §2.5.5,
RFC 6052, RFC 3056) is judged as that.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

_Address = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network


def _networks(*texts: str) -> tuple[_Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


# IANA's registries of special-purpose addresses (RFC 6890), written out: what Python calls global differs by its version.
_NOT_PUBLIC: Final = _networks(
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
    "168.63.129.16/32",  # Azure's own, though it looks public
    "2001::/23",  # Teredo among others
    "2001:db8::/32",
    "3fff::/20",
)
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
# Where no name may lead, not even one that the operator allows: who owns the name would choose. An allowed network may.
_NEVER_BY_NAME: Final = _networks(
    "0.0.0.0/8",
    "169.254.0.0/16",
    "224.0.0.0/3",
    "100.100.100.200/32",  # metadata of Alibaba's machines,
    "168.63.129.16/32",  # Azure's,
    "192.0.0.192/32",  # Oracle's,
    "fd00:ec2::/32",  # Amazon's,
    "fd20:ce::/32",  # Google's
    "::/128",
    "fe80::/10",
    "ff00::/8",
)
_NAT64: Final = IPv6Network("64:ff9b::/96")
_COMPATIBLE: Final = IPv6Network("::/96")


class Allowed:
    """What BLACKLAKE_OUTGOING_ALLOW opens: hosts by their names, and networks."""

    def __init__(self, entries: Iterable[str] = ()) -> None:
        """Raise ValueError where an entry is neither a host nor a network."""
        self._names: set[str] = set()
        self._networks: list[_Network] = []
        for entry in entries:
            network = _network(entry)
            if network is not None:
                self._networks.append(network)
            else:
                self._names.add(_name(entry))

    def permits(self, host: str, address: str) -> bool:
        """Say whether a connection to `address`, which was asked for as `host`, may be made."""
        ip = meant(address)
        if any(ip.version == network.version and ip in network for network in self._networks):
            return True
        if host in self._names:
            return not _in(ip, _NEVER_BY_NAME)
        return is_public(ip)

    def permits_plain(self, host: str) -> bool:
        """Say whether a host may be asked without TLS: one that is named itself, or whose address is in a network here."""
        if host in self._names:
            return True
        try:
            ip = meant(host)
        except ValueError:
            return False
        return any(ip.version == network.version and ip in network for network in self._networks)


def is_public(ip: _Address) -> bool:
    """Say whether an address is one that the whole Internet reaches; `ip` is what `meant` returns."""
    if ip.version == 6 and ip not in _GLOBAL_UNICAST:
        return False
    return not _in(ip, _NOT_PUBLIC)


def meant(address: str) -> _Address:
    """Return an address, the IPv4 address where it stands for one. Raise ValueError."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, IPv4Address):
        return ip
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip.sixtofour is not None:
        return ip.sixtofour
    if ip in _NAT64 or (ip in _COMPATIBLE and int(ip) > 1):
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip


def _in(ip: _Address, networks: Iterable[_Network]) -> bool:
    return any(ip.version == network.version and ip in network for network in networks)


def _network(entry: str) -> _Network | None:
    try:
        return ipaddress.ip_network(entry)
    except ValueError:
        if "/" in entry:
            raise
        return None


def _name(entry: str) -> str:
    name = entry.lower().rstrip(".")
    if not name or not all(letter.isascii() and (letter.isalnum() or letter in "-._") for letter in name):
        raise ValueError(f"“{entry}” is neither the name of a host nor a network")
    return name
