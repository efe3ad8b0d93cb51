"""A registry under test: a real `blacklake serve` on a free port, with a data directory of its own."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tests import prepared

T = TypeVar("T")


@dataclass
class Registry:
    """A running server, and what its clients have told of their doings: uploads begun, blobs acknowledged."""

    port: int
    directory: Path
    log: Path
    pid: int
    uploads: set[str] = field(default_factory=set)
    blobs: set[str] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stored(self) -> list[Path]:
        """Return the files that the storage holds now."""
        return [path for path in (self.directory / "blobs").rglob("*") if path.is_file()]

    def remains(self) -> list[str]:
        """Return the files of the storage that are no acknowledged blob, as `name: size`."""
        found = []
        for path in self.stored():
            # The cleaning loop may delete a file just now.
            with contextlib.suppress(FileNotFoundError):
                content = path.read_bytes()
                if hashlib.sha256(content).hexdigest() not in self.blobs:
                    found.append(f"{path.name}: {len(content)} bytes")
        return found


@contextlib.contextmanager
def serving(directory: Path, **settings: object) -> Iterator[Registry]:
    """Start a server with `settings` (`sparse="allow"` is BLACKLAKE_SPARSE), and stop it by SIGTERM.

    It must end with code 0 and may not have logged an error.
    """
    directory.mkdir(parents=True, exist_ok=True)
    foreign = {name: value for name, value in os.environ.items() if not name.startswith("BLACKLAKE_")}
    ours = {f"BLACKLAKE_{name.upper()}": str(value) for name, value in settings.items()}
    log, data = directory / "log", directory / "data"
    if "database_url" not in settings and not data.exists():
        prepared.clone_schema(data)
    command = [sys.executable, "-m", "blacklake", "serve", "--port", "0", "--data-dir", str(data)]
    with (
        log.open("ab") as errors,
        subprocess.Popen(command, env=foreign | ours, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            greeting = process.stdout.readline()
            listens = re.match(r"Blacklake listens on http://127\.0\.0\.1:(\d+)", greeting)
            assert listens is not None, f"no greeting but {greeting!r}; its log:\n{log.read_text()}"
            yield Registry(int(listens[1]), data, log, process.pid)
            process.terminate()
            assert process.wait(60) == 0, (
                f"it ended with code {process.returncode}; its log:\n{log.read_text()[-5000:]}"
            )
        finally:
            process.kill()
    assert errors_in(log) == [], "\n".join(errors_in(log))


@contextlib.contextmanager
def each_once(start: Callable[[str, str], AbstractContextManager[T]]) -> Iterator[Callable[[str, str], T]]:
    """Return what gives the one that `start` makes of a server and a door ("granian", "lane"): each is started once."""
    with contextlib.ExitStack() as running:
        yield functools.cache(lambda server, door: running.enter_context(start(server, door)))


def errors_in(log: Path) -> list[str]:
    """Return the lines of a log that tell of errors; a line that is no JSON tells of one too."""
    found = []
    for line in filter(None, log.read_text(errors="replace").split("\n")):  # a path may hold what else ends a line
        try:
            is_error = json.loads(line)["level"] in ("error", "critical")
        except (ValueError, KeyError, TypeError):
            is_error = True
        if is_error:
            found.append(line)
    return found
