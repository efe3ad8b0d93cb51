"""Schemas that are enforced where the official suite doesn't push, to which what is bound elsewhere must not matter."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from conformance.administration import Administration, AdministrationFailed

_BUILT_IN: Final = ("annotations/1", "model/1", "dataset/1", "experiment/2")
_OWN: Final = {"card": "org.example.owner", "config": "owner"}  # by name: what each requires
_EMPTY: Final = {
    "mediaType": "application/vnd.oci.empty.v1+json",
    "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    "size": 2,
}
_MANIFEST: Final = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "artifactType": "application/vnd.example",
    "config": _EMPTY,
    "layers": [_EMPTY],
}


def enforce(administration: Administration, organisation: str) -> None:
    """Bind the built-in schemas and own ones, of annotations and configs, to repositories of an organisation in mode enforce.

    To `other` and to whatever is below `models/`: the suite's repositories are neither. Raise AdministrationFailed, also
    where what doesn't conform would be taken there.
    """
    with tempfile.TemporaryDirectory(prefix="schemas-") as home:
        for schema in _schemas(organisation):
            file = Path(home, "schema.json")
            file.write_text(json.dumps(schema), encoding="utf-8")
            administration.run("schema", "add", str(file))
        own = [f"{organisation}/{name}/1" for name in _OWN]
        for target, names in ((f"{organisation}/models/*", [*_BUILT_IN, *own]), (f"{organisation}/other", own)):
            for name in names:
                administration.run("schema", "bind", target, name, "--mode", "enforce")
        manifest = Path(home, "manifest.json")
        manifest.write_text(json.dumps(_MANIFEST), encoding="utf-8")
        _require_refused(administration, f"{organisation}/models/bert", manifest)


def _require_refused(administration: Administration, repository: str, manifest: Path) -> None:
    try:
        said = administration.run("schema", "check", repository, str(manifest))
    except AdministrationFailed as refused:
        if _OWN["card"] not in str(refused):
            raise
    else:
        raise AdministrationFailed(f"what does not conform would be taken by {repository}: {said}")


def _schemas(organisation: str) -> Iterator[dict[str, object]]:
    """Yield schemas to which nothing conforms that the suite pushes."""
    for name, required in _OWN.items():
        yield {
            "$id": f"urn:blacklake:schema:{organisation}/{name}:1.0.0",
            "x-applies-to": "config" if name == "config" else "annotations",
            "type": "object",
            "required": [required],
        }
