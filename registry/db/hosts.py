"""Look up the names of hosts, one look at a time.

The thread in which a name is looked up can't be cancelled: who gives up leaves it behind, until the resolver gives up too.
There are few such threads, and files are read and written in them.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Iterable
from urllib.parse import parse_qs, urlsplit


class Hosts:
    """The names among `hosts`, of which some may be addresses or places of sockets."""

    def __init__(self, hosts: Iterable[str]) -> None:
        self._names = [host for host in hosts if _is_name(host)]
        self._look: asyncio.Task[None] | None = None

    async def looked_up(self) -> None:
        """Wait until each has been looked up, in vain or not: a connection says which.

        Where the caller is cancelled the look runs on, and nobody begins a second one meanwhile.
        """
        if not self._names:
            return
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._looked_up())
        await asyncio.wait([self._look])

    async def _looked_up(self) -> None:
        loop = asyncio.get_running_loop()
        for name in self._names:
            with contextlib.suppress(OSError, UnicodeError):
                await loop.getaddrinfo(name, None)


def hosts_of(url: str) -> list[str]:
    """Return the hosts that a URL of PostgreSQL names, of which there may be several."""
    parts = urlsplit(url)
    listed = parts.netloc.rpartition("@")[2].split(",")
    listed += [host for hosts in parse_qs(parts.query).get("host", []) for host in hosts.split(",")]
    return [_without_port(host) for host in listed]


def _without_port(host: str) -> str:
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def _is_name(host: str) -> bool:
    if not host or host.startswith("/"):
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False
