"""A server's data directory: its lock, the ledger of its processes, its sub-directories.

lock                  held (flock) by every process that may write here, so it is free only when all have ended
run/processes.json    who they are: role, pid, start time, boot
initial-admin-password  the first user's password, until he changes it
blobs/  postgres/     storage and database
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import stat
import time
from pathlib import Path
from typing import Final

from registry.processes import Identity, end, identify

FIRST_ADMIN: Final = "admin"
"""The user that a first start makes."""

PASSWORD_FILE: Final = "initial-admin-password"  # noqa: S105 - a file's name
"""Where a first start leaves that one's password."""

_SUPERVISOR: Final = "supervisor"
_LOCK_PATIENCE: Final = 15.0  # seconds for the leftovers of a killed server to let go
_END_PATIENCE: Final = 5.0  # seconds between asking a leftover to end and killing it
_POLL: Final = 0.02

# A postmaster that is asked by SIGTERM waits for its clients; SIGQUIT means "at once", and its next start recovers.
_FAREWELLS: Final = {"postgres": signal.SIGQUIT}


class FirstStartFailed(Exception):
    """The registry can't have users; the message says why and what to do."""


class DataDirectoryUnusable(Exception):
    """The data directory can't be used; the message says why and what to do."""


class DataDirectoryInUse(DataDirectoryUnusable):
    """Another server works on the data directory. `pid` is its main process, or None when that can't be told."""

    def __init__(self, path: Path, pid: int | None) -> None:
        holder = "another process, perhaps in another container" if pid is None else f"the process with pid {pid}"
        super().__init__(
            f"the data directory {path} is in use by {holder}; stop that one first, or choose another directory"
            " with --data-dir"
        )
        self.pid = pid


class DataDirectory:
    """One server's data directory. `lock_fd` goes to every process that may write (`pass_fds`)."""

    lock_fd: int

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.postgres = self.path / "postgres"
        self.run = self.path / "run"
        self._ledger = self.run / "processes.json"
        self._entries: dict[Identity, str] = {}

    def acquire(self) -> None:
        """Make the directory (0700) if need be, end what a killed server left, and take the lock.

        Waits up to 15 seconds for leftovers. The caller is recorded as the directory's supervisor. Raises
        DataDirectoryInUse when another supervisor lives, and DataDirectoryUnusable when the directory can't be written.
        """
        descriptor = None
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.run.mkdir(mode=0o700, exist_ok=True)
            self._refuse_planted()
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            self._lock(descriptor)
            self._end_leftovers()
            self._entries = {}
            self.record(_SUPERVISOR, os.getpid())
        except BaseException as error:
            if descriptor is not None:
                os.close(descriptor)
            if isinstance(error, OSError):
                raise DataDirectoryUnusable(
                    f"the data directory {self.path} can't be used: {error.strerror}; make it writable for this user,"
                    " or choose another with --data-dir"
                ) from error
            raise
        os.set_inheritable(descriptor, True)
        self.lock_fd = descriptor

    def record(self, role: str, pid: int) -> None:
        """Write down a process of this server, so that a later start can end it; one that has ended already is not."""
        identity = identify(pid)
        if identity is not None:
            self._entries[identity] = role
            self._write()

    def forget(self, pid: int) -> None:
        """Strike out a process that has ended."""
        self._entries = {identity: role for identity, role in self._entries.items() if identity.pid != pid}
        self._write()

    def release(self) -> None:
        """Let go of the directory; processes that still hold `lock_fd` keep it locked until they end."""
        self._entries = {}
        self._write()
        # Closing is right, LOCK_UN would be wrong: it unlocks for every process that inherited the descriptor.
        os.close(self.lock_fd)

    def _refuse_planted(self) -> None:
        """Believe only a ledger that nobody else can have written: it says which processes to kill."""
        for place, owners, writers in ((self.path, (0, os.geteuid()), 0o002), (self.run, (os.geteuid(),), 0o022)):
            found = place.lstat() if place is self.run else place.stat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners or found.st_mode & writers:
                raise DataDirectoryUnusable(
                    f"{place} belongs to another user, or others may write there; run as its owner and take that right"
                    " away (chmod go-w), or choose another directory with --data-dir"
                )

    def _lock(self, descriptor: int) -> None:
        deadline = time.monotonic() + _LOCK_PATIENCE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                # The ledger is read anew each time: the lock may go to another server that starts at this moment.
                left = self._end_leftovers()
                if time.monotonic() > deadline:
                    raise DataDirectoryInUse(self.path, left[0].pid if left else None) from None
                time.sleep(_POLL)

    def _end_leftovers(self) -> list[Identity]:
        """End what the ledger names; return what can't be ended. Raises DataDirectoryInUse when its supervisor lives."""
        entries = self._read()
        for identity, role in entries.items():
            if role == _SUPERVISOR and identity.alive:
                raise DataDirectoryInUse(self.path, identity.pid)
        return end(
            ((identity, _FAREWELLS.get(role, signal.SIGTERM)) for identity, role in entries.items()), _END_PATIENCE
        )

    def _read(self) -> dict[Identity, str]:
        try:
            rows = json.loads(self._ledger.read_bytes())
            return {Identity(row["pid"], row["started"], row["boot"]): row["role"] for row in rows}
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return {}  # A power cut may leave an empty file, but no process either.

    def _write(self) -> None:
        rows = [
            {"role": role, "pid": identity.pid, "started": identity.started, "boot": identity.boot}
            for identity, role in self._entries.items()
        ]
        new = self._ledger.with_suffix(".new")
        new.write_text(json.dumps(rows, indent=1))
        new.replace(self._ledger)


def forget_first_password(directory: Path, user: str) -> None:
    """Delete the file with the first password, where it is there and the password is no longer that of its `user`."""
    if user == FIRST_ADMIN:
        (directory / PASSWORD_FILE).unlink(missing_ok=True)
