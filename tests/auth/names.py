"""A resolver whose answers a test chooses."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import pytest


def resolved(monkeypatch: pytest.MonkeyPatch, name: str, *answers: Sequence[str]) -> list[str]:
    """Let each look at `name` have the next of `answers`, the last one for ever; return the list of the looks."""
    asked: list[str] = []
    resolve = socket.getaddrinfo

    def look(host: object, port: object, *rest: object, **options: object) -> object:
        if host != name:
            return resolve(host, port, *rest, **options)  # type: ignore[arg-type]
        asked.append(name)
        found = answers[min(len(asked), len(answers)) - 1]
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port or 0))
            for one in found
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look)
    return asked
