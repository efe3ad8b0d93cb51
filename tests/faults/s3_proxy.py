"""An HTTP proxy before an S3 server that answers some requests as a server or a load balancer in trouble does.

Requests are handed on with their very headers, `Host` included: the signature covers them.
"""

from __future__ import annotations

import contextlib
import datetime
import random
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, Literal
from urllib.parse import parse_qs, urlsplit

Trouble = Literal["500", "503", "truncated"]

_PIECE: Final = 64 << 10
_HOP: Final = frozenset(("connection", "keep-alive", "transfer-encoding", "expect", "content-length"))
_STAMP: Final = "%Y%m%dT%H%M%SZ"
_TOLERANCE: Final = datetime.timedelta(minutes=15)  # of S3's, for a signature's date
_ERRORS: Final = {
    "500": (500, "InternalError", "We encountered an internal error. Please try again."),
    "503": (503, "SlowDown", "Please reduce your request rate."),
}
_BALANCER: Final = b"<html><body><h1>503 Service Unavailable</h1></body></html>"


class S3Proxy:
    """Forwards from `port` to `target`. What it does wrong lasts as long as the block."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.skew = datetime.timedelta()
        self._trouble: tuple[Trouble, float, random.Random] | None = None
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @contextlib.contextmanager
    def trouble(self, kind: Trouble, share: float, rng: random.Random) -> Iterator[None]:
        """Answer that share of the requests wrongly; of those, one in two has been carried out nevertheless."""
        self._trouble = kind, share, rng
        try:
            yield
        finally:
            self._trouble = None

    @contextlib.contextmanager
    def clock(self, skew: datetime.timedelta) -> Iterator[None]:
        """Refuse what a server would refuse whose clock is later than ours by `skew`."""
        self.skew = skew
        try:
            yield
        finally:
            self.skew = datetime.timedelta()

    def drawn(self) -> tuple[Trouble | None, random.Random]:
        """Return what is to go wrong with a request, and what draws the rest."""
        if self._trouble is None:
            return None, random.Random()
        kind, share, rng = self._trouble
        return (kind if rng.random() < share else None), rng

    def close(self) -> None:
        """End; connections that are open are closed by their other side."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    proxy: S3Proxy

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: connections end in every way here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._upstream = HTTPConnection("127.0.0.1", self.server.proxy.target)

    def finish(self) -> None:
        self._upstream.close()
        super().finish()

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string((timestamp or time.time()) + self.server.proxy.skew.total_seconds())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        pass

    def do_GET(self) -> None:
        kind, rng = self.server.proxy.drawn()
        refusal = self._clock_refusal()
        try:
            if refusal is not None:
                self._discard()
                self._refuse(403, refusal, "The server's clock differs from yours.")
            elif kind in _ERRORS and rng.random() < 0.5:
                self._discard()
                self._fail(kind, rng)
            else:
                with self._asked() as reply:
                    if kind in _ERRORS:
                        reply.read()
                        self._fail(kind, rng)
                    else:
                        self._answer(reply, rng if kind == "truncated" else None)
        except (OSError, HTTPException):  # either side has gone; the other one sees its connection closed
            self._upstream.close()
            self.close_connection = True

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 - http.server finds methods by these names

    def _body(self) -> Iterator[bytes]:
        left = int(self.headers.get("Content-Length", 0))
        while left:
            piece = self.rfile.read(min(left, _PIECE))
            if not piece:
                raise ConnectionError("the client has gone")
            left -= len(piece)
            yield piece

    def _discard(self) -> None:
        for _ in self._body():
            pass

    def _asked(self) -> HTTPResponse:
        self._upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in _HOP:
                self._upstream.putheader(name, value)
        if (length := self.headers.get("Content-Length")) is not None:
            self._upstream.putheader("Content-Length", length)
        self._upstream.endheaders()
        for piece in self._body():
            self._upstream.send(piece)
        return self._upstream.getresponse()

    def _answer(self, reply: HTTPResponse, truncating: random.Random | None) -> None:
        """Hand an answer on; `truncating` draws how much of it, before the connection ends."""
        known = reply.getheader("Content-Length")
        whole = reply.read() if known is None else b""
        length = int(known) if known is not None else len(whole)
        self.send_response_only(reply.status, reply.reason)
        for name, value in reply.getheaders():
            if name.lower() not in (*_HOP, "date"):
                self.send_header(name, value)
        self.send_header("Date", self.date_time_string())
        self.send_header("Content-Length", str(length))
        left = length if self.command != "HEAD" else 0
        if truncating is not None:
            left = truncating.randrange(left) if left else -1
            self.close_connection = True
        if left >= 0:
            self.end_headers()
        while left > 0 and (piece := (whole or reply.read(min(left, _PIECE)))[:left]):
            self.wfile.write(piece)
            left -= len(piece)
        if truncating is not None:
            self._upstream.close()

    def _fail(self, kind: str, rng: random.Random) -> None:
        status, code, message = _ERRORS[kind]
        if status == 500 and self.command == "POST" and "uploadId=" in self.path and rng.random() < 0.5:
            status = 200  # of an assembly, S3 begins the answer before it knows how it ends
        if status == 503 and rng.random() < 0.5:
            self._say(503, "text/html", _BALANCER)
        else:
            self._refuse(status, code, message)

    def _refuse(self, status: int, code: str, message: str) -> None:
        text = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
        self._say(status, "application/xml", text.encode())

    def _say(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _clock_refusal(self) -> str | None:
        """Return the code by which a server with a clock of its own refuses the request's signature, None where it doesn't."""
        now = datetime.datetime.now(datetime.UTC) + self.server.proxy.skew
        query = parse_qs(urlsplit(self.path).query)
        stamp = self.headers.get("X-Amz-Date") or query.get("X-Amz-Date", [""])[0]
        if not stamp:
            return None
        signed = datetime.datetime.strptime(stamp, _STAMP).replace(tzinfo=datetime.UTC)
        if "X-Amz-Expires" not in query:
            return "RequestTimeTooSkewed" if abs(now - signed) > _TOLERANCE else None
        lasts = datetime.timedelta(seconds=int(query["X-Amz-Expires"][0]))
        return "AccessDenied" if now > signed + lasts or signed > now + _TOLERANCE else None
