# ruff: noqa: ARG002, D102 - what a verb takes and does stands in Client.
"""skopeo: copies between registries, layouts and directories, converting where it is asked to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

from conformance.clients.accounts import Account
from conformance.clients.client import TAG, Pulled
from conformance.clients.images import Content, digest_of, write_layout
from conformance.clients.layouts import LayoutClient
from conformance.tools import path_of

_COPIES: Final = "copies images only"
_REFERRERS: Final = "knows no referrers"
_SHA512: Final = "names what it writes by sha256 always"


class Skopeo(LayoutClient):
    """skopeo, the command line."""

    name: ClassVar[str] = "skopeo"
    converts: ClassVar[bool] = True
    lacks: ClassVar[Mapping[str, str]] = {
        "push_files": _COPIES,
        "pull_files": _COPIES,
        "push_docker_list": "reads no layout of Docker's types",
        "push_index": "copies indexes, makes none",
        "attach": _REFERRERS,
        "discover": _REFERRERS,
        "catalog": "lists the tags of a repository only",
        "delete_tag": "deletes the manifest that a tag names",
        "push_blob": _COPIES,
        "pull_blob": _COPIES,
        "delete_blob": _COPIES,
        "sha512_push": _SHA512,
        "sha512_pull": _SHA512,
    }

    def __init__(self, host: str, home: Path) -> None:
        super().__init__(host, home)
        self._skopeo = [str(path_of("skopeo")), "--insecure-policy"]

    def login(self, host: str, account: Account) -> None:
        options = ("--tls-verify=false", "--username", account.user, "--password-stdin")
        self.login_by_command(account, *self._skopeo, "login", *options, host)

    def logout(self, host: str) -> None:
        self.run(*self._skopeo, "logout", host)

    def login_by_token(self, host: str, account: Account) -> None:
        self.write_token(self.home / "auth.json", host, account)

    def version(self) -> str:
        return self.run(*self._skopeo, "--version").split()[2]

    def from_layout(self, directory: Path, target: str) -> Sequence[str]:
        options = ("--all", "--preserve-digests", "--dest-tls-verify=false", "--digestfile", str(self._digest_file))
        return [*self._skopeo, "copy", *options, f"oci:{directory}:{TAG}", f"docker://{target}"]

    def reported(self, printed: str, target: str) -> str | None:
        return self._digest_file.read_text()

    def push_docker(self, content: Content, target: str) -> str | None:
        options = ("--format", "v2s2", "--dest-tls-verify=false", "--digestfile", str(self._digest_file))
        source = f"oci:{write_layout(content, self.scratch(), TAG)}:{TAG}"
        self.run(*self._skopeo, "copy", *options, source, f"docker://{target}")
        return self._digest_file.read_text()

    def to_layout(self, source: str, directory: Path, platform: str | None = None) -> Sequence[str]:
        options = ("--all", "--preserve-digests", "--src-tls-verify=false", "--dest-oci-accept-uncompressed-layers")
        return [*self._skopeo, "copy", *options, f"docker://{source}", f"oci:{directory}:{TAG}"]

    def pull_image(self, source: str, platform: str | None = None) -> Pulled:
        # Into a layout Docker's types would be converted; a directory of skopeo's own holds the bytes as they are.
        directory = self.scratch()
        chosen = ("--override-arch", platform.partition("/")[2]) if platform else ()
        options = ("--preserve-digests", "--src-tls-verify=false")
        self.run(*self._skopeo, *chosen, "copy", *options, f"docker://{source}", f"dir:{directory}")
        blobs = {f"sha256:{path.name}": path.read_bytes() for path in directory.iterdir() if len(path.name) == 64}
        manifest = (directory / "manifest.json").read_bytes()
        digest = digest_of(manifest)
        return Pulled(frozenset({digest}), {**blobs, digest: manifest})

    def copy(self, source: str, target: str) -> None:
        options = ("--all", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false")
        self.run(*self._skopeo, "copy", *options, f"docker://{source}", f"docker://{target}")

    def convert(self, source: str, target: str, *, docker: bool) -> None:
        options = ("--format", "v2s2" if docker else "oci", "--src-tls-verify=false", "--dest-tls-verify=false")
        self.run(*self._skopeo, "copy", *options, f"docker://{source}", f"docker://{target}")

    def tags(self, repository: str) -> list[str]:
        found = json.loads(self.run(*self._skopeo, "list-tags", "--tls-verify=false", f"docker://{repository}"))
        return list(found["Tags"])

    def delete_manifest(self, repository: str, digest: str, tag: str) -> None:
        self.run(*self._skopeo, "delete", "--tls-verify=false", f"docker://{repository}:{tag}")

    @property
    def _digest_file(self) -> Path:
        return self.home / "digest"
