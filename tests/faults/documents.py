"""Manifests that clients push."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Final

from tests.faults.ledger import Content

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"


def manifest(blobs: Sequence[Content], annotations: dict[str, str]) -> bytes:
    described = [{"mediaType": "application/octet-stream", "digest": blob.digest, "size": blob.size} for blob in blobs]
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": "application/vnd.example.soak",
            "config": described[0],
            "layers": described,
            "annotations": annotations,
        }
    ).encode()


def index(children: Sequence[tuple[str, bytes, str]], word: str) -> bytes:
    described = [{"mediaType": kind, "digest": digest, "size": len(body)} for digest, body, kind in children]
    return json.dumps(
        {"schemaVersion": 2, "mediaType": INDEX, "manifests": described, "annotations": {"random": word}}
    ).encode()


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def doomed_tag(digest: str) -> str:
    """Return the one tag of a manifest that is pushed to be deleted."""
    return f"gone-{digest.partition(':')[2][:12]}"
