"""A real redis-server of a test's own, on a unix socket: it can be killed, hung and started again."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from conformance.tools import system_tool
from registry.processes import tethered
from tests.lifecycle.serving import eventually
from tests.tools import needed


class RedisServer:
    """What it keeps is lost with it."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._socket = place / "redis.sock"
        self.url = f"unix://{self._socket}"

    def start(self) -> None:
        """Start it and wait until it listens."""
        program = needed(system_tool, "redis-server")
        self._socket.unlink(missing_ok=True)
        options = ["--port", "0", "--unixsocket", self._socket, "--save", "", "--dir", self._place]
        self._process = subprocess.Popen(
            tethered([program, *options], farewell=signal.SIGKILL), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        eventually(lambda: self._socket.exists() or self._process.poll() is not None, "redis-server listens")
        assert self._process.poll() is None

    def kill(self) -> None:
        """Kill it, as the kernel does where memory is short."""
        self._process.kill()
        self._process.wait()

    def take_the_place_of(self, other: RedisServer) -> None:
        """Let the other's address lead here: who is connected there already stays so."""
        self._socket.rename(other._socket)

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """Stop the process: connections stay, new ones are accepted, and nobody answers."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def say(self, *words: str) -> str:
        """Return what redis-cli prints."""
        command = ["redis-cli", "-s", str(self._socket), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@contextlib.contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Run a redis-server as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="redis") as place:  # a socket's path is short
        server = RedisServer(Path(place))
        server.start()
        try:
            yield server
        finally:
            server.kill()
