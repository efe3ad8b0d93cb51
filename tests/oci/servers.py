"""A registry that answers as a test says, and notes what it was asked."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from mediatypes.digest import Digest
from tests.http.client import IMAGE


class Asked(NamedTuple):
    """A request: header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    content: bytes


@dataclass
class Reply:
    status: int = 200
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    """Whether the connection ends in the middle."""


@dataclass
class Scripted:
    """A server; `answers` are by method and path without query."""

    url: str
    answers: dict[tuple[str, str], Reply | Callable[[Asked], Reply]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    def has_manifest(self, name: str, content: bytes, reference: str | None = None, media_type: str = IMAGE) -> str:
        digest = str(Digest.of(content))
        for one in (reference, digest):
            self.answers["GET", f"/v2/{name}/manifests/{one}"] = Reply(200, content, {"Content-Type": media_type})
        return digest

    def has_blob(self, name: str, content: bytes) -> str:
        digest = str(Digest.of(content))
        self.answers["GET", f"/v2/{name}/blobs/{digest}"] = Reply(200, content)
        return digest

    def sent(self, header: str) -> list[str]:
        return [one.headers[header] for one in self.asked if header in one.headers]


@contextlib.contextmanager
def scripted() -> Iterator[Scripted]:
    """Let such a registry run on loopback; what it has no answer for is not there."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Asked(self.command, self.path.partition("?")[0], headers, content)
            found.asked.append(request._replace(path=self.path))
            reply = found.answers.get((request.method, request.path), Reply(404))
            reply = reply if isinstance(reply, Reply) else reply(request._replace(path=self.path))
            self.send_response(reply.status)
            length = len(reply.content) + (10 if reply.cut else 0)
            for name, value in {"Content-Length": str(length), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.content)
            self.close_connection = self.close_connection or reply.cut

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_POST(self) -> None:
            self.do_GET()

        def do_PUT(self) -> None:
            self.do_GET()

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *args: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    found = Scripted(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
