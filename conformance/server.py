"""Blacklake as a program: how it may be set up, and one that runs in an empty directory for as long as it is needed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

from conformance.administration import Administration
from conformance.tether import tied

ROOT: Final = Path(__file__).resolve().parent.parent
"""The directory of the project."""

THIS_PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
"""The version of Python that runs this."""

NEWEST_PYTHON: Final = "3.13"
"""The newest version that Blacklake supports."""

Door = Literal["lane", "quart"]
HttpServer = Literal["granian", "hypercorn"]
Storage = Literal["file", "memory"]
Auth = Literal["open", "token"]

_GREETING: Final = re.compile(r"listens on http://(\S+?),")
_START: Final = 60.0  # seconds until the greeting
_STOP: Final = 45.0  # seconds from SIGTERM to SIGKILL; the server itself gives running requests 30
_POLL: Final = 0.02  # seconds between two looks


class PythonMissing(Exception):
    """A version of Python isn't here; the message names it."""


class ServerFailed(Exception):
    """The server didn't start or didn't stop; the message ends with its log's end."""


@dataclass(frozen=True)
class Setup:
    """One way to run Blacklake.

    `door` is what answers plain reads: the fast lane or Quart. `python` is a version (`3.13`) whose virtual environment
    is the running one or `.venv-VERSION`. `auth` says whether clients must show who they are. `enforces` has schemas
    enforced in repositories that the official suite doesn't push to.
    """

    door: Door = "lane"
    server: HttpServer = "granian"
    python: str = THIS_PYTHON
    storage: Storage = "file"
    auth: Auth = "open"
    enforces: bool = False

    def __str__(self) -> str:
        schemas = ", schemas elsewhere" if self.enforces else ""
        return f"{self.door}, {self.server}, Python {self.python}, {self.storage}, {self.auth}{schemas}"


@dataclass(frozen=True)
class Server:
    """A server that runs.

    `host` is what clients write (`127.0.0.1:PORT`), `directory` is its own and empty but for `data` and `log`, the file
    with everything that it says. `administration` is there where clients must show who they are, and `schemas`, which is the
    same, where some are to be enforced.
    """

    host: str
    directory: Path
    log: Path
    administration: Administration | None = None
    schemas: Administration | None = None

    @property
    def url(self) -> str:
        """The URL below which it answers, without a slash at the end."""
        return f"http://{self.host}"

    @property
    def nodes(self) -> tuple[Server, ...]:
        """The server itself, which is one node."""
        return (self,)

    @property
    def logs(self) -> dict[str, Path]:
        """Its log, under the name that tells it from other files."""
        return {"server.log": self.log}


@contextmanager
def serving(setup: Setup | None = None, **settings: str) -> Iterator[Server]:
    """Run Blacklake on a free port of the loopback address; at the end nothing of it is left.

    `settings` are those of the server in lower case (`sparse="allow"`); the caller's BLACKLAKE_* variables don't count.
    Raise PythonMissing or ServerFailed.
    """
    with (
        tempfile.TemporaryDirectory(prefix="blacklake-") as home,
        node(setup or Setup(), Path(home), settings) as server,
    ):
        yield server


@contextmanager
def node(
    setup: Setup, directory: Path, settings: Mapping[str, str], environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Run Blacklake as `serving` does, in a directory of the caller's and with more variables in its environment."""
    program = program_of(setup.python)
    log = directory / "log"
    options = ["--port", "0", "--data-dir", str(directory / "data"), "--server", setup.server]
    env = _environment(setup, settings) | dict(environment or {})
    with log.open("wb") as output:
        process = subprocess.Popen(
            tied([program, "serve", *options]),
            cwd=directory,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C reaches us, who then stop the server.
        )
    try:
        host = _wait(process, log, setup)
        beside = Administration(program, {**env, "BLACKLAKE_DATA_DIR": str(directory / "data")}, directory)
        asking = beside if setup.auth == "token" else None
        yield Server(host, directory, log, asking, beside if setup.enforces else None)
    finally:
        _stop(process, log, setup)


@cache
def program_of(python: str) -> Path:
    """Return the `blacklake` of a version of Python; make its virtual environment where it is missing or old.

    Raise PythonMissing when that version isn't here, ServerFailed when the environment can't be made.
    """
    if python == THIS_PYTHON:
        program = Path(sys.prefix, "bin", "blacklake")
        if not program.exists():
            raise ServerFailed(f"there is no {program}; `make install` makes it")
        return program
    environment = f".venv-{python}"
    command = ["make", "--no-print-directory", f"VENV={environment}", f"PYTHONS={_interpreter(python)}", "install"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServerFailed(f"{environment} can't be made:\n{done.stderr[-2000:]}")
    return ROOT / environment / "bin" / "blacklake"


def _interpreter(python: str) -> str:
    """Return the interpreter of that version on the PATH or among pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    question = "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"
    candidates = map(str, sorted(pyenv.glob(f"{python}*/bin/python{python}")))
    for candidate in (f"python{python}", *candidates):
        try:
            done = subprocess.run([candidate, "-c", question], capture_output=True, text=True, check=False)
        except OSError:
            continue
        version, _, path = done.stdout.strip().partition(" ")
        if done.returncode == 0 and version == python:  # A pyenv shim may exist and yet not work.
            return path
    raise PythonMissing(f"python{python} is not at hand")


def _environment(setup: Setup, settings: Mapping[str, str]) -> dict[str, str]:
    ours = ("BLACKLAKE_", "PG", "AWS_")
    foreign = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    chosen = {"fast_lane": str(setup.door == "lane").lower(), "auth": setup.auth}
    if setup.storage == "memory":
        chosen["storage"] = "memory:"
    return foreign | {f"BLACKLAKE_{name.upper()}": value for name, value in {**chosen, **settings}.items()}


def _wait(process: subprocess.Popen[bytes], log: Path, setup: Setup) -> str:
    """Return the address that the greeting names; the server greets when `/ready` answers 200."""
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        if found := _GREETING.search(log.read_text(errors="replace")):
            return str(found[1])
        if ended:
            break
        time.sleep(_POLL)
    raise ServerFailed(f"Blacklake ({setup}) did not start. Its log ends:\n{_end_of(log)}")


def _stop(process: subprocess.Popen[bytes], log: Path, setup: Setup) -> None:
    process.terminate()
    try:
        process.wait(_STOP)
    except subprocess.TimeoutExpired:
        process.kill()  # What it has started ends with it.
        process.wait()
        raise ServerFailed(f"Blacklake ({setup}) had to be killed. Its log ends:\n{_end_of(log)}") from None


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-3000:]
