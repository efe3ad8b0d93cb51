"""One client's connection to a registry whose processes are being killed."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Iterable
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import urlsplit

Ports: TypeAlias = int | tuple[int, ...]
"""The port of a registry, or those of its nodes, which are asked in turn."""

PIECE: Final = 64 << 10
"""Bytes that are sent at a time, so that a kill meets bodies half-way."""

_TIMEOUT: Final = 60.0


class Gone(Exception):
    """The connection ended before a whole answer had come: whether the request was carried out is not known."""


class Unreachable(Gone):
    """Nobody listened: the request was surely not carried out."""


class Answer(NamedTuple):
    """A whole answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def digest(self) -> str:
        return self.headers.get("docker-content-digest", "")


class Wire:
    """Sends requests one after another over connections that are kept alive, one for each node.

    `complain` hears of answers that no request deserves: a 5xx other than 503, a 503 without Retry-After, an error that
    is not the specification's JSON.
    """

    def __init__(self, ports: Ports, complain: Callable[[str], None]) -> None:
        self._ports = itertools.cycle((ports,) if isinstance(ports, int) else ports)
        self._complain = complain
        self._connections: dict[int, HTTPConnection] = {}

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        *,
        streamed: bool = False,
    ) -> Answer:
        """Send a request and return its answer, the storage's where we are sent there. Raise Gone.

        `streamed` sends the body without its length.
        """
        fields = dict(headers or {})
        if not streamed and (body or method in ("POST", "PUT", "PATCH")):
            fields["Content-Length"] = str(len(body))
        pieces = _pieces(body) if body or streamed else None
        port, connection = self._connected()
        try:
            connection.request(method, path, pieces, fields, encode_chunked=streamed)
            answer = _answer(connection.getresponse())
        except (OSError, HTTPException) as error:
            self._connections.pop(port).close()
            raise Gone(str(error)) from error
        self._judge(f"{method} {path}", answer)
        return self._followed(path, fields, answer) if answer.status == 307 else answer

    def vanish(self, method: str, path: str, body: bytes, announced: int) -> None:
        """Announce `announced` bytes, send `body` and close the connection. Raise Gone when that fails already."""
        port, connection = self._connected()
        try:
            connection.request(method, path, _pieces(body), {"Content-Length": str(announced)})
        except (OSError, HTTPException) as error:
            raise Gone(str(error)) from error
        finally:
            self._connections.pop(port).close()

    def close(self) -> None:
        """End the connections; the next request makes another."""
        while self._connections:
            self._connections.popitem()[1].close()

    def _connected(self) -> tuple[int, HTTPConnection]:
        """Return the port whose turn it is, and a connection to it."""
        port = next(self._ports)
        if port not in self._connections:
            connection = HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT)
            try:
                connection.connect()
            except OSError as error:
                raise Unreachable(str(error)) from error
            self._connections[port] = connection
        return port, self._connections[port]

    def _followed(self, path: str, fields: dict[str, str], redirect: Answer) -> Answer:
        """Return what the storage answers to a pull; it may refuse while it is in trouble, but knows what the registry does."""
        target = urlsplit(redirect.headers["location"])
        connection = HTTPConnection(target.netloc, timeout=_TIMEOUT)
        try:
            connection.request("GET", f"{target.path}?{target.query}", headers=fields)
            answer = _answer(connection.getresponse())
            answer.headers["docker-content-digest"] = redirect.digest
        except (OSError, HTTPException) as error:
            raise Gone(str(error)) from error
        finally:
            connection.close()
        if "content-length" not in answer.headers:  # http.client takes the end of a connection for that of a head
            raise Gone("the storage's answer ended in its head")
        if answer.status == 404:
            self._complain(f"GET {path} leads to what the storage does not know: {answer.body[:300]!r}")
        if answer.status not in (200, 206):
            raise Gone(f"the storage answers {answer.status} {answer.body[:300]!r}")
        return answer

    def _judge(self, what: str, answer: Answer) -> None:
        shown = f"{what}: {answer.status} {answer.body[:300]!r}"
        if answer.status >= 500 and answer.status != 503:
            self._complain(f"an error of the server: {shown}")
        if answer.status == 503 and not answer.headers.get("retry-after", "").isdecimal():
            self._complain(f"503 without Retry-After: {shown}")
        if answer.status >= 400 and not what.startswith("HEAD"):
            code = None
            with contextlib.suppress(ValueError, LookupError, TypeError):
                code = json.loads(answer.body)["errors"][0]["code"]
            if not isinstance(code, str):
                self._complain(f"an error without a code: {shown}")


def _answer(reply: HTTPResponse) -> Answer:
    return Answer(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())


def _pieces(body: bytes) -> Iterable[bytes]:
    return [body[start : start + PIECE] for start in range(0, len(body), PIECE)]
