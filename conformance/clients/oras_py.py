# ruff: noqa: ARG002, D102 - what a verb takes and does stands in Client.
"""oras-py: the Python library, used as its documentation shows."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar, Final

import oras.oci  # type: ignore[import-untyped]
import requests
from oras.layout import NewLayout, NewLayoutFromRegistry  # type: ignore[import-untyped]
from oras.provider import Registry  # type: ignore[import-untyped]

from conformance.clients.accounts import Account
from conformance.clients.client import TAG, Client, CommandFailed, Pulled
from conformance.clients.images import OCI_MANIFEST, Content, blobs_of_layout, write_layout

_DOCKER: Final = "knows OCI's types only"


def _with_reason(response: requests.Response, **_: Any) -> None:
    """Name the status: of a refusal oras-py tells its reason only, which may be empty (RFC 9112 §4)."""
    response.reason = response.reason or HTTPStatus(response.status_code).phrase


class OrasPy(Client):
    """oras.provider.Registry, in this process."""

    name: ClassVar[str] = "oras-py"
    failures: ClassVar[tuple[type[Exception], ...]] = (CommandFailed, ValueError)
    lacks: ClassVar[Mapping[str, str]] = {
        "push_command": "runs in this process, which can't be killed",
        "push_docker": _DOCKER,
        "push_docker_list": _DOCKER,
        "pull_docker": _DOCKER,
        "pull_platform": "pulls an index whole",
        "copy": "copies nothing between repositories",
        "push_index": "pushes an index made elsewhere only",
        "discover": "asks for no referrers",
        "catalog": "lists the tags of a repository only",
        "delete_tag": "deletes the manifest that a tag names",
        "delete_blob": "deletes manifests only",
        "sha512_push": "names what it pushes by tag, for which sha256 is taken",
    }

    def __init__(self, host: str, home: Path) -> None:
        super().__init__(host, home)
        self._account: Account | None = None

    @property
    def _registry(self) -> Any:
        """A registry for one verb.

        Of the tokens that it gets it keeps the first, whatever that is good for (a pull, before a push): so by Basic and with a
        key, for which it gets none.
        """
        if self._account is None:
            registry = Registry(self.host, insecure=True)
        else:
            registry = Registry(self.host, insecure=True, auth_backend="basic")
            kept, secret = str(self.home / "docker" / "config.json"), self._account.key or self._account.password
            registry.login(self._account.user, secret, hostname=self.host, config_path=kept)
        registry.session.trust_env = False
        registry.session.hooks["response"].append(_with_reason)
        return registry

    def login(self, host: str, account: Account) -> None:
        self._account = account

    def logout(self, host: str) -> None:
        self._account = None

    def version(self) -> str:
        return importlib.metadata.version("oras")

    def push_files(self, target: str, directory: Path, types: Mapping[str, str], artifact_type: str) -> str | None:
        # A directory has to keep oras-py's own type, or it isn't unpacked by the pull.
        files = [
            str(directory / name) if (directory / name).is_dir() else f"{directory / name}:{media_type}"
            for name, media_type in types.items()
        ]
        options = {"files": files, "manifest_config": f"/dev/null:{artifact_type}", "disable_path_validation": True}
        return digest_in(self._registry.push(target, quiet=True, **options))

    def pull_files(self, source: str, directory: Path) -> None:
        self._registry.pull(source, outdir=str(directory))

    def push_image(self, content: Content, target: str) -> str | None:
        layout = NewLayout(str(write_layout(content, self.scratch(), TAG)))
        return digest_in(layout.push_to_registry(self._registry, target, TAG))

    def push_whole_index(self, content: Content, target: str) -> str | None:
        return self.push_image(content, target)

    def pull_image(self, source: str, platform: str | None = None) -> Pulled:
        directory = self.scratch()
        NewLayoutFromRegistry(str(directory), self._registry, source, TAG)
        index = json.loads((directory / "index.json").read_bytes())
        return Pulled(frozenset({index["manifests"][0]["digest"]}), blobs_of_layout(directory))

    def round_trip(self, source: str, target: str) -> None:
        directory = str(self.scratch())
        NewLayoutFromRegistry(directory, self._registry, source, TAG)
        NewLayout(directory).push_to_registry(self._registry, target, TAG)

    def attach(self, subject: str, file: Path, media_type: str, artifact_type: str) -> str | None:
        registry = self._registry
        url = f"http://{registry.get_container(subject).manifest_url()}"
        answer = registry.do_request(url, headers={"Accept": OCI_MANIFEST})
        named = oras.oci.Subject(answer.headers["Content-Type"], digest_in(answer), len(answer.content))
        target = f"{subject.rpartition(':')[0]}:attached"
        options = {"manifest_config": f"/dev/null:{artifact_type}", "disable_path_validation": True}
        return digest_in(
            self._registry.push(target, files=[f"{file}:{media_type}"], subject=named, quiet=True, **options)
        )

    def tags(self, repository: str) -> list[str]:
        return list(self._registry.get_tags(repository))

    def list_pages(self, repository: str, size: int) -> list[str]:
        # What it takes is a number of tags in all; that is also the size of its pages.
        found = list(self._registry.get_tags(repository, N=size))
        if len(found) != size:
            raise CommandFailed(f"get_tags({repository!r}, N={size}) returned {len(found)} tags")
        return list(self._registry.get_tags(repository))

    def delete_manifest(self, repository: str, digest: str, tag: str) -> None:
        self._registry.delete_tags(repository, tag)

    def push_blob(self, repository: str, file: Path, digest: str) -> None:
        digest_in(self._registry.upload_blob(str(file), repository, oras.oci.NewLayer(str(file))))

    def push_chunked(self, repository: str, file: Path, digest: str, size: int) -> None:
        layer = oras.oci.NewLayer(str(file))
        digest_in(self._registry.upload_blob(str(file), repository, layer, do_chunked=True, chunk_size=size))

    def pull_blob(self, repository: str, digest: str) -> bytes:
        answer = self._registry.get_blob(repository, digest)
        digest_in(answer)
        return bytes(answer.content)


def digest_in(answer: requests.Response) -> str:
    """Return the digest that the registry has answered with, itself or when it redirected to where the content lies."""
    if answer.status_code not in {200, 201}:
        raise CommandFailed(f"{answer.request.method} {answer.url}: {answer.status_code} {answer.text[:500]}")
    return [*answer.history, answer][0].headers["Docker-Content-Digest"]
