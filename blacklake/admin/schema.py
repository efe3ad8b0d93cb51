"""`blacklake admin schema`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final, Literal

from cyclopts import App, Parameter

from blacklake.admin.door import Where, opened
from blacklake.admin.tables import show
from blacklake.admin.words import Json, Organisation, Target
from blacklake.settings import USAGE, Refused

schema = App(name="schema", help="JSON Schemas by which artifacts are judged, and where they are bound.")

Schema = Annotated[str, Parameter(help="NAME/1.0.0 of a built-in one, else ORG/NAME/1.0.0.")]
Meant = Annotated[
    str, Parameter(help="NAME/1.0.0 or ORG/NAME/1.0.0; with a major version alone, the newest of that: ORG/NAME/1.")
]
ArtifactType = Annotated[str | None, Parameter(help="Only manifests of this artifact type; without, all.")]

_IMAGE: Final = "application/vnd.oci.image.manifest.v1+json"


@schema.command(name="add")
def add_schema(file: Path, *, where: Where | None = None) -> None:
    """Add a schema; its $id says how it is called: urn:blacklake:schema:ORG/NAME:1.0.0."""
    content = _read(file)
    with opened(where) as door:
        name = door.add_schema(content)
    print(f"schema {name} is there; it never changes")


@schema.command(name="list")
def list_schemas(org: Organisation, *, as_json: Json = False, where: Where | None = None) -> None:
    """List the schemas that may be bound in an organisation."""
    with opened(where) as door:
        show(door.schemas(org), ("name", "applies_to", "is_built_in", "created_at", "created_by"), as_json=as_json)


@schema.command(name="show")
def show_schema(name: Schema, *, where: Where | None = None) -> None:
    """Print a schema as it was added."""
    with opened(where) as door:
        print(door.schema_content(name).rstrip("\n"))


@schema.command(name="remove")
def remove_schema(name: Schema, *, where: Where | None = None) -> None:
    """Remove a version that is neither bound nor referred to."""
    with opened(where) as door:
        door.remove_schema(name)
    print(f"schema {name} is gone; its version is used for no other")


@schema.command(name="bind")
def bind_schema(
    target: Target,
    name: Meant,
    *,
    mode: Annotated[Literal["off", "warn", "enforce"], Parameter(help="What becomes of what does not conform.")],
    artifact_type: ArtifactType = None,
    where: Where | None = None,
) -> None:
    """Let the manifests that are pushed to a target be judged by a schema; the most specific target decides."""
    with opened(where) as door:
        door.bind_schema(target, name, mode, artifact_type=artifact_type)
    print(f"{name} is bound to {target}: {mode}")


@schema.command(name="unbind")
def unbind_schema(
    target: Target, name: Meant, *, artifact_type: ArtifactType = None, where: Where | None = None
) -> None:
    """Take a binding back."""
    with opened(where) as door:
        door.unbind_schema(target, name, artifact_type=artifact_type)
    print(f"{name} is no longer bound to {target}")


@schema.command(name="bindings")
def list_bindings(org: Organisation, *, as_json: Json = False, where: Where | None = None) -> None:
    """List where schemas are bound in an organisation."""
    columns = ("target", "artifact_type", "schema_name", "mode", "created_at", "created_by")
    with opened(where) as door:
        show(door.schema_bindings(org), columns, as_json=as_json)


@schema.command(name="check")
def check_manifest(
    repository: str,
    manifest: Annotated[Path, Parameter(help="File with the manifest.")],
    *,
    config: Annotated[Path | None, Parameter(help="File with its config; without, that in the repository.")] = None,
    as_json: Json = False,
    where: Where | None = None,
) -> int:
    """Say what would become of a manifest if it were pushed; exit with 1 where it would be refused."""
    content = _read(manifest)
    with opened(where) as door:
        found = door.check_manifest(
            repository,
            content,
            media_type=_media_type(content),
            config=_read(config) if config is not None else None,
        )
    show(found["violations"], ("mode", "pointer", "message", "schema_name"), as_json=as_json)
    return 1 if found["is_refused"] else 0


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Refused(f"{file} can't be read: {error.strerror}", USAGE) from error


def _media_type(manifest: bytes) -> str:
    """Return the media type that a manifest says it has; of one that says nothing, or can't be read, that of an image."""
    try:
        found = json.loads(manifest)["mediaType"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return _IMAGE
    return found if isinstance(found, str) else _IMAGE
