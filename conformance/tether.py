"""Programs that end with whoever started them, however that ends."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

_STOP: Final = 30.0  # seconds from the farewell to SIGKILL


def tied(command: Sequence[str | Path], farewell: str = "TERM") -> list[str | Path]:
    """Return a command that gets the signal `farewell` when the thread that starts it ends, also when it is killed.

    Without util-linux's `setpriv` it is the command as it is.
    """
    return ["setpriv", f"--pdeathsig={farewell}", "--", *command] if shutil.which("setpriv") else list(command)


@contextmanager
def running(
    command: Sequence[str | Path],
    log: Path,
    *,
    below: Sequence[str] = (),
    farewell: str = "TERM",
    **options: Any,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program, tied, until the block ends; it gets the signal `farewell` then. What it says is appended to `log`.

    `below` is a command that runs the program in its own place; `options` are those of Popen.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*below, *tied(command, farewell)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C reaches us, who then stop it.
            **options,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.Signals[f"SIG{farewell}"])
        try:
            process.wait(_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
