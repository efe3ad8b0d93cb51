"""The real nginx with the project's configuration, and a test without it skipped."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance import nginx as real
from conformance.nginx import CONFIGURATION, listener
from conformance.tools import ToolMissing

__all__ = ["CONFIGURATION", "listener", "nginx", "proxying"]


def nginx() -> None:
    """Skip the test where nginx is missing; in CI it fails there."""
    try:
        real.program()
    except ToolMissing as error:
        if os.environ.get("CI") != "true":
            pytest.skip(str(error))
        raise


@contextlib.contextmanager
def proxying(sock: socket.socket, directory: Path, nodes: tuple[int, int]) -> Iterator[str]:
    """Run nginx on `sock` before the nodes on these ports of the loopback address; yield its URL."""
    first, second = (f"127.0.0.1:{port}" for port in nodes)
    with real.proxying(sock, directory, (first, second)) as url:
        yield url
