# ruff: noqa: D102 - what a verb takes and does stands in Client.
"""docker: the daemon that answers here, or one of our own for as long as it is needed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

from conformance.clients.accounts import Account
from conformance.clients.client import Client, CommandFailed, Pulled
from conformance.clients.containers import STORE_LACKS
from conformance.clients.images import Content, unpacked_archive, write_docker_archive
from conformance.tools import ToolMissing

_START: Final = 30.0  # seconds until the daemon answers
_POLL: Final = 0.1  # seconds between two looks
_STOP: Final = 20.0  # seconds from SIGTERM to SIGKILL
_GET: Final = "on Debian and Ubuntu: apt-get install docker.io"


class Docker(Client):
    """docker, the command line, and the daemon behind it, to which loopback addresses need no TLS."""

    name: ClassVar[str] = "docker"
    exact: ClassVar[bool] = False
    schema2: ClassVar[bool] = True
    lacks: ClassVar[Mapping[str, str]] = STORE_LACKS

    def __init__(self, host: str, home: Path) -> None:
        super().__init__(host, home)
        program = shutil.which("docker")
        if program is None:
            raise ToolMissing(f"docker is missing; {_GET}")
        self._docker = program
        self._loaded: list[str] = []
        self._daemon: subprocess.Popen[bytes] | None = None
        self._host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        if not self._answers():
            self._start()

    def close(self) -> None:
        if self._daemon is None:
            # Another one's daemon gets back what we have put into its store.
            if self._loaded:
                self.run(self._docker, "rmi", "--force", *self._loaded)
            return
        self._daemon.terminate()
        try:
            self._daemon.wait(_STOP)
        except subprocess.TimeoutExpired:
            self._daemon.kill()
            self._daemon.wait()

    def login(self, host: str, account: Account) -> None:
        self.login_by_command(account, self._docker, "login", "--username", account.user, "--password-stdin", host)

    def logout(self, host: str) -> None:
        self.run(self._docker, "logout", host)

    def login_by_token(self, host: str, account: Account) -> None:
        self.write_token(self.home / "docker" / "config.json", host, account)

    def push_pulled(self, source: str, target: str) -> None:
        self._loaded += [source, target]
        self.run(self._docker, "pull", "--quiet", source)
        self.run(self._docker, "tag", source, target)
        self.run(self._docker, "push", "--quiet", target)

    def version(self) -> str:
        client, daemon = self.run(
            self._docker, "version", "--format", "{{.Client.Version}} {{.Server.Version}}"
        ).split()
        return f"{client}, daemon {daemon}"

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "DOCKER_HOST": self._host}

    def push_command(self, content: Content, target: str) -> Sequence[str]:
        self._loaded.append(target)
        self.run(self._docker, "load", "--input", write_docker_archive(content, self.scratch() / "image.tar", target))
        return [self._docker, "push", "--quiet", target]

    def push_image(self, content: Content, target: str) -> str | None:
        self.run(*self.push_command(content, target))
        names = json.loads(self.run(self._docker, "image", "inspect", target))[0]["RepoDigests"]
        repository = target.rpartition(":")[0]
        return next(str(name).partition("@")[2] for name in names if name.startswith(f"{repository}@"))

    def push_docker(self, content: Content, target: str) -> str | None:
        return self.push_image(content, target)

    def pull_image(self, source: str, platform: str | None = None) -> Pulled:
        chosen = ("--platform", platform) if platform else ()
        self.run(self._docker, "pull", "--quiet", *chosen, source)
        image = json.loads(self.run(self._docker, "image", "inspect", source))[0]
        archive = self.scratch() / "image.tar"
        self.run(self._docker, "save", "--output", archive, source)
        self.run(self._docker, "rmi", "--force", image["Id"])
        digests = {name.partition("@")[2] for name in image["RepoDigests"]}
        return Pulled(frozenset({*digests, image["Id"]}), files=unpacked_archive(archive))

    def pull_platform(self, source: str, platform: str) -> Pulled:
        return self.pull_image(source, platform)

    def pull_resumed(self, source: str) -> Pulled:
        return self.pull_image(source)

    def push_index(self, target: str, children: Sequence[str]) -> str | None:
        self.run(self._docker, "manifest", "create", "--insecure", target, *children)
        return self.run(self._docker, "manifest", "push", "--insecure", "--purge", target)

    def _answers(self) -> bool:
        try:
            self.run(self._docker, "info")
        except CommandFailed:
            return False
        return True

    def _start(self) -> None:
        """Start a daemon of our own that runs no containers; raise ToolMissing with the reason where it can't be."""
        program = shutil.which("dockerd")
        if program is None:
            raise ToolMissing(f"docker: no daemon answers at {self._host}, and dockerd is missing; {_GET}")
        if os.geteuid() != 0:
            raise ToolMissing(f"docker: no daemon answers at {self._host}, and to start one takes root")
        self._host = f"unix://{self.home}/docker.sock"
        places = (f"--data-root={self.home}/data", f"--exec-root={self.home}/exec", f"--pidfile={self.home}/docker.pid")
        bare = ("--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs")
        log = self.home / "log"
        with log.open("wb") as output:
            self._daemon = subprocess.Popen(
                [program, "--host", self._host, *places, *bare],
                cwd=self.home,
                env=super().environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START
        while not self._answers():
            if self._daemon.poll() is not None or time.monotonic() > deadline:
                self.close()
                said = log.read_text(errors="replace")[-500:]
                raise ToolMissing(f"docker: no daemon answers, and one of our own doesn't start: {said}")
            time.sleep(_POLL)
