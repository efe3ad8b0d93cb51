"""Processes by what they are, not by number alone, and commands that end when their parent ends.

A pid is reused, on a small container within minutes. A process is therefore named by its pid, the clock tick at which it
started and the boot in which that tick counts; only when all three agree is it the one that was meant.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_POLL: Final = 0.01  # seconds


class TetherUnavailable(Exception):
    """This machine lacks what a tethered process needs; the message names it and the way out."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One process for ever: `started` is in clock ticks since the boot called `boot` (proc(5), field 22 of stat)."""

    pid: int
    started: int
    boot: str

    @property
    def alive(self) -> bool:
        """Say whether this very process still runs; a zombie doesn't."""
        return identify(self.pid) == self


def identify(pid: int) -> Identity | None:
    """Return the identity of the process that has `pid` now, or None when there is none or only a zombie."""
    fields = _stat(pid)
    if fields is None or fields[1] in "ZX":
        return None
    return Identity(pid, int(fields[20]), _boot())


def running_in(directory: Path, name: str) -> list[Identity]:
    """Return the processes called `name` whose working directory is `directory`."""
    found = []
    for entry in _PROC.iterdir():
        if not entry.name.isdecimal():
            continue
        fields = _stat(int(entry.name))
        if fields is None or fields[0] != name:
            continue
        identity = identify(int(entry.name))
        if identity is not None and works_in(identity.pid, directory):
            found.append(identity)
    return found


def works_in(pid: int, directory: Path) -> bool:
    """Say whether the process's working directory is `directory`; one that may not be asked is somebody else's."""
    try:
        return (_PROC / str(pid) / "cwd").samefile(directory)
    except OSError:
        return False


def end(identities: Iterable[tuple[Identity, signal.Signals]], patience: float) -> list[Identity]:
    """Send each process its signal, then SIGKILL after `patience` seconds; return those that live on nevertheless."""
    pending = list(identities)
    for identity, request in pending:
        _send(identity, request)
    left = wait_for_end([identity for identity, _ in pending], patience)
    for identity in left:
        _send(identity, signal.SIGKILL)
    return wait_for_end(left, patience)


def wait_for_end(identities: Iterable[Identity], patience: float) -> list[Identity]:
    """Wait until the processes have ended, `patience` seconds at most; return those that still run."""
    deadline = time.monotonic() + patience
    left = [identity for identity in identities if identity.alive]
    while left and time.monotonic() < deadline:
        time.sleep(_POLL)
        left = [identity for identity in left if identity.alive]
    return left


def tethered(command: Sequence[str | Path], *, farewell: signal.Signals) -> list[str]:
    """Wrap a command so that it receives `farewell` when the thread that starts it ends, however that happens.

    Linux ties the signal to the *thread* that forks, so start the command from one that lives as long as it should. The
    shell asks once for its parent, because a parent that died before the tether was tied sends no signal. The pid of
    the wrapped command is the pid that was started: every step replaces itself with the next.

    As root the command runs in a user namespace of its own, as a user without privileges there who owns what root owns
    outside; nothing on the machine changes. The tether is tied after that, because changed credentials may untie it
    (prctl(2)).

    Raises TetherUnavailable.
    """
    if shutil.which("setpriv") is None:
        raise TetherUnavailable("the program setpriv is missing; install the package util-linux")
    return [
        *(_unprivileged() if os.geteuid() == 0 else ()),
        "setpriv",
        f"--pdeathsig={farewell.name.removeprefix('SIG')}",
        "sh",
        "-c",
        '[ "$PPID" = "$0" ] && exec "$@"',
        str(os.getpid()),
        *map(str, command),
    ]


@cache
def _unprivileged() -> tuple[str, ...]:
    prefix = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")
    if shutil.which("unshare") is None:
        raise TetherUnavailable("the program unshare is missing; install the package util-linux")
    probe = subprocess.run([*prefix, "true"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        raise TetherUnavailable(
            f"root can't give up its rights, because user namespaces are off ({probe.stderr.strip()})"
        )
    return prefix


def _send(identity: Identity, request: signal.Signals) -> None:
    if identity.alive:
        # It may have just ended, or be another user's: then the caller sees that it lives on.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(identity.pid, request)


def _stat(pid: int) -> list[str] | None:
    """Return name, state and the following fields of proc(5)'s stat; the name may itself hold blanks and brackets."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    head, _, tail = text.rpartition(")")
    return [head.partition("(")[2], *tail.split()]


@cache
def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""  # Some sandboxes hide it; the start time alone is then the safeguard.
