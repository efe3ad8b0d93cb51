"""Schemas of artifacts (registry.administration_schemas), by the API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blacklake.remote.connection import Connection, RemoteFailed, member, path_of
from blacklake.transport import plain

Rows = Iterator[dict[str, Any]]


def add_schema(server: Connection, content: bytes) -> str:
    """Add a schema to the organisation that its `$id` names; return its name. Raise RemoteFailed."""
    return plain(str(member(server.post(path_of("schemas"), {"content": _text(content, "schema")}), "name")))


def remove_schema(server: Connection, schema: str) -> None:
    """Remove a version of a schema. Raise RemoteFailed."""
    server.delete(_path(schema))


def schema_content(server: Connection, schema: str) -> str:
    """Return a schema as it was added. Raise RemoteFailed."""
    return str(member(server.get(_path(schema)), "content"))


def schemas(server: Connection, organisation: str) -> Rows:
    """Yield the schemas that may be bound in an organisation. Raise RemoteFailed."""
    return server.pages(path_of("organisations", organisation, "schemas"))


def bind_schema(server: Connection, target: str, schema: str, mode: str, *, artifact_type: str | None) -> None:
    """Let the manifests of a target be judged by a schema. Raise RemoteFailed."""
    document = {"target": target, "schema_name": schema, "mode": mode, "artifact_type": artifact_type}
    server.post(path_of("schema-bindings"), document)


def unbind_schema(server: Connection, target: str, schema: str, *, artifact_type: str | None) -> None:
    """Take a binding back. Raise RemoteFailed."""
    server.delete(path_of("schema-bindings"), target=target, schema_name=schema, artifact_type=artifact_type)


def schema_bindings(server: Connection, organisation: str) -> Rows:
    """Yield where schemas are bound in an organisation. Raise RemoteFailed."""
    return server.pages(path_of("organisations", organisation, "schema-bindings"))


def check_manifest(
    server: Connection, repository: str, manifest: bytes, *, media_type: str, config: bytes | None
) -> dict[str, Any]:
    """Say what would become of a manifest if it were pushed with a tag. Raise RemoteFailed."""
    document = {"repository": repository, "media_type": media_type, "manifest": _text(manifest, "manifest")}
    if config is not None:
        document["config"] = _text(config, "config")
    found: dict[str, Any] = server.post(path_of("schemas", "judgements"), document)
    return found


def _path(schema: str) -> str:
    names = schema.split("/")
    if len(names) not in (2, 3) or not all(names):
        raise RemoteFailed(f"schema “{schema[:128]}” is neither NAME/1.0.0 nor ORG/NAME/1.0.0")
    return path_of("schemas", *names) if len(names) == 2 else path_of("organisations", names[0], "schemas", *names[1:])


def _text(content: bytes, what: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise RemoteFailed(f"the {what} is not UTF-8") from None
