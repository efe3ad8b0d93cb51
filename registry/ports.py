"""The address a server listens on: found free, and then kept for it as long as the supervisor lives."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from typing import Final

_TRIED: Final = 50  # ports above the wanted one, before any free one is offered


class AddressUnusable(Exception):
    """Nothing can listen there; the message says why and what to do."""


@contextlib.contextmanager
def reserved(host: str, port: int, option: str | None = None) -> Iterator[tuple[str, int]]:
    """Keep an address for servers that bind it with SO_REUSEPORT; yield its IP address and its port.

    `option` is what it was asked for by where that is neither --host nor --port.

    Port 0 takes a free one. Without the reservation two registries that start at once would both bind the port, and the
    kernel would deal out requests to either. Raise AddressUnusable.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:  # the second is for what is no host name at all
        reason = error.strerror if isinstance(error, OSError) else "it is no host name"
        raise AddressUnusable(
            f"the address {host} is not known: {reason}; choose another with {option or '--host'}"
        ) from error
    family, address = found[0][0], found[0][4]
    try:
        # A socket without SO_REUSEPORT is let in only where no other one is.
        with _bound(family, address, socket.SO_REUSEADDR) as probe:
            address = probe.getsockname()
        holder = _holder(family, address)
    except OSError as error:
        raise AddressUnusable(_refusal(error, family, host, port, option)) from error
    with holder:
        yield str(address[0]), int(address[1])


def _holder(family: socket.AddressFamily, address: tuple[object, ...]) -> socket.socket:
    try:
        return _bound(family, address, socket.SO_REUSEPORT)
    except OSError:
        # Another program has just left the port, and the kernel still remembers its connections.
        return _bound(family, address, socket.SO_REUSEPORT, socket.SO_REUSEADDR)


def _bound(family: socket.AddressFamily, address: tuple[object, ...], *options: int) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        for option in options:
            bound.setsockopt(socket.SOL_SOCKET, option, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _refusal(error: OSError, family: socket.AddressFamily, host: str, port: int, option: str | None) -> str:
    shown = f"{option} {f'[{host}]' if ':' in host else host}:" if option else "--port "
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use by another program; try {shown}{_free(family, host, port)}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine; choose another with {option or '--host'}"
    if error.errno == errno.EACCES:
        return f"port {port} may only be used by root; try {shown}{_free(family, host, port + 4096)}"
    return f"nothing can listen on port {port} of {host}: {os.strerror(error.errno or 0)}"


def _free(family: socket.AddressFamily, host: str, port: int) -> int:
    for candidate in (*range(port + 1, min(port + _TRIED, 65536)), 0):
        with contextlib.suppress(OSError), _bound(family, (host, candidate), socket.SO_REUSEADDR) as probe:
            return int(probe.getsockname()[1])
    return 0
