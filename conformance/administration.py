"""`blacklake admin`, beside a running server: the real command, on the server's data directory or database."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LIMIT: Final = 60  # seconds for a command; one takes one


class AdministrationFailed(Exception):
    """A command ended with another code than 0; the message holds the command and what it said."""


@dataclass(frozen=True)
class Administration:
    """The command of one installation: `environment` is that of its server, with the data directory."""

    program: Path
    environment: Mapping[str, str]
    directory: Path

    def run(self, *words: str, given: str = "") -> str:
        """Run `blacklake admin WORDS` with `given` as its input; return what it printed, without blanks around it.

        Raise AdministrationFailed.
        """
        done = subprocess.run(
            [self.program, "admin", *words],
            cwd=self.directory,
            env=dict(self.environment),
            input=given,
            capture_output=True,
            text=True,
            timeout=_LIMIT,
            check=False,
        )
        if done.returncode != 0:
            said = (done.stderr + done.stdout).strip()[-2000:]
            raise AdministrationFailed(f"$ blacklake admin {' '.join(words)}\n{said}\nexit code {done.returncode}")
        return done.stdout.strip()
