"""The container image, built from nothing, and a container of it: namespaces and a read-only root, without a daemon."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psutil

from tests.docs.commands import ROOT
from tests.lifecycle.serving import eventually

_LISTENS: Final = re.compile(r"listens on http://[^:]+:(\d+)")
# What `docker run --read-only --cap-drop all --security-opt no-new-privileges` does, in words of util-linux.
_CONTAINER: Final = """
set -e
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount --bind "$2" "$1/var/lib/blacklake"
root=$1
shift 2
exec chroot "$root" setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all "$@"
"""


class Builder:
    """buildah with a storage of its own."""

    def __init__(self, directory: Path) -> None:
        self._options = ["--root", f"{directory}/storage", "--runroot", f"{directory}/run"]

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            ["buildah", *self._options, *arguments],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def build(self, sources: Path, tag: str) -> dict[str, Any]:
        """Build the image of `sources` by the project's script and return its configuration."""
        env = os.environ | {"BUILDAH": " ".join(self._options), "TAG": tag, "SOURCE_DATE_EPOCH": "1700000000"}
        done = subprocess.run([sources / "deploy/docker/build"], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        configuration: dict[str, Any] = json.loads(self.run("inspect", "--type", "image", tag))["Docker"]
        return configuration

    @contextlib.contextmanager
    def mounted(self, tag: str) -> Iterator[Path]:
        """Yield the directory of a new container's root."""
        container = self.run("from", "--pull-never", tag)
        try:
            yield Path(self.run("mount", container))
        finally:
            self.run("umount", container)
            self.run("rm", container)


@contextlib.contextmanager
def builder() -> Iterator[Builder]:
    """Yield a builder; at the end nothing of its storage is left."""
    with tempfile.TemporaryDirectory(prefix="blacklake-image-") as directory:
        made = Builder(Path(directory))
        try:
            yield made
        finally:
            made.run("rmi", "--all", "--force")


def copy_of_sources(to: Path) -> Path:
    """Copy the working tree but for what git ignores: both builds are of the same sources, whoever edits them meanwhile."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in names.split("\0"):
        if name and (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    return to


class Container:
    """A process in the container's root, as the image's configuration says; `volume` is the only directory of its own."""

    def __init__(self, root: Path, configuration: dict[str, Any], volume: Path) -> None:
        self._root, self._configuration, self._volume = root, configuration["config"], volume

    def _command(self, command: list[str], settings: dict[str, str]) -> list[str]:
        variables = [*self._configuration["Env"], *(f"{name}={value}" for name, value in settings.items())]
        isolated = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", _CONTAINER, "container"]
        return [*isolated, str(self._root), str(self._volume), "/usr/bin/env", "-i", *variables, *command]

    @contextlib.contextmanager
    def serving(self, log: Path, **settings: str) -> Iterator[int]:
        """Run the entry point; yield its port, then stop it by the image's signal: it must end with code 0."""
        command = [*self._configuration["Entrypoint"], *self._configuration["Cmd"]]
        with log.open("wb") as output:
            process = subprocess.Popen(
                self._command(command, settings), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        try:
            eventually(lambda: _LISTENS.search(log.read_text()) or process.poll() is not None, "the greeting")
            found = _LISTENS.search(log.read_text())
            assert found is not None, log.read_text()
            yield int(found[1])
            (server,) = psutil.Process(process.pid).children()
            server.send_signal(signal.Signals[self._configuration["StopSignal"]])
            assert process.wait(60) == 0, log.read_text()
        finally:
            process.kill()  # and with it, by --kill-child, everything in the container
            process.wait()

    def run(self, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run another command in such a container."""
        return subprocess.run(self._command(list(command), settings), capture_output=True, text=True, check=False)
