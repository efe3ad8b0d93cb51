"""Programs that end with whoever started them, however that ends."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path


def tied(command: Sequence[str | Path], farewell: str = "TERM") -> list[str | Path]:
    """Return a command that gets the signal `farewell` when the thread that starts it ends, also when it is killed.

    Without util-linux's `setpriv` it is the command as it is.
    """
    return ["setpriv", f"--pdeathsig={farewell}", "--", *command] if shutil.which("setpriv") else list(command)
