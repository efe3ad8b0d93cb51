"""A lean HTTP/1.1 client.

http.client spends more processor time on parsing headers than some of the servers measured here spend on
the whole request; on a machine with two cores that would be measured as the server's slowness.
"""

import io
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from bench.errors import WrongAnswer
from bench.payload import Payload

HOST = "127.0.0.1"
LIMIT = 300.0  # seconds without a byte, after which a request has failed
PIECE = 1 << 20  # bytes of a body asked of the kernel at a time
BUFFER = 64 << 10  # bytes read at a time elsewhere; less than PIECE, so that a large body is not copied through it
NEXT = re.compile(r"<([^>]+)>")


@dataclass(frozen=True)
class Response:
    """An answer: status, headers by lower-case name, body (empty when it went to a sink), bytes on the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    size: int

    def target(self, header: str) -> str:
        """Return path and query of a URL in a header, Location's bare one or Link's in angle brackets."""
        value = self.headers.get(header, "")
        link = NEXT.search(value)
        url = urlsplit(link[1] if link else value)
        return f"{url.path}?{url.query}" if url.query else url.path


class Connection:
    """One keep-alive connection to a server on the loopback address; raises WrongAnswer and OSError."""

    def __init__(self, port: int, headers: Mapping[str, str] | None = None) -> None:
        """Connect to a port; `headers` go with every request."""
        self._host = f"{HOST}:{port}"
        self._headers = headers or {}
        self._socket = socket.create_connection((HOST, port), timeout=LIMIT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = io.BufferedReader(self._socket.makefile("rb", buffering=0), BUFFER)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.close()
        self._socket.close()

    def request(
        self,
        method: str,
        target: str,
        *,
        expect: int,
        headers: Mapping[str, str] | None = None,
        body: bytes | Payload = b"",
        streamed: bool = False,
        sink: Callable[[memoryview], object] | None = None,
    ) -> Response:
        """Send a request and return its answer; the answer's body goes to the sink piece by piece if there is one.

        A large body is `streamed` when its length is not said: chunk by chunk.
        Raises WrongAnswer when the status is not the expected one or the body ends early.
        """
        size = len(body) if isinstance(body, bytes) else body.size
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._host}"]
        lines += [f"{name}: {value}" for name, value in {**self._headers, **(headers or {})}.items()]
        if streamed:
            lines.append("Transfer-Encoding: chunked")
        elif method in ("POST", "PUT"):
            lines.append(f"Content-Length: {size}")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode()
        if isinstance(body, bytes):
            self._socket.sendall(head + body)
        else:
            self._socket.sendall(head)
            send = body.stream if streamed else body.send
            send(self._socket)
        return self._answer(f"{method} {target}", expect, sink)

    def _answer(self, request: str, expect: int, sink: Callable[[memoryview], object] | None) -> Response:
        first = self._reader.readline()
        if not first:
            raise WrongAnswer(f"{request}: the server closed the connection without an answer.")
        status, size = int(first.split(None, 2)[1]), len(first)
        headers: dict[str, str] = {}
        while (line := self._reader.readline()).strip():
            size += len(line)
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        pieces: list[bytes] = []
        length = self._body(headers, sink if sink and status == expect else lambda piece: pieces.append(bytes(piece)))
        body = b"".join(pieces)
        if status != expect:
            raise WrongAnswer(f"{request} was answered with {status} instead of {expect}: {body[:300]!r}")
        return Response(status, headers, body, size + len(line) + length)

    def _body(self, headers: Mapping[str, str], sink: Callable[[memoryview], object]) -> int:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return self._read(int(headers.get("content-length", "0")), sink)
        total = 0
        while size := int(self._reader.readline().split(b";")[0], 16):
            total += self._read(size, sink)
            self._reader.readline()
        self._reader.readline()
        return total

    def _read(self, size: int, sink: Callable[[memoryview], object]) -> int:
        buffer = memoryview(bytearray(min(size, PIECE)))
        left = size
        while left:
            count = self._reader.readinto1(buffer[: min(left, PIECE)])
            if not count:
                raise WrongAnswer(f"The connection ended {left} bytes before the end of the body.")
            sink(buffer[:count])
            left -= count
        return size
