"""A server under test: a process started with an empty directory and stopped with everything it started."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.errors import BenchmarkError, WrongAnswer
from bench.wire import Connection
from conformance.ports import free_port

START = 60.0  # seconds until the first 200
STOP = 40.0  # seconds from SIGTERM to SIGKILL


@dataclass(frozen=True)
class Kind:
    """How to run one kind of server.

    `command` gets the data directory and the port, writes a configuration into the directory if one is needed
    and returns the command line. `registry` is false for a server that only keeps files under their paths.
    """

    name: str
    version: str
    command: Callable[[Path, int], list[str]]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: str = "/v2/"
    registry: bool = True


@dataclass(frozen=True)
class Usage:
    """The PSS in bytes of a server's own processes, and of PostgreSQL's."""

    server: float
    postgres: float


class Server:
    """A server that was started on a free port with an empty directory of its own."""

    def __init__(self, kind: Kind, home: Path) -> None:
        self.kind = kind
        self.port = free_port()
        self.home = home
        with (home / "log").open("wb") as log:
            self._process = subprocess.Popen(
                kind.command(home, self.port),
                cwd=home,
                env={**_clean(), **kind.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches the benchmark, which then stops the server
            )
        self._root = psutil.Process(self._process.pid)

    def wait(self) -> None:
        """Wait until the server answers with 200; raise BenchmarkError with its log's end when it does not."""
        deadline = time.monotonic() + START
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with Connection(self.port) as connection:
                    connection.request("GET", self.kind.ready, expect=200)
            except (OSError, WrongAnswer):
                time.sleep(0.05)
            else:
                return
        log = (self.home / "log").read_text(errors="replace")[-1000:]
        raise BenchmarkError(f"{self.kind.name} did not start. Its log ends:\n{log}")

    def processes(self) -> list[psutil.Process]:
        """Return the processes that live now."""
        with suppress(psutil.NoSuchProcess):
            return [self._root, *self._root.children(recursive=True)]
        return []

    def memory(self) -> Usage:
        """Return the PSS of all processes in bytes: what they share is counted once."""
        sums = {True: 0.0, False: 0.0}
        for process in self.processes():
            # One that ended between being listed and being asked uses nothing.
            with suppress(psutil.NoSuchProcess):
                sums[process.name() == "postgres"] += process.memory_full_info().pss
        return Usage(server=sums[False], postgres=sums[True])

    def stop(self) -> None:
        """Stop the server: SIGTERM, then SIGKILL for whatever is left of it."""
        family = self.processes()
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP)
        _, left = psutil.wait_procs(family, timeout=5)
        for process in left:
            print(f"{self.kind.name} left process {process.pid} ({process.name()}) behind; killing it.")
            process.kill()
        psutil.wait_procs(left, timeout=5)


@contextmanager
def running(kind: Kind, directory: Path) -> Iterator[Server]:
    """Run a server with its data in a new directory below the given one; nothing of either is left at the end."""
    with tempfile.TemporaryDirectory(prefix="server-", dir=directory) as home:
        server = Server(kind, Path(home))
        try:
            server.wait()
            yield server
        finally:
            server.stop()


def _clean() -> dict[str, str]:
    """Return the environment without the settings of any of the servers, so that each runs with its defaults."""
    settings = ("BLACKLAKE_", "REGISTRY_", "OTEL_", "PG", "AWS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(settings)}
