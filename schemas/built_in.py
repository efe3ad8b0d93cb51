"""The schemas that come with Blacklake: `built_in/NAME/VERSION.json`."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from schemas.names import SchemaName, SchemaReference
from schemas.schema import Schema, read_schema


@functools.cache
def contents() -> Mapping[SchemaName, bytes]:
    """Return the bytes of each, by name and version."""
    found = {}
    for directory in (files("schemas") / "built_in").iterdir():
        for file in directory.iterdir():
            content = file.read_bytes()
            found[read_schema(content)[0]] = content
    return MappingProxyType(dict(sorted(found.items())))


@functools.cache
def documents() -> Mapping[str, Any]:
    """Return the documents of all, by `$id`: what every schema may refer to."""
    return MappingProxyType({name.urn: read_schema(content)[1] for name, content in contents().items()})


@functools.cache
def schema(name: SchemaName) -> Schema:
    """Return one. Raise KeyError where there is none such."""
    return Schema(name, documents()[name.urn], documents())


def find(reference: SchemaReference) -> SchemaName | None:
    """Return the one that is meant; None where there is none such, or it is an organisation's."""
    fits = [
        name
        for name in contents()
        if (name.organisation, name.name, name.version.major) == reference[:3]
        and reference.version in (None, name.version)
    ]
    return max(fits, default=None)
