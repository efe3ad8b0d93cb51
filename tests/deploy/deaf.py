"""Nodes that read a request's head, note it, and close the connection without an answer."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Heard(NamedTuple):
    """A request that came: its first line's first two words, and its headers by lower-case names."""

    method: str
    path: str
    headers: dict[str, str]


@contextlib.contextmanager
def deaf_nodes() -> Iterator[tuple[tuple[str, str], list[Heard]]]:
    """Run two such nodes; yield their addresses and the list that both write to."""
    heard: list[Heard] = []

    class Handler(BaseHTTPRequestHandler):
        def parse_request(self) -> bool:
            if super().parse_request():
                headers = {name.lower(): value for name, value in self.headers.items()}
                heard.append(Heard(self.command, self.path, headers))
            return False  # no method is called, and the connection is closed

    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) for _ in range(2)]
        threads = [threading.Thread(target=server.serve_forever, args=(0.01,)) for server in servers]
        for thread in threads:
            thread.start()
        try:
            one, two = (f"127.0.0.1:{server.server_port}" for server in servers)
            yield (one, two), heard
        finally:
            for server, thread in zip(servers, threads, strict=True):
                server.shutdown()
                thread.join()
