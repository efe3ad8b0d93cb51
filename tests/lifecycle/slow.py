"""Clients that take their time: half a request sent, half an answer read, the rest when it is wanted."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPResponse
from types import TracebackType
from typing import Self

from tests.lifecycle.artifact import Artifact, digest
from tests.lifecycle.serving import Registry

_TIMEOUT = 30.0


class SlowUpload:
    """A push in one request, of which only the first half has been sent."""

    def __init__(self, registry: Registry, data: bytes) -> None:
        self._rest = data[len(data) // 2 :]
        self._connection = HTTPConnection("127.0.0.1", registry.port, timeout=_TIMEOUT)
        self._connection.putrequest("POST", f"/v2/team/slow/blobs/uploads/?digest={digest(data)}")
        self._connection.putheader("Content-Length", str(len(data)))
        self._connection.endheaders()
        self._connection.send(data[: len(data) // 2])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def finish(self) -> int:
        """Send the rest and return the status of the answer."""
        self._connection.send(self._rest)
        return self._connection.getresponse().status


class SlowDownload:
    """A pull of a layer, of which only the first bytes have been read."""

    def __init__(self, registry: Registry, artifact: Artifact) -> None:
        self._connection = HTTPConnection("127.0.0.1", registry.port, timeout=_TIMEOUT)
        self._connection.request("GET", artifact.layer_path)
        self._response: HTTPResponse = self._connection.getresponse()
        self._read = self._response.read(1000)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def finish(self) -> bytes:
        """Read the rest and return everything."""
        return self._read + self._response.read()
