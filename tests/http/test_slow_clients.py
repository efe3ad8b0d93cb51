"""Clients that are slow, huge or many: each is ended by the server, and all others are answered meanwhile."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import h2.config
import h2.connection
import h2.events
import pytest
import requests

from tests.http.client import Client, Wire, digest_of, wire
from tests.http.conftest import fresh
from tests.http.server import Registry, serving
from tests.setups import SERVERS, share

MANY = 300
PATIENCE = 60  # seconds until a test gives up; servers do so after 5 to 15
HEAD = b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module", params=share(SERVERS, __name__))
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serving(tmp_path_factory.mktemp(f"slow-{request.param}"), server=request.param) as registry:
        yield registry


@pytest.fixture
def raw(running: Registry) -> Iterator[Wire]:
    with wire(running) as connection:
        connection.socket.settimeout(PATIENCE)
        yield connection


def others_are_answered(registry: Registry) -> None:
    client = Client(registry)
    with client.session:
        repo = fresh()
        client.push_image(repo, "v1", b"content")
        assert client.get(f"/v2/{repo}/manifests/v1").status_code == 200


@contextlib.contextmanager
def many(registry: Registry, sent: bytes) -> Iterator[list[socket.socket]]:
    """Open many connections and send the same in each."""
    with contextlib.ExitStack() as stack:
        opened = []
        for _ in range(MANY):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", registry.port), PATIENCE))
            connection.sendall(sent)
            opened.append(connection)
        yield opened


def drip(raw: Wire, line: bytes) -> None:
    """Send a byte a second until the server has enough of it."""
    until = time.monotonic() + PATIENCE
    raw.socket.settimeout(1)
    with contextlib.suppress(ConnectionError):
        for letter in iter(lambda: line, None):
            assert time.monotonic() < until, "it would have gone on for ever"
            raw.send(letter)
            with contextlib.suppress(TimeoutError):
                if raw.socket.recv(4096) == b"":
                    return


def test_slowloris(running: Registry, raw: Wire) -> None:
    raw.send(HEAD)
    dripping = threading.Thread(target=drip, args=(raw, b"X"))
    dripping.start()
    with many(running, HEAD):
        others_are_answered(running)
    dripping.join(PATIENCE)
    assert not dripping.is_alive()


@pytest.mark.parametrize(
    "sent", [b"", b"GET", HEAD, HEAD + b"\r\n"], ids=["nothing", "a word", "half", "and then nothing"]
)
def test_many_connections_that_wait_for_nothing(running: Registry, sent: bytes) -> None:
    with many(running, sent) as connections:
        others_are_answered(running)
        for connection in connections:  # and each is closed in the end
            while connection.recv(65536):
                pass


def test_many_bodies_that_never_come(running: Registry) -> None:
    path = f"/v2/{fresh()}/blobs/uploads/?digest={digest_of(b'x' * 100)}".encode()
    head = b"POST " + path + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
    with many(running, head + b"x"):
        others_are_answered(running)


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"X-Long: " + b"a" * (1 << 20) + b"\r\n\r\n",
        HEAD + b"X: y\r\n" * 100_000 + b"\r\n",
        b"GET /v2/" + b"a" * (1 << 20) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + b"a" * (1 << 20) + b"\r\n\r\n",
    ],
    ids=["a header of 1 MiB", "100,000 headers", "a request line of 1 MiB", "a token of 1 MiB"],
)
def test_huge_headers(running: Registry, raw: Wire, head: bytes) -> None:
    with contextlib.suppress(ConnectionError):  # it may not even read all of it
        raw.send(head)
    with contextlib.suppress(ConnectionError):
        answer = raw.socket.recv(65536)
        assert answer == b"" or b" 431 " in answer.partition(b"\r\n")[0]
    assert raw.is_closed() or answer
    others_are_answered(running)


def test_tokens_and_scopes_of_usual_clients_are_not_huge(running: Registry) -> None:
    headers = {"Authorization": "Bearer " + "a" * 30_000}
    assert requests.get(f"{running.url}/v2/", headers=headers, timeout=20).status_code == 200  # it is open


def test_junk_behind_a_request(running: Registry, raw: Wire) -> None:
    raw.send(HEAD + b"\r\n" + b"\x00\xff nonsense\r\n\r\n" * 1000)
    assert raw.answer().status == 200
    with contextlib.suppress(ConnectionError, ValueError, IndexError):
        assert raw.answer().status == 400
    others_are_answered(running)


def spoken(raw: Wire, connection: h2.connection.H2Connection) -> str | None:
    """Return the status of the first answer inside of a connection of HTTP/2; None where there is none."""
    with contextlib.suppress(ConnectionError):
        while data := raw.socket.recv(65536):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    return dict(event.headers or ())[":status"]
            raw.socket.sendall(connection.data_to_send())
    return None


@pytest.mark.parametrize("way", ["at once", "by an upgrade"])
def test_nothing_passes_inside_of_http2(raw: Wire, way: str) -> None:
    """A proxy that judges or marks requests would not see those (h2c smuggling)."""
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    if way == "at once":
        connection.initiate_connection()
        headers = [(":method", "GET"), (":path", "/v2/"), (":scheme", "http"), (":authority", "localhost")]
        connection.send_headers(1, headers, end_stream=True)
    else:
        settings = connection.initiate_upgrade_connection()
        asked = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: " + settings + b"\r\n\r\n"
        raw.send(HEAD + asked)
        first = raw.socket.recv(4096)
        if b" 101 " not in first:  # it stays with HTTP/1.1
            assert first.startswith(b"HTTP/1.1 200 ")
            return
        rest = first.partition(b"\r\n\r\n")[2]
        connection.receive_data(rest) if rest else None
    raw.send(connection.data_to_send())
    assert spoken(raw, connection) in (None, "505")
