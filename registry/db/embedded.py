"""A private PostgreSQL as a child process: made on first use, healed at each start, gone with its parent.

Nobody outside reaches it: it listens on a unix socket in a directory that only its owner may enter.

    postgres/             the database directory
    postgres.new/         one that is being made; removed by the next start
    postgres.migrating/   a copy in a newer major version that is being filled; removed by the next migration
    postgres.migrated/    a complete and checked copy; every start first puts it into its place
    postgres.16.old/      the directory that such a copy replaced
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

from registry.db.binaries import (
    DATABASE,
    USER,
    EmbeddedPostgresFailed,
    binaries,
    initialise,
    installations,
    refuse_out_of_reach,
    spawn,
    sync_directory,
)
from registry.processes import end, identify, running_in, wait_for_end, works_in

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresFailed", "beside", "finish_switch", "major_of", "running_url"]

_PORT: Final = 5432  # part of the socket's name; there is no TCP port
_SOCKET: Final = f".s.PGSQL.{_PORT}"
_SOCKET_LIMIT: Final = 107  # bytes of a unix socket's path (unix(7): sun_path)
_LOG_LIMIT: Final = 4 << 20  # bytes of the log before it becomes postgres.log.1
_START_LIMIT: Final = 600.0  # seconds; recovery after a crash may replay max_wal_size and more
_LEAVE_LIMIT: Final = 10.0  # seconds for another postmaster that is just shutting down
_QUIT_LIMIT: Final = 10.0  # seconds for an immediate shutdown, before force
_POLL: Final = 0.01
_PID_LINES: Final = 5  # of postmaster.pid, the last one where the socket is (PostgreSQL: src/include/utils/pidfile.h)


class EmbeddedPostgres:
    """The PostgreSQL of one directory. Every process of it inherits `lock_fd` and so holds the data directory's lock."""

    major: int

    def __init__(self, directory: Path, *, lock_fd: int | None = None) -> None:
        self.directory = directory.absolute()
        self._lock_fd = lock_fd
        self._log = self.directory / "postgres.log"
        self._sockets = self.directory
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return the URL of the database, as asyncpg, SQLAlchemy and libpq take it."""
        return _url(self._sockets)

    @property
    def pid(self) -> int:
        """Return the pid of the postmaster. Raises EmbeddedPostgresFailed before the first start."""
        return self._child.pid

    def start(self) -> None:
        """Start PostgreSQL and wait until it accepts connections; make its directory on first use.

        Call it from a thread that lives as long as the server should: PostgreSQL shuts down when that thread ends. What
        a killed PostgreSQL left behind (backends, lock files, a half-made directory) is cleared first. May be called
        again when `poll` says that it died. Raises EmbeddedPostgresFailed.
        """
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_LEAVE_LIMIT)
        try:
            for place in (self.directory, *installations().values()):
                refuse_out_of_reach(place)
            finish_switch(self.directory)
            if not (self.directory / "PG_VERSION").exists():
                initialise(self.directory, max(installations()), lock_fd=self._lock_fd)
            self.major = major_of(self.directory)
            _clear_leftovers(self.directory)
            self._sockets = _socket_directory(self.directory)
            self._bound_log()
            self._launch()
        except OSError as error:
            raise EmbeddedPostgresFailed(f"PostgreSQL can't be started on {self.directory}: {error}") from error

    def poll(self) -> int | None:
        """Return the exit code of a PostgreSQL that has died, None while it lives; keep its log in bounds."""
        code = self._child.poll()
        if code is None:
            self._bound_log()
        return code

    def stop(self, timeout: float = 30) -> None:
        """Shut down: politely (clients are disconnected), after `timeout` seconds at once, and at last by force."""
        if self._process is None:
            return
        for request, patience in ((signal.SIGINT, timeout), (signal.SIGQUIT, _QUIT_LIMIT), (signal.SIGKILL, None)):
            self._process.send_signal(request)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)
                break
        if self._sockets != self.directory:
            shutil.rmtree(self._sockets, ignore_errors=True)

    @property
    def _child(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise EmbeddedPostgresFailed(f"PostgreSQL on {self.directory} was not started yet")
        return self._process

    def _launch(self) -> None:
        settings = {
            "port": str(_PORT),
            "listen_addresses": "",
            "unix_socket_directories": '"{}"'.format(str(self._sockets).replace('"', '""')),
            "unix_socket_permissions": "0700",
            "logging_collector": "off",
            "log_destination": "stderr",
        }
        flags = itertools.chain.from_iterable(("-c", f"{name}={value}") for name, value in settings.items())
        with self._log.open("ab") as log:
            begin = log.tell()
            self._process = spawn(
                [binaries(self.major) / "postgres", "-D", self.directory, *flags],
                farewell=signal.SIGQUIT,
                lock_fd=self._lock_fd,
                stdout=log,
            )
        self._wait_until_ready(begin)

    def _wait_until_ready(self, begin: int) -> None:
        """Wait for the word that the postmaster writes into the last line of its pid file, as pg_ctl does."""
        deadline = time.monotonic() + _START_LIMIT
        while self._child.poll() is None and time.monotonic() < deadline:
            lines = _pid_file(self.directory)
            if len(lines) > 7 and lines[0] == str(self.pid) and lines[7].startswith("ready"):
                return
            time.sleep(_POLL)
        self.stop(0)
        with self._log.open("rb") as log:
            log.seek(max(begin, log.seek(0, os.SEEK_END) - 2000))
            said = log.read().decode(errors="replace").strip()
        raise EmbeddedPostgresFailed(
            f"PostgreSQL {self.major} does not start on {self.directory}; its log {self._log} says: {said or 'nothing'}"
        )

    def _bound_log(self) -> None:
        """Move a long log away; it is copied and cut, because a running PostgreSQL keeps it open for appending."""
        with contextlib.suppress(OSError):
            if self._log.stat().st_size > _LOG_LIMIT:
                shutil.copyfile(self._log, self._log.with_suffix(".log.1"))
                os.truncate(self._log, 0)


def running_url(directory: Path) -> str | None:
    """Return the URL of the database that another process runs on a directory; None where none does."""
    lines = _pid_file(directory)
    if len(lines) < _PID_LINES or not lines[0].isdecimal():
        return None
    owner = identify(int(lines[0]))
    return _url(Path(lines[4])) if owner is not None and works_in(owner.pid, directory.absolute()) else None


def finish_switch(directory: Path) -> Path | None:
    """Put a migrated copy into its place, also one whose migration was killed just before; return where the old one is."""
    migrated = beside(directory, "migrated")
    if not migrated.exists():
        return None
    kept = None
    if directory.exists():
        name = f"{major_of(directory)}.old"
        names = itertools.chain([name], (f"{name}.{number}" for number in itertools.count(2)))
        kept = next(place for place in (beside(directory, name) for name in names) if not place.exists())
        directory.rename(kept)
        sync_directory(directory.parent)
    migrated.rename(directory)
    sync_directory(directory.parent)
    return kept


def _url(sockets: Path) -> str:
    place = urlencode({"host": str(sockets), "port": _PORT}, quote_via=quote)
    return f"postgresql://{USER}@/{DATABASE}?{place}"


def beside(directory: Path, suffix: str) -> Path:
    """Return the directory `suffix` beside a database directory: `migrating`, `migrated` or one like `16.old`."""
    return directory.with_name(f"{directory.name}.{suffix}")


def major_of(directory: Path) -> int:
    """Return the major version that a database directory is of."""
    return int((directory / "PG_VERSION").read_text())


def _pid_file(directory: Path) -> list[str]:
    try:
        return (directory / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def _clear_leftovers(directory: Path) -> None:
    """End the backends of a killed postmaster and remove its lock files; refuse while a postmaster lives.

    PostgreSQL itself believes a stale lock file when its pid is in use again, whoever uses it; here the process must
    also work in this directory.
    """
    lines = _pid_file(directory)
    owner = identify(int(lines[0])) if lines and lines[0].isdecimal() else None
    if owner is not None and works_in(owner.pid, directory) and wait_for_end([owner], _LEAVE_LIMIT):
        raise EmbeddedPostgresFailed(
            f"another PostgreSQL with pid {owner.pid} runs on {directory}; stop it first: kill -INT {owner.pid}"
        )
    end([(identity, signal.SIGKILL) for identity in running_in(directory, "postgres")], _LEAVE_LIMIT)
    for name in ("postmaster.pid", _SOCKET, f"{_SOCKET}.lock"):
        (directory / name).unlink(missing_ok=True)


def _socket_directory(directory: Path) -> Path:
    """Return where the socket is: in the directory, or in a private temporary one when its path would not do.

    A path is too long above 107 bytes, and a comma in it separates hosts for clients. The temporary directory is noted
    and used again, so that the URL stays the same.
    """
    if len(os.fsencode(directory / _SOCKET)) <= _SOCKET_LIMIT and "," not in str(directory):
        return directory
    note = directory / "socket-directory"
    if note.exists():
        noted = Path(note.read_text())
        with contextlib.suppress(OSError):
            noted.mkdir(mode=0o700, exist_ok=True)
            found = noted.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) == 0o700:
                for file in noted.iterdir():
                    file.unlink()
                return noted
    sockets = Path(tempfile.mkdtemp(prefix="blacklake-"))
    note.write_text(str(sockets))
    return sockets
