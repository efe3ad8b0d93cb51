"""Artifacts as the registry keeps them, written straight into its tables."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg

from registry.db.search import words

Sql = asyncpg.Connection

_REPOSITORY = "INSERT INTO repositories (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET name = $1 RETURNING id"
_MANIFEST = "INSERT INTO manifests (repository_id, digest, media_type, size, content) VALUES ($1, $2, 'type', 2, '{}')"
_ARTIFACT = f"""
INSERT INTO artifacts (repository_id, digest, kind, format, artifact_type, size, framework, weights_format, architecture,
    family, parameters, precision, quantization, context_length, rows, licenses, languages, tasks, base_models, datasets,
    labels, finding, record, record_version, readers_version, is_complete, pushed_at, words)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, 1000, 1000,
    true, $24, {words("$25::text", "$23::jsonb")})
RETURNING id
"""
_METRIC = "INSERT INTO artifact_metrics (repository_id, digest, name, value, dataset) VALUES ($1, $2, $3, $4, $5)"
_TAG = "INSERT INTO tags (repository_id, name, digest) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING name"


@dataclass
class Made:
    """An artifact; `values` are those of its record."""

    repository: str = "team/model"
    values: dict[str, Any] = field(default_factory=dict)
    kind: str = "model"
    format: str = "modelpack"
    artifact_type: str | None = None
    size: int = 1000
    finding: str | None = None
    tags: tuple[str, ...] = ()
    pushed_at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    id: int = 0
    digest: bytes = b""

    @property
    def metrics(self) -> list[dict[str, Any]]:
        return list(self.values.get("metrics", ()))

    def refs(self, name: str) -> list[str]:
        """Return what the record refers to."""
        return [item["ref"] for item in self.values.get(name, ())]


async def add(conn: Sql, made: Made) -> Made:
    """Write an artifact, and note its id and its digest."""
    value = made.values.get
    repository_id = await conn.fetchval(_REPOSITORY, made.repository)
    number = await conn.fetchval("SELECT count(*) FROM manifests")
    made.digest = b"\x01" + hashlib.sha256(f"{number}".encode()).digest()
    await conn.execute(_MANIFEST, repository_id, made.digest)
    made.id = await conn.fetchval(
        _ARTIFACT,
        *(repository_id, made.digest, made.kind, made.format, made.artifact_type, made.size),
        *(value("framework"), value("format"), value("architecture"), value("family"), value("parameters")),
        *(value("precision"), value("quantization"), value("context_length"), value("rows")),
        *(value("licenses", []), value("languages", []), value("tasks", [])),
        *(made.refs("base_models"), made.refs("datasets"), value("tags", []), made.finding),
        *(json.dumps({"values": made.values, "sources": {}}), made.pushed_at, made.repository),
    )
    for metric in made.metrics:
        await conn.execute(_METRIC, repository_id, made.digest, metric["name"], metric["value"], metric.get("dataset"))
    made.tags = tuple(
        [tag for tag in made.tags if await conn.fetchval(_TAG, repository_id, tag, made.digest) is not None]
    )  # a tag is on one manifest of a repository
    return made
