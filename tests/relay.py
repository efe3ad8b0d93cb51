"""The way to another server, which can be cut and mended: a TCP relay that keeps its port."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator


class Relay:
    """Forwards connections from `port` to another port of the loopback address, or to a unix socket, unless it is cut."""

    def __init__(self, target: int | str) -> None:
        self._target = target
        self._open: set[socket.socket] = set()
        self._frozen: set[socket.socket] = set()
        self.unheard: set[socket.socket] = set()
        """Frozen connections over which somebody has sent something since."""
        self.limit: int | None = None
        """Bytes after which a connection ends that the server sends over it."""
        self.loses_answer = False
        """Whether the next answer is lost, and its connection frozen with it."""
        self._cut = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._open)

    def cut(self) -> None:
        """End every connection, and each new one at once, until `mend`."""
        self._cut = True
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Forward again."""
        self._cut = False

    def freeze(self) -> None:
        """Let nothing pass any more over the connections that are open, as if the other machine had vanished; new ones work."""
        self._frozen |= self._open

    def close(self) -> None:
        """End for good."""
        self.cut()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._cut:
                    client.close()
                    continue
                self._threads.append(threading.Thread(target=self._forward, args=(client,)))
                self._threads[-1].start()

    def _forward(self, client: socket.socket) -> None:
        """Copy in both directions until either side ends."""
        with client, contextlib.suppress(OSError), self._connected() as server, self._listed(client):
            other, received = {client: server, server: client}, 0
            while True:
                for source in select.select([client, server], [], [])[0]:
                    data = source.recv(1 << 16)
                    if self.loses_answer and source is server:
                        self.loses_answer = False
                        self._frozen.add(client)
                    if client in self._frozen:
                        self._swallow(client, asked=source is client, more=bool(data))
                        return
                    if not data:
                        return
                    received += len(data) if source is server else 0
                    if self.limit is not None and received > self.limit:
                        client.sendall(data[: max(0, len(data) - received + self.limit)])
                        return
                    other[source].sendall(data)

    def _swallow(self, client: socket.socket, *, asked: bool, more: bool) -> None:
        """Take what comes over a frozen connection until the client gives it up."""
        while more or not asked:
            if asked:
                self.unheard.add(client)
            asked, more = True, bool(client.recv(1 << 16))

    @contextlib.contextmanager
    def _listed(self, client: socket.socket) -> Iterator[None]:
        self._open.add(client)
        try:
            yield
        finally:
            self._open.discard(client)

    def _connected(self) -> socket.socket:
        if isinstance(self._target, int):
            return socket.create_connection(("127.0.0.1", self._target))
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(socket.socket(socket.AF_UNIX))
            server.connect(self._target)
            stack.pop_all()  # the caller's from here on
        return server


@contextlib.contextmanager
def relaying(target: int | str) -> Iterator[Relay]:
    """Run a relay to a port of the loopback address, or to a unix socket."""
    relay = Relay(target)
    try:
        yield relay
    finally:
        relay.close()
