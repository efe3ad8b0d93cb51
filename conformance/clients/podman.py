# ruff: noqa: D102 - what a verb takes and does stands in Client.
"""podman: images in its store, without running any."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from conformance.clients.client import Pulled
from conformance.clients.containers import ContainerClient
from conformance.clients.images import tree


class Podman(ContainerClient):
    """podman, the command line."""

    name: ClassVar[str] = "podman"
    lacks: ClassVar[Mapping[str, str]] = {
        need: reason for need, reason in ContainerClient.lacks.items() if need not in {"tags", "catalog"}
    }

    def pull_image(self, source: str, platform: str | None = None) -> Pulled:
        chosen = ("--platform", platform) if platform else ()
        identity = self.run(*self._program, "pull", "--quiet", "--tls-verify=false", *chosen, source)
        names = json.loads(self.run(*self._program, "image", "inspect", identity))[0]["RepoDigests"]
        place = self.run(*self._program, "image", "mount", identity)
        files = tree(Path(place))
        self.run(*self._program, "image", "unmount", identity)
        self.run(*self._program, "rmi", "--force", identity)
        return Pulled(frozenset(name.rpartition("@")[2] for name in names), files=files)

    def tags(self, repository: str) -> list[str]:
        options = ("--list-tags", "--tls-verify=false", "--limit", "100000", "--format", "json")
        found = json.loads(self.run(*self._program, "search", *options, repository))
        return [tag for repository in found for tag in repository["Tags"]]

    def catalog(self) -> list[str]:
        options = ("--tls-verify=false", "--limit", "100000", "--format", "{{.Name}}")
        found = self.run(*self._program, "search", *options, f"{self.host}/").splitlines()
        return [name.partition("/")[2] for name in found]
