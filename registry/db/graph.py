"""What artifacts have to do with each other: subjects, children of indexes, and the base models and datasets that they name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from registry.db.pool import Connection
from registry.db.reaching import Reach, seen


class Node(NamedTuple):
    """A manifest of a repository; `digest` as Digest.to_bytes."""

    repository_id: int
    digest: bytes


class EdgeRow(NamedTuple):
    """`source` has `target` as its subject, its child, its base model or its dataset, as `relation` says."""

    relation: str
    source: Node
    target: Node


class NodeRow(NamedTuple):
    """What a node is; `kind` and `format` are None where nobody has found out."""

    node: Node
    repository: str
    artifact_type: str | None
    kind: str | None
    format: str | None
    tags: list[str]


_MENTIONED: Final = "sha256:([0-9a-f]{64})(?![0-9a-f])"
_TAGS: Final = 10  # of a node


# LATERAL … OFFSET 0 keeps each step an index lookup, whatever the planner thinks of the tables' sizes.
_REPOSITORY: Final = "LATERAL (SELECT name FROM repositories WHERE id = o.repository_id OFFSET 0) r"


def _named(column: str, relation: str) -> str:
    """Return the query of the artifacts that asked ones name in a column: by digest, and where they say so of a repository."""
    return f"""
    SELECT '{relation}', q.repository_id, q.digest, o.repository_id, o.digest
    FROM asked q, LATERAL (
        SELECT {column} AS refs FROM artifacts WHERE repository_id = q.repository_id AND digest = q.digest OFFSET 0
    ) a, unnest(a.refs) AS ref, LATERAL (
        SELECT o.repository_id, o.digest FROM artifacts o, {_REPOSITORY}
        WHERE o.digest = '\\x01'::bytea || decode(substring(ref FROM '{_MENTIONED}'), 'hex') AND {seen("r.name")}
            AND (strpos(ref, '@') = 0 OR right('/' || split_part(ref, '@', 1), length(r.name) + 1) = '/' || r.name)
        LIMIT $6
    ) o
    """


def _naming(facet: str, relation: str) -> str:
    """Return the query of the artifacts that name asked ones by digest, alone or behind their repository's name."""
    return f"""
    SELECT '{relation}', o.repository_id, o.digest, q.repository_id, q.digest
    FROM asked q, LATERAL (SELECT name FROM repositories WHERE id = q.repository_id OFFSET 0) n, LATERAL (
        SELECT o.repository_id, o.digest FROM artifacts o, {_REPOSITORY}
        WHERE o.facets @@ format('''{facet}:sha256:%s'' | ''{facet}:%s@sha256:%s''',
                encode(substr(q.digest, 2), 'hex'), n.name, encode(substr(q.digest, 2), 'hex'))::tsquery
            AND {seen("r.name")}
        LIMIT $6
    ) o
    WHERE length(q.digest) = 33
    """


# Of one node no more than the limit of each kind of edge: some have hundreds of thousands.
_EDGES: Final = f"""
WITH asked AS (SELECT * FROM unnest($4::bigint[], $5::bytea[]) AS q(repository_id, digest))
SELECT 'subject', q.repository_id, m.digest, q.repository_id, q.digest FROM asked q, LATERAL (
    SELECT digest FROM manifests WHERE repository_id = q.repository_id AND subject = q.digest ORDER BY digest LIMIT $6) m
UNION ALL
SELECT 'subject', q.repository_id, q.digest, q.repository_id, s.digest
FROM asked q, LATERAL (
    SELECT subject FROM manifests WHERE repository_id = q.repository_id AND digest = q.digest OFFSET 0) m, LATERAL (
    SELECT digest FROM manifests WHERE repository_id = q.repository_id AND digest = m.subject OFFSET 0) s
UNION ALL
SELECT 'child', q.repository_id, q.digest, q.repository_id, c.digest FROM asked q, LATERAL (
    SELECT m.digest FROM manifest_references u, LATERAL (
        SELECT digest FROM manifests WHERE repository_id = u.repository_id AND digest = u.digest OFFSET 0) m
    WHERE u.repository_id = q.repository_id AND u.manifest = q.digest AND u.digest <> q.digest
    LIMIT $6) c
UNION ALL
SELECT 'child', q.repository_id, p.manifest, q.repository_id, q.digest FROM asked q, LATERAL (
    SELECT u.manifest FROM manifest_references u
    WHERE u.digest = q.digest AND u.repository_id = q.repository_id AND u.manifest <> q.digest
    ORDER BY u.manifest LIMIT $6) p
UNION ALL {_named("base_models", "base_model")}
UNION ALL {_named("datasets", "dataset")}
UNION ALL {_naming("base", "base_model")}
UNION ALL {_naming("dataset", "dataset")}
"""
_NODES: Final = f"""
SELECT m.repository_id, m.digest, r.name, m.artifact_type, a.kind, a.format, ARRAY(
    SELECT t.name FROM tags t WHERE t.repository_id = m.repository_id AND t.digest = m.digest ORDER BY t.name LIMIT {_TAGS})
FROM unnest($4::bigint[], $5::bytea[]) AS q(repository_id, digest), LATERAL (
    SELECT repository_id, digest, artifact_type FROM manifests
    WHERE repository_id = q.repository_id AND digest = q.digest OFFSET 0) m
JOIN LATERAL (SELECT name FROM repositories WHERE id = m.repository_id OFFSET 0) r ON {seen("r.name")}
LEFT JOIN LATERAL (
    SELECT kind, format FROM artifacts WHERE repository_id = m.repository_id AND digest = m.digest OFFSET 0) a ON true
"""


async def edges(conn: Connection, nodes: Sequence[Node], *, reach: Reach, limit: int) -> list[EdgeRow]:
    """Return what nodes have to do with others, up to `limit` of each kind for each; those that the asker may see."""
    rows = await conn.fetch(_EDGES, *reach, *_columns(nodes), limit)
    return [EdgeRow(row[0], Node(row[1], row[2]), Node(row[3], row[4])) for row in rows]


async def nodes(conn: Connection, wanted: Sequence[Node], *, reach: Reach) -> list[NodeRow]:
    """Return what nodes are; those that are there, and that the asker may see."""
    rows = await conn.fetch(_NODES, *reach, *_columns(wanted))
    return [NodeRow(Node(row[0], row[1]), *row[2:]) for row in rows]


def _columns(found: Sequence[Node]) -> tuple[list[int], list[bytes]]:
    return [node.repository_id for node in found], [node.digest for node in found]
