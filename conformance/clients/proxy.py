"""A TCP proxy before the registry: it counts what goes through, and can hold a push up or cut a pull off."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

_PIECE: Final = 64 << 10


class Proxy:
    """Forwards connections to `host`, and counts the bytes `sent` by clients and `received` by them.

    After `hold` bytes sent it forwards nothing more: `reached` is set, and clients wait for as long as the proxy is
    open. After `cut` bytes received it closes that connection, once.
    """

    def __init__(self, host: str, *, hold: int | None = None, cut: int | None = None) -> None:
        address, _, port = host.rpartition(":")
        self._upstream = (address, int(port))
        self._hold = hold
        self._cut = cut
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = [self._listener]
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept)]
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.sent = 0
        self.received = 0
        self.reached = threading.Event()

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.reached.set()
        with self._lock:
            for opened in self._open:
                _shut(opened)
        for thread in self._threads:  # The accepting one is the first: when it has ended no more are added.
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._upstream)
            except OSError:
                return
            with self._lock:
                self._open += [client, server]
            for pump, source, target in ((self._count, client, server), (self._pass, server, client)):
                self._threads.append(threading.Thread(target=pump, args=(source, target)))
                self._threads[-1].start()

    def _count(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while piece := client.recv(_PIECE):
                with self._lock:
                    self.sent += len(piece)
                    over = self._hold is not None and self.sent > self._hold
                if over:
                    self.reached.set()
                    return  # What comes now stays with the client, whose send doesn't end.
                server.sendall(piece)
            server.shutdown(socket.SHUT_WR)

    def _pass(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while piece := server.recv(_PIECE):
                with self._lock:
                    self.received += len(piece)
                    over = self._cut is not None and self.received > self._cut
                    self._cut = None if over else self._cut
                if over:
                    _shut(client)
                    _shut(server)
                    return
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)


def _shut(opened: socket.socket) -> None:
    with suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)
    opened.close()
