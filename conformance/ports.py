"""Ports for programs that can't be told to take a free one themselves."""

from __future__ import annotations

import socket


def free_port() -> int:
    """Return a port of the loopback address that nobody has at this moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
