"""Layouts on disk as tests want them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mediatypes.digest import Digest
from tests.http.client import IMAGE

TAG = "org.opencontainers.image.ref.name"


class Laid:
    """A layout that is written as it is told."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.entries: list[dict[str, Any]] = []
        (directory / "blobs" / "sha256").mkdir(parents=True)
        (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self.index()

    def blob(self, content: bytes) -> str:
        digest = Digest.of(content)
        self.path(str(digest)).write_bytes(content)
        return str(digest)

    def path(self, digest: str) -> Path:
        return self.directory / "blobs" / digest.replace(":", "/")

    def manifest(self, content: bytes, tag: str | None = None, media_type: str = IMAGE, **annotations: str) -> str:
        """Write a manifest and list it."""
        named = {TAG: tag} if tag else {}
        digest = self.blob(content)
        entry = {"mediaType": media_type, "digest": digest, "size": len(content)}
        self.index({**entry, "annotations": named | annotations})
        return digest

    def index(self, *entries: dict[str, Any]) -> None:
        self.entries += entries
        document = {"schemaVersion": 2, "manifests": self.entries}
        (self.directory / "index.json").write_text(json.dumps(document))
