# ruff: noqa: ARG002, D102 - what a verb takes and does stands in Client.
"""regctl: everything that the specification has, by regclient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from conformance.clients.accounts import Account
from conformance.clients.client import TAG, Pulled
from conformance.clients.layouts import LayoutClient
from conformance.tools import path_of


class Regctl(LayoutClient):
    """regctl, the command line."""

    name: ClassVar[str] = "regctl"
    lacks: ClassVar[Mapping[str, str]] = {
        "login_by_token": "goes on with the next token and forgets it at its end: the first one is used again, as by a thief"
    }

    def __init__(self, host: str, home: Path) -> None:
        super().__init__(host, home)
        self._regctl = str(path_of("regctl"))

    def login(self, host: str, account: Account) -> None:
        self.login_by_command(
            account, *self._to(host), "registry", "login", host, "--user", account.user, "--pass-stdin"
        )

    def logout(self, host: str) -> None:
        self.run(*self._to(host), "registry", "logout", host)

    def version(self) -> str:
        return self.run(self._regctl, "version", "--format", "{{.VCSTag}}").removeprefix("v")

    def _to(self, reference: str) -> list[str]:
        """Return the program, told to speak plain HTTP to a reference's host."""
        return [self._regctl, "--host", f"reg={reference.partition('/')[0]},tls=disabled"]

    def push_files(self, target: str, directory: Path, types: Mapping[str, str], artifact_type: str) -> str | None:
        named = []
        for name, media_type in types.items():
            place = directory / name
            found = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
            for path in found:
                named += ["--file", str(path.relative_to(directory)), "--file-media-type", media_type]
        options = ("--artifact-type", artifact_type, "--file-title", "--format", "{{.Manifest.GetDescriptor.Digest}}")
        return self.run(*self._to(target), "artifact", "put", *options, *named, target, cwd=directory)

    def pull_files(self, source: str, directory: Path) -> None:
        self.run(*self._to(source), "artifact", "get", "--output", directory, source)

    def from_layout(self, directory: Path, target: str) -> Sequence[str]:
        return [*self._to(target), "image", "copy", f"ocidir://{directory}:{TAG}", target]

    def reported(self, printed: str, target: str) -> str | None:
        return self.run(*self._to(target), "image", "digest", target)

    def to_layout(self, source: str, directory: Path, platform: str | None = None) -> Sequence[str]:
        chosen = ["--platform", platform] if platform else []
        return [*self._to(source), "image", "copy", *chosen, source, f"ocidir://{directory}:{TAG}"]

    def copy(self, source: str, target: str) -> None:
        self.run(*self._to(source), "image", "copy", source, target)

    def copy_referrers(self, source: str, target: str) -> None:
        self.run(*self._to(source), "image", "copy", "--referrers", source, target)

    def convert(self, source: str, target: str, *, docker: bool) -> None:
        types = "--to-docker" if docker else "--to-oci"
        self.run(*self._to(source), "image", "mod", types, "--create", target, source)

    def push_index(self, target: str, children: Sequence[str]) -> str | None:
        named = [word for child in children for word in ("--ref", child)]
        self.run(*self._to(target), "index", "create", target, *named)
        return self.run(*self._to(target), "image", "digest", target)

    def pull_resumed(self, source: str) -> Pulled:
        return self.pull_image(source)

    def attach(self, subject: str, file: Path, media_type: str, artifact_type: str) -> str | None:
        options = ("--artifact-type", artifact_type, "--format", "{{.Manifest.GetDescriptor.Digest}}")
        named = ("--file", file.name, "--file-media-type", media_type)
        return self.run(*self._to(subject), "artifact", "put", *options, *named, "--subject", subject, cwd=file.parent)

    def discover(self, subject: str, artifact_type: str | None = None) -> list[str]:
        chosen = ("--filter-artifact-type", artifact_type) if artifact_type else ()
        digests = "{{range .Descriptors}}{{println .Digest}}{{end}}"
        return self.run(*self._to(subject), "artifact", "list", subject, *chosen, "--format", digests).split()

    def tags(self, repository: str) -> list[str]:
        return self.run(*self._to(repository), "tag", "ls", repository).splitlines()

    def list_pages(self, repository: str, size: int) -> list[str]:
        found: list[str] = []
        while True:
            after = ("--last", found[-1]) if found else ()
            page = self.run(*self._to(repository), "tag", "ls", repository, "--limit", str(size), *after).splitlines()
            found += page
            if not page:
                return found

    def catalog(self) -> list[str]:
        return self.run(*self._to(self.host), "repo", "ls", self.host).splitlines()

    def delete_tag(self, target: str) -> None:
        self.run(*self._to(target), "tag", "rm", target)

    def delete_manifest(self, repository: str, digest: str, tag: str) -> None:
        self.run(*self._to(repository), "manifest", "rm", f"{repository}@{digest}")

    def push_blob(self, repository: str, file: Path, digest: str) -> None:
        self.run(*self._to(repository), "blob", "put", "--digest", digest, repository, given=file)

    def pull_blob(self, repository: str, digest: str) -> bytes:
        return self.output(*self._to(repository), "blob", "get", repository, digest)

    def delete_blob(self, repository: str, digest: str) -> None:
        self.run(*self._to(repository), "blob", "delete", repository, digest)

    def push_chunked(self, repository: str, file: Path, digest: str, size: int) -> None:
        chunks = ("--blob-chunk", str(size), "--blob-max", str(size))
        self.run(self._regctl, "registry", "set", self.host, "--tls", "disabled", "--skip-check", *chunks)
        self.push_blob(repository, file, digest)
        self.run(self._regctl, "registry", "set", self.host, "--blob-chunk", "0", "--blob-max", "0", "--skip-check")
