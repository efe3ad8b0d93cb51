# ruff: noqa: D102 - what a verb takes and does stands in Client.
"""helm: charts as artifacts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final

from conformance.clients.accounts import Account
from conformance.clients.client import COMMON_LACKS, Client
from conformance.tools import path_of

_CHARTS: Final = "handles charts only"
_DIGEST: Final = re.compile(r"^Digest: (\S+)$", re.MULTILINE)
_NEEDS: Final = (
    "push_files pull_files push_command push_image push_whole_index push_docker push_docker_list"
    " pull_image pull_platform copy round_trip push_index attach discover tags catalog delete_tag"
    " delete_manifest push_blob pull_blob delete_blob sha512_push sha512_pull"
)


class Helm(Client):
    """helm, the command line."""

    name: ClassVar[str] = "helm"
    lacks: ClassVar[Mapping[str, str]] = {need: _CHARTS for need in _NEEDS.split() if need not in COMMON_LACKS}

    def __init__(self, host: str, home: Path) -> None:
        super().__init__(host, home)
        self._helm = str(path_of("helm"))

    def login(self, host: str, account: Account) -> None:
        options = ("--plain-http", "--username", account.user, "--password-stdin")
        self.login_by_command(account, self._helm, "registry", "login", *options, host)

    def logout(self, host: str) -> None:
        self.run(self._helm, "registry", "logout", host)

    def login_by_token(self, host: str, account: Account) -> None:
        self.write_token(self.home / ".config" / "helm" / "registry" / "config.json", host, account)

    def version(self) -> str:
        return self.run(self._helm, "version", "--template", "{{.Version}}").removeprefix("v")

    def push_chart(self, target: str, name: str, version: str, directory: Path) -> tuple[Path, str]:
        self.run(self._helm, "create", directory / name)
        self.run(self._helm, "package", directory / name, "--version", version, "--destination", directory)
        package = directory / f"{name}-{version}.tgz"
        return package, self._digest("push", package, f"oci://{target}")

    def pull_chart(self, source: str, version: str | None, directory: Path) -> str:
        """Pull a chart, the newest without a version, into a directory; return the digest of its manifest."""
        chosen = ("--version", version) if version else ()
        return self._digest("pull", f"oci://{source}", *chosen, "--destination", directory)

    def show_version(self, source: str) -> str:
        """Return the version of the newest chart that the registry has."""
        shown = self.run(self._helm, "show", "chart", "--plain-http", f"oci://{source}")
        return next(line.partition(": ")[2] for line in shown.splitlines() if line.startswith("version: "))

    def _digest(self, *command: str | Path) -> str:
        """Run a command and return the digest that it reports beside its output."""
        verb, *words = command
        printed = self.run("sh", "-c", '"$@" 2>&1', "helm", self._helm, verb, "--plain-http", *words)
        found = _DIGEST.search(printed)
        assert found is not None, printed
        return found[1]
