"""Schemas for tests."""

from __future__ import annotations

import json
from typing import Any

from schemas.checks import DIALECT
from schemas.schema import Schema, read_schema

URN = "urn:blacklake:schema:acme/review:1.0.0"


def written(path: str = "acme/review", version: str = "1.0.0", **keywords: Any) -> bytes:
    """Return a schema's bytes; `x_applies_to` and `defs` stand for what Python can't call so."""
    names = {"x_applies_to": "x-applies-to", "defs": "$defs", "ref": "$ref"}
    document = {"$schema": DIALECT, "$id": f"urn:blacklake:schema:{path}:{version}"}
    return json.dumps(document | {names.get(name, name): value for name, value in keywords.items()}).encode()


def made(*others: bytes, **keywords: Any) -> Schema:
    """Return a schema that may refer to others."""
    documents = {name.urn: document for name, document in map(read_schema, others)}
    return Schema(*read_schema(written(**keywords)), documents)


def told(schema: Schema, instance: Any) -> list[tuple[str, str]]:
    """Return the places and rules of what doesn't fit."""
    return [(one.pointer, one.rule) for one in schema.judge(instance)]
