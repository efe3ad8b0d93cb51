"""A bucket of an S3 server that can be killed, and the way to it, which can be spoiled at every layer.

nodes ──→ toxiproxy ──→ relay ──→ HTTP proxy ──→ versitygw
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from conformance.ports import free_port
from conformance.s3 import program
from tests.faults.s3_proxy import S3Proxy
from tests.faults.stored import Objects
from tests.faults.toxiproxy import Control, Way
from tests.lifecycle.serving import eventually
from tests.relay import Relay, relaying
from tests.s3_servers import REGION, S3Server

_PATIENCE: Final = 30.0


class Versitygw:
    """versitygw on a port of its own; `start` may be called again after `kill`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._directory.mkdir()
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.log = directory.with_name("versitygw.log")

    def start(self) -> None:
        """Run it, and wait until it listens."""
        command, environment = program("versitygw", self.port, self._directory)
        with self.log.open("ab") as log:
            self._process = process = subprocess.Popen(
                command, env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        eventually(lambda: self._listens() or process.poll() is not None, "versitygw listens")
        assert process.poll() is None, self.log.read_text()

    def kill(self) -> None:
        """Kill it by SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_PATIENCE)

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


class Bucket:
    """A storage of nodes: `url` is their setting, `stored` looks into it beside them."""

    def __init__(self, server: Versitygw, proxy: S3Proxy, relay: Relay, way: Way) -> None:
        self.server = server
        self.proxy = proxy
        self.relay = relay
        self.way = way
        beside = S3Server("versitygw", f"http://127.0.0.1:{server.port}", server.log)
        made = beside.make_bucket()
        where = f"endpoint=http://127.0.0.1:{way.port}&region={REGION}&path_style=true"
        self.url = f"s3://{made.bucket}/{made.prefix}?{where}"
        self.stored = Objects(beside.client, made)


@contextlib.contextmanager
def bucket(directory: Path, control: Control) -> Iterator[Bucket]:
    """Run an S3 server that keeps what it stores in `directory`. Raise ToolMissing where it isn't built."""
    server = Versitygw(directory)
    try:
        server.start()
        proxy = S3Proxy(server.port)
        try:
            with relaying(proxy.port) as relay:
                yield Bucket(server, proxy, relay, Way(control, "s3", relay.port))
        finally:
            proxy.close()
    finally:
        server.kill()
