"""`blacklake serve` as an operator meets it: a command, its output, the processes below it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import psutil

BLACKLAKE: Final = Path(sys.executable).with_name("blacklake")
PATIENCE: Final = 60.0
"""Seconds after which something that should happen is taken for not happening; a test fails then."""

_POLL: Final = 0.01
_LISTENS: Final = re.compile(r"Blacklake listens on https?://([^/]+):(\d+), data in (.*)\n")


def eventually(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Wait until `condition` holds; fail with `what` when it doesn't within `patience` seconds."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"did not come true in {patience:.0f} s: {what}")
        time.sleep(_POLL)


def environment(**settings: object) -> dict[str, str]:
    """Return this process's environment with no setting of Blacklake but the given ones."""
    given = {f"BLACKLAKE_{name.upper()}": str(value) for name, value in settings.items()}
    return {name: value for name, value in os.environ.items() if not name.startswith("BLACKLAKE_")} | given


def lives(process: psutil.Process) -> bool:
    """Say whether this very process, by pid and start time, runs; a zombie doesn't."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def all_gone(processes: Iterable[psutil.Process]) -> None:
    """Wait until every one has ended."""
    waiting = list(processes)
    eventually(lambda: not any(map(lives, waiting)), f"the end of {waiting}")


class Registry:
    """One `blacklake serve` on a data directory; `start` may be called again when it has ended.

    What it writes to stderr is appended to `log_file`. Leaving the block kills whatever is left.
    """

    def __init__(self, data: Path, *arguments: str, wrapper: Sequence[str] = (), port: int = 0, **settings: object):
        self.data = data
        self.log_file = data.with_name(f"{data.name}.log")
        self.greeting = ""
        self.port = port
        self._arguments = arguments
        self._wrapper = wrapper
        self.settings = dict(settings)
        self._stdout = data.with_name(f"{data.name}.out")
        self._process: subprocess.Popen[bytes] | None = None
        self._seen: set[psutil.Process] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.kill_everything()

    def configure(self, **settings: object) -> Self:
        """Replace settings from the next start on."""
        self.settings.update(settings)
        return self

    def start(self, *, wait: bool = True) -> Self:
        """Run the command; with `wait`, until it says that it listens."""
        with self.log_file.open("ab") as log, self._stdout.open("wb") as out:
            self._process = subprocess.Popen(
                [
                    *self._wrapper,
                    BLACKLAKE,
                    "serve",
                    "--port",
                    str(self.port),
                    "--data-dir",
                    self.data,
                    *self._arguments,
                ],
                env=environment(**self.settings),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
            )
        if wait:
            self.wait_until_listening()
        return self

    def wait_until_listening(self) -> None:
        """Wait for the greeting and take the port from it."""
        try:
            eventually(lambda: self._stdout.stat().st_size or self.process.poll() is not None, "the greeting")
        except AssertionError as error:
            error.add_note(f"these run: {self.family()}; the log says:\n{self.log_text()[-3000:]}")
            raise
        self.greeting = self._stdout.read_text()
        found = _LISTENS.match(self.greeting)
        if found is None:
            raise AssertionError(f"the server ended with code {self.process.wait()}:\n{self.log_text()[-3000:]}")
        self.port = int(found[2])
        self.family()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The supervisor, our child."""
        assert self._process is not None, "not started"
        return self._process

    @property
    def is_running(self) -> bool:
        """Say whether the supervisor lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def is_ready(self) -> bool:
        """Say whether `/ready` answers 200."""
        return self.status("/ready") == 200

    def status(self, path: str) -> int | None:
        """Return the status of a GET; None where nobody answers."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path, headers={"Connection": "close"})
            return connection.getresponse().status
        except (OSError, HTTPException):
            return None
        finally:
            connection.close()

    def family(self) -> list[psutil.Process]:
        """Return the supervisor and every process below it."""
        try:
            supervisor = psutil.Process(self.process.pid)
            found = [supervisor, *supervisor.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []
        self._seen.update(found)
        return found

    def http(self) -> psutil.Process | None:
        """Return the HTTP main process."""
        return next(iter(self._children("registry.servers")), None)

    def workers(self) -> list[psutil.Process]:
        """Return the processes that answer requests."""
        main = self.http()
        with contextlib.suppress(psutil.NoSuchProcess):
            return main.children() if main is not None else []
        return []

    def postmaster(self) -> psutil.Process | None:
        """Return the parent of all PostgreSQL processes."""
        return next(iter(self._children(str(self.data / "postgres"))), None)

    def backends(self) -> list[psutil.Process]:
        """Return the PostgreSQL processes that work for a worker."""
        postmaster, found = self.postmaster(), []
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in postmaster.children() if postmaster is not None else ():
                with contextlib.suppress(psutil.NoSuchProcess):
                    if child.cmdline()[0:1] and child.cmdline()[0].startswith("postgres: blacklake"):
                        found.append(child)
        return found

    def heal(self, without: psutil.Process, workers: int = 1) -> None:
        """Wait until everything runs again and is ready, without a process that was killed."""

        def is_whole() -> bool:
            family = [self.http(), *self.workers(), self.postmaster()]
            return len(family) == workers + 2 and None not in family and without not in family and self.is_ready()

        eventually(is_whole, f"the service heals from the end of {without}: {self.log_text()[-3000:]}")
        self.family()

    def stop(self, request: signal.Signals = signal.SIGTERM) -> int:
        """Ask for the end, wait until everything has ended and return the exit code."""
        self.family()
        self.process.send_signal(request)
        return self.ended()

    def ended(self) -> int:
        """Wait until everything has ended by itself and return the exit code."""
        code = self.process.wait(PATIENCE)
        all_gone(self._seen)
        self._seen.clear()
        return code

    def kill_everything(self) -> None:
        """Kill the supervisor and everything below it at once, also what should have ended with it before."""
        self.family()
        for process in self._seen:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.ended()

    def log_text(self) -> str:
        """Return everything that was written to stderr since the first start."""
        return self.log_file.read_text(errors="replace")

    def log(self) -> list[dict[str, Any]]:
        """Return the log's lines; fail where one is no JSON object."""
        text = self.log_text()
        try:
            lines = [json.loads(line) for line in text.splitlines()]
        except ValueError:
            raise AssertionError(f"a line is no JSON:\n{text[-5000:]}") from None
        assert all(isinstance(line, dict) for line in lines)
        return lines

    def _children(self, word: str) -> list[psutil.Process]:
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    if any(word in part for part in child.cmdline()) and lives(child):
                        found.append(child)
        return found


def run(*arguments: str | Path, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run a command of Blacklake to its end."""
    return subprocess.run(
        [BLACKLAKE, *arguments],
        env=environment(**settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
