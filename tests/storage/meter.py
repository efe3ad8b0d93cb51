"""The way to a server on which every byte is counted: a TCP relay."""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
import threading
from collections.abc import Iterator


class Meter(socketserver.ThreadingTCPServer):
    """Forwards connections from `port` to another port of the loopback address; `sent` and `returned` are bytes."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, target: int) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.target = target
        self.port: int = self.server_address[1]
        self.sent = 0
        self.returned = 0
        self._lock = threading.Lock()

    def count(self, *, sent: int = 0, returned: int = 0) -> None:
        """Add to what has passed."""
        with self._lock:
            self.sent += sent
            self.returned += returned


class _Connection(socketserver.BaseRequestHandler):
    server: Meter

    def handle(self) -> None:
        """Copy in both directions until either side ends."""
        client: socket.socket = self.request
        target = ("127.0.0.1", self.server.target)
        with contextlib.suppress(OSError), socket.create_connection(target) as server:
            while True:
                for source in select.select([client, server], [], [])[0]:
                    data = source.recv(1 << 18)
                    if not data:
                        return
                    if source is client:
                        self.server.count(sent=len(data))
                        server.sendall(data)
                    else:
                        self.server.count(returned=len(data))
                        client.sendall(data)


@contextlib.contextmanager
def metered(target: int) -> Iterator[Meter]:
    """Count what passes to a port of the loopback address and back."""
    with Meter(target) as meter:
        thread = threading.Thread(target=meter.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield meter
        finally:
            meter.shutdown()
            thread.join()
