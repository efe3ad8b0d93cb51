"""What readers say belongs to their version: where they say more or otherwise, it is raised, and blobs are read again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple

from mediatypes.files import tensor_index
from mediatypes.files.ranged import InMemory
from registry.core.layer_readings import READERS_VERSION
from registry.reading import read
from tests.mediatypes.files.seeds import DOCUMENTS, WEIGHTS, recorded

SAID = {3: "4e6a29304663f738b744506bfe4ed6949e6fa6110d106d103602f43b14ece618"}
"""By version the SHA-256 of what all readers say of the recorded files."""


def said() -> str:
    """Return the digest of what is said."""
    files = {**recorded(WEIGHTS), **recorded(DOCUMENTS)}
    told = {path: read({"packing": "raw", "path": path}, InMemory(content)) for path, content in sorted(files.items())}
    for file in (file for found in told.values() for file in found["files"] if "format" in file):
        packed = file.get("tensors")
        file["tensors"] = [astuple(one) for one in tensor_index.unpacked(packed)] if packed else []
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def test_the_readers_say_what_their_version_says() -> None:
    assert {READERS_VERSION: said()} == SAID, "raise READERS_VERSION, and note the new digest for it"
