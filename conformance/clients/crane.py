# ruff: noqa: ARG002, D102 - what a verb takes and does stands in Client.
"""crane: images, by go-containerregistry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

from conformance.clients.accounts import Account
from conformance.clients.layouts import LayoutClient
from conformance.tools import path_of

_IMAGES: Final = "handles images only"
_REFERRERS: Final = "knows no referrers"


class Crane(LayoutClient):
    """crane, the command line."""

    name: ClassVar[str] = "crane"
    lacks: ClassVar[Mapping[str, str]] = {
        "push_files": _IMAGES,
        "pull_files": _IMAGES,
        "attach": _REFERRERS,
        "copy_referrers": _REFERRERS,
        "discover": _REFERRERS,
        "push_blob": "pulls blobs only",
        "delete_blob": "pulls blobs only",
        "sha512_push": "names manifests and configs by sha256 always",
        "sha512_pull": "names manifests and configs by sha256 always",
    }

    def __init__(self, host: str, home: Path) -> None:
        super().__init__(host, home)
        self._crane = [str(path_of("crane")), "--insecure"]

    def login(self, host: str, account: Account) -> None:
        self.login_by_command(account, *self._crane, "auth", "login", host, "-u", account.user, "--password-stdin")

    def logout(self, host: str) -> None:
        self.run(*self._crane, "auth", "logout", host)

    def login_by_token(self, host: str, account: Account) -> None:
        self.write_token(self.home / "docker" / "config.json", host, account)

    def version(self) -> str:
        return self.run(*self._crane, "version").removeprefix("v")

    def from_layout(self, directory: Path, target: str) -> Sequence[str]:
        return [*self._crane, "push", str(directory), target]

    def reported(self, printed: str, target: str) -> str | None:
        return printed.rpartition("@")[2]

    def to_layout(self, source: str, directory: Path, platform: str | None = None) -> Sequence[str]:
        chosen = ["--platform", platform] if platform else []
        return [*self._crane, "pull", "--format", "oci", *chosen, source, str(directory)]

    def copy(self, source: str, target: str) -> None:
        self.run(*self._crane, "copy", source, target)

    def push_index(self, target: str, children: Sequence[str]) -> str | None:
        named = [word for child in children for word in ("--manifest", child)]
        return self.run(*self._crane, "index", "append", *named, "--tag", target).rpartition("@")[2]

    def tags(self, repository: str) -> list[str]:
        return self.run(*self._crane, "ls", repository).splitlines()

    def catalog(self) -> list[str]:
        return self.run(*self._crane, "catalog", self.host).splitlines()

    def delete_tag(self, target: str) -> None:
        self.run(*self._crane, "delete", target)

    def delete_manifest(self, repository: str, digest: str, tag: str) -> None:
        self.run(*self._crane, "delete", f"{repository}@{digest}")

    def pull_blob(self, repository: str, digest: str) -> bytes:
        return self.output(*self._crane, "blob", f"{repository}@{digest}")
