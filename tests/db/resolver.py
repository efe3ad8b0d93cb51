"""A resolver that hangs."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest


@contextlib.contextmanager
def hanging_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Let every look at a name of example.org hang as long as the block lasts; yield the names that were asked for."""
    asked: list[str] = []
    ends = threading.Event()
    resolve = socket.getaddrinfo

    def hang(host: object, *rest: object, **options: object) -> object:
        if not str(host).endswith(".example.org"):
            return resolve(host, *rest, **options)  # type: ignore[arg-type]
        asked.append(str(host))
        ends.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "the resolver gave up")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        yield asked
    finally:
        ends.set()
