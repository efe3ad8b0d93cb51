# ruff: noqa: D102 - what a verb takes and does stands in Client.
"""buildah: images in its store, without building any."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

from conformance.clients.client import Pulled
from conformance.clients.containers import ContainerClient
from conformance.clients.images import digest_of, tree


class Buildah(ContainerClient):
    """buildah, the command line."""

    name: ClassVar[str] = "buildah"

    def pull_image(self, source: str, platform: str | None = None) -> Pulled:
        chosen = ("--platform", platform) if platform else ()
        options = ("--quiet", "--tls-verify=false", "--policy", "always")
        identity = self.run(*self._program, "pull", *options, *chosen, f"docker://{source}").split()[-1]
        manifest = json.loads(self.run(*self._program, "inspect", "--type", "image", identity))["Manifest"].encode()
        container = self.run(*self._program, "from", "--pull-never", identity)
        files = tree(Path(self.run(*self._program, "mount", container)))
        self.run(*self._program, "rm", container)
        self.run(*self._program, "rmi", "--force", identity)
        return Pulled(frozenset({digest_of(manifest)}), {digest_of(manifest): manifest}, files)
