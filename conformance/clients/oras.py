# ruff: noqa: ARG002, D102 - what a verb takes and does stands in Client.
"""oras: files as artifacts, referrers, layouts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

from conformance.clients.accounts import Account
from conformance.clients.client import TAG
from conformance.clients.images import Content
from conformance.clients.layouts import LayoutClient
from conformance.tools import path_of

_QUIET: Final = ("--plain-http", "--no-tty")


class Oras(LayoutClient):
    """oras, the command line."""

    name: ClassVar[str] = "oras"
    lacks: ClassVar[Mapping[str, str]] = {"delete_tag": "deletes the manifest that a tag names"}

    def __init__(self, host: str, home: Path) -> None:
        super().__init__(host, home)
        self._oras = str(path_of("oras"))

    def login(self, host: str, account: Account) -> None:
        command = (self._oras, "login", "--plain-http", "--username", account.user, "--password-stdin", host)
        self.login_by_command(account, *command)

    def logout(self, host: str) -> None:
        self.run(self._oras, "logout", host)

    def login_by_token(self, host: str, account: Account) -> None:
        self.login_by_command(account, self._oras, "login", "--plain-http", "--identity-token-stdin", host)

    def version(self) -> str:
        return self.run(self._oras, "version").split()[1]

    def push_files(self, target: str, directory: Path, types: Mapping[str, str], artifact_type: str) -> str | None:
        files = [f"{name}:{media_type}" for name, media_type in types.items()]
        command = (self._oras, "push", *_QUIET, "--format", "json", "--artifact-type", artifact_type, target, *files)
        return _digest(self.run(*command, cwd=directory))

    def pull_files(self, source: str, directory: Path) -> None:
        self.run(self._oras, "pull", *_QUIET, "--output", directory, source)

    def from_layout(self, directory: Path, target: str) -> Sequence[str]:
        return [self._oras, "cp", "--no-tty", "--to-plain-http", "--from-oci-layout", f"{directory}:{TAG}", target]

    def push_image(self, content: Content, target: str) -> str | None:
        if content.digest.startswith("sha512:"):  # A tag alone doesn't say by which algorithm the manifest is named.
            target = f"{target.rpartition(':')[0]}@{content.digest}"
        return super().push_image(content, target)

    def reported(self, printed: str, target: str) -> str | None:
        return printed.rpartition("Digest: ")[2]

    def to_layout(self, source: str, directory: Path, platform: str | None = None) -> Sequence[str]:
        chosen = ["--platform", platform] if platform else []
        target = f"{directory}:{TAG}"
        return [self._oras, "cp", "--no-tty", "--from-plain-http", "--to-oci-layout", *chosen, source, target]

    def copy(self, source: str, target: str) -> None:
        self.run(self._oras, "cp", "--no-tty", "--from-plain-http", "--to-plain-http", source, target)

    def copy_referrers(self, source: str, target: str) -> None:
        self.run(self._oras, "cp", "--no-tty", "--from-plain-http", "--to-plain-http", "--recursive", source, target)

    def push_index(self, target: str, children: Sequence[str]) -> str | None:
        digests = [child.partition("@")[2] for child in children]
        printed = self.run(self._oras, "manifest", "index", "create", "--plain-http", target, *digests)
        return self.reported(printed, target)

    def attach(self, subject: str, file: Path, media_type: str, artifact_type: str) -> str | None:
        options = ("--format", "json", "--artifact-type", artifact_type)
        command = (self._oras, "attach", *_QUIET, *options, subject, f"{file.name}:{media_type}")
        return _digest(self.run(*command, cwd=file.parent))

    def discover(self, subject: str, artifact_type: str | None = None) -> list[str]:
        chosen = ("--artifact-type", artifact_type) if artifact_type else ()
        found = json.loads(self.run(self._oras, "discover", "--plain-http", "--format", "json", *chosen, subject))
        return [referrer["digest"] for referrer in found["referrers"]]

    def tags(self, repository: str) -> list[str]:
        return self.run(self._oras, "repo", "tags", "--plain-http", repository).splitlines()

    def catalog(self) -> list[str]:
        return self.run(self._oras, "repo", "ls", "--plain-http", self.host).splitlines()

    def delete_manifest(self, repository: str, digest: str, tag: str) -> None:
        self.run(self._oras, "manifest", "delete", "--plain-http", "--force", f"{repository}:{tag}")

    def push_blob(self, repository: str, file: Path, digest: str) -> None:
        self.run(self._oras, "blob", "push", *_QUIET, f"{repository}@{digest}", file)

    def pull_blob(self, repository: str, digest: str) -> bytes:
        return self.output(self._oras, "blob", "fetch", *_QUIET, "--output", "-", f"{repository}@{digest}")

    def delete_blob(self, repository: str, digest: str) -> None:
        self.run(self._oras, "blob", "delete", "--plain-http", "--force", f"{repository}@{digest}")


def _digest(printed: str) -> str:
    return str(json.loads(printed)["digest"])
