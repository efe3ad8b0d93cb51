"""Artifacts as the world's tools make them: manifest, config, and what they are.

Each file of `golden/` is written by the definitions that its `source` names.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from mediatypes.manifest import parse_manifest
from mediatypes.models.artifact import Artifact, parse_artifact

FILES: Final = sorted(Path(__file__).with_name("golden").glob("*.json"))


def golden(path: Path) -> dict[str, Any]:
    """Return a file's document: source, manifest, config (absent: the blob isn't JSON, or nobody has it), expected."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def artifact(document: dict[str, Any]) -> Artifact:
    """Return the artifact of a file's manifest, which a registry would accept, and config."""
    content = json.dumps(document["manifest"]).encode()
    parse_manifest(content, document["manifest"]["mediaType"])
    config = json.dumps(document["config"]).encode() if "config" in document else None
    return parse_artifact(content, config)
