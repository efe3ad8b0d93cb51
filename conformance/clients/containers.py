# ruff: noqa: D102 - what a verb takes and does stands in Client.
"""podman and buildah: images live unpacked in a store of their own and are made anew for a push."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

from conformance.clients.accounts import Account
from conformance.clients.client import TAG, Client, Pulled
from conformance.clients.images import Content, write_layout
from conformance.tools import path_of

_IMAGES: Final = "handles images only"
_REFERRERS: Final = "knows no referrers"
_DELETES: Final = "deletes in its own store only"
_PLAIN: Final = "--tls-verify=false"

STORE_LACKS: Final[Mapping[str, str]] = {
    "push_files": _IMAGES,
    "pull_files": _IMAGES,
    "push_docker_list": "pushes an index that it has made itself only",
    "push_whole_index": "pushes an index that it has made itself only",
    "copy_referrers": _REFERRERS,
    "copy": "pulls into its store and pushes from there",
    "round_trip": "makes images anew",
    "attach": _REFERRERS,
    "discover": _REFERRERS,
    "tags": "lists no tags",
    "catalog": "lists no repositories",
    "delete_tag": _DELETES,
    "delete_manifest": _DELETES,
    "push_blob": _IMAGES,
    "pull_blob": _IMAGES,
    "delete_blob": _IMAGES,
    "sha512_push": "names what it makes by sha256 always",
    "sha512_pull": "its store takes sha256 only",
}
"""What a client with a store of its own lacks, and why: see Client.lacks."""


class ContainerClient(Client):
    """What podman and buildah have in common."""

    exact: ClassVar[bool] = False
    converts: ClassVar[bool] = True
    lacks: ClassVar[Mapping[str, str]] = STORE_LACKS

    def __init__(self, host: str, home: Path) -> None:
        super().__init__(host, home)
        store = ("--storage-driver", "vfs", "--root", str(home / "store"), "--runroot", str(home / "runroot"))
        self._program = [str(path_of(self.name)), *store]

    def login(self, host: str, account: Account) -> None:
        options = (_PLAIN, "--username", account.user, "--password-stdin")
        self.login_by_command(account, *self._program, "login", *options, host)

    def logout(self, host: str) -> None:
        self.run(*self._program, "logout", host)

    def login_by_token(self, host: str, account: Account) -> None:
        self.write_token(self.home / "auth.json", host, account)

    def push_pulled(self, source: str, target: str) -> None:
        self.run(*self._program, "pull", "--quiet", _PLAIN, source)
        self.run(*self._program, "push", _PLAIN, source, f"docker://{target}")

    def version(self) -> str:
        return self.run(self._program[0], "--version").split()[2]

    def push_command(self, content: Content, target: str) -> Sequence[str]:
        # Pulled from a layout an image gets its directory's name, so that is short and relative.
        directory = self.scratch()
        write_layout(content, directory / "image", TAG)
        identity = self.run(*self._program, "pull", "--quiet", f"oci:image:{TAG}", cwd=directory)
        options = (_PLAIN, "--digestfile", str(self._digest_file))
        return [*self._program, "push", *options, identity.split()[-1], f"docker://{target}"]

    def push_image(self, content: Content, target: str) -> str | None:
        self.run(*self.push_command(content, target))
        return self._digest_file.read_text()

    def push_docker(self, content: Content, target: str) -> str | None:
        *command, identity, destination = self.push_command(content, target)
        self.run(*command, "--format", "v2s2", identity, destination)
        return self._digest_file.read_text()

    def pull_platform(self, source: str, platform: str) -> Pulled:
        return self.pull_image(source, platform)

    def push_index(self, target: str, children: Sequence[str]) -> str | None:
        name = f"localhost/{target.rpartition('/')[2]}"
        self.run(*self._program, "manifest", "create", name)
        for child in children:
            self.run(*self._program, "manifest", "add", _PLAIN, name, f"docker://{child}")
        options = ("--all", _PLAIN, "--digestfile", self._digest_file)
        self.run(*self._program, "manifest", "push", *options, name, f"docker://{target}")
        return self._digest_file.read_text()

    @property
    def _digest_file(self) -> Path:
        return self.home / "digest"
