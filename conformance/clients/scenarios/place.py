"""Where a scenario runs, and what all scenarios of one registry share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from conformance.clients.accounts import Accounts
from conformance.clients.client import TAG, Client
from conformance.clients.images import OCI_INDEX, Content
from conformance.clients.proxy import Proxy
from conformance.clients.wire import Registry, Stored

MANY: Final = 1100
"""Of tags, and of repositories: more than the thousand that go-containerregistry asks for at once."""


@dataclass
class Shared:
    """What is made once for a registry: long lists, and what the clients have pushed; `accounts` where it asks who they are."""

    registry: Registry
    prefix: str
    accounts: Accounts | None = None
    pushed: dict[str, tuple[str, Content]] = field(default_factory=dict)
    """By client: the repository of its image, and the image as the registry serves it."""

    @cached_property
    def tagged(self) -> tuple[str, list[str]]:
        """A repository with MANY tags, and these in byte order, which is not the order of the alphabet."""
        repository = f"{self.prefix}/tags"
        tags = sorted(f"{'aB_Z9'[number % 5]}.{number}" for number in range(MANY))
        for tag in tags:
            self.registry.put_manifest(repository, tag, _EMPTY, OCI_INDEX)
        return repository, tags

    @cached_property
    def repositories(self) -> list[str]:
        """The names of MANY repositories in byte order."""
        names = sorted(f"{self.prefix}/list/n-{number}" for number in range(MANY))
        for name in names:
            self.registry.put_manifest(name, TAG, _EMPTY, OCI_INDEX)
        return names


@dataclass(frozen=True)
class Place:
    """A client, the registry for the independent look, a repository and a directory of the scenario's own."""

    client: Client
    registry: Registry
    repository: str
    directory: Path
    shared: Shared

    @property
    def seed(self) -> str:
        """What makes the bytes of this scenario differ from all others'."""
        return self.repository

    @property
    def named(self) -> str:
        """The repository as clients name it."""
        return f"{self.registry.host}/{self.repository}"

    def reference(self, tag: str = TAG) -> str:
        """Return the reference of a tag or digest in the repository."""
        return f"{self.named}{'@' if ':' in tag else ':'}{tag}"

    @contextmanager
    def proxy(self, *, hold: int | None = None, cut: int | None = None) -> Iterator[Proxy]:
        """Yield a proxy before the registry, at which the client is logged in as at the registry itself."""
        with Proxy(self.registry.host, hold=hold, cut=cut) as proxy:
            if self.shared.accounts is not None:
                self.client.login(proxy.host, self.shared.accounts.pipeline)
            yield proxy
            if self.shared.accounts is not None:
                self.client.logout(proxy.host)
                self.client.login(self.registry.host, self.shared.accounts.pipeline)

    def content_of(self, repository: str, found: Stored, files: dict[str, bytes]) -> Content:
        """Return an image that the registry serves as content to compare with."""
        named = [found.json["config"], *found.json["layers"]]
        blobs = {blob["digest"]: self.registry.blob(repository, blob["digest"]) for blob in named}
        return Content(found.media_type, found.content, found.digest, blobs, files)


_EMPTY: Final = b'{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}'
