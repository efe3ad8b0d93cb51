"""A program that signs or verifies, in a home of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

PATIENCE = 60  # seconds; a command takes one or two


class CommandFailed(Exception):
    """A command has ended with another code than 0; the message holds it and what it said."""


class Program:
    """A program at `path` that keeps its settings in `home`."""

    def __init__(self, path: Path, home: Path) -> None:
        self.path = path
        self.home = home
        home.mkdir(parents=True, exist_ok=True)

    def environment(self) -> Mapping[str, str]:
        """Return what its environment has beside ours."""
        return {"HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home), "DOCKER_CONFIG": str(self.home / "docker")}

    def done(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [self.path, *words],
            cwd=self.home,
            env=os.environ | self.environment(),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        )

    def run(self, *words: str | Path) -> str:
        """Run a command and return all that it said. Raise CommandFailed."""
        done = self.done(*words)
        said = done.stdout + done.stderr
        if done.returncode != 0:
            raise CommandFailed(f"$ {self.path.name} {' '.join(map(str, words))}\n{said.strip()[-3000:]}")
        return said

    def refuses(self, *words: str | Path) -> str:
        """Run a command that has to fail; return what it said."""
        try:
            self.run(*words)
        except CommandFailed as failed:
            return str(failed)
        raise AssertionError(f"{self.path.name} {' '.join(map(str, words))} succeeds")
