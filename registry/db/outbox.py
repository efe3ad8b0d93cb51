"""The outbox: what has happened and is to be followed by work (DESIGN, decision 14)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

from mediatypes.oci import INDEX_TYPES
from registry.db.pool import Connection

MANIFEST_PUSHED: Final = "manifest-pushed"
"""The kind of a row that the push of a manifest writes."""

DESCRIPTION_ASKED: Final = "description-asked"
"""The kind of a row by which somebody asks for a description again."""

DIGESTS_ASKED: Final = "digests-asked"
"""The kind of a row by which digests of an artifact's tensors are asked for."""

SCANS_ASKED: Final = "scans-asked"
"""The kind of a row by which scans of an artifact are asked for."""

_TAKE: Final = """
DELETE FROM outbox WHERE id = ANY(ARRAY(
    SELECT id FROM outbox WHERE kind = ANY($1::text[]) ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED))
RETURNING kind, repository_id, digest
"""
# The bytes of digests say in which order they are asked for, so that a long list is asked for in parts.
_ASK: Final = f"""
WITH asked AS (
    SELECT repository_id, digest FROM manifests
    WHERE repository_id = $1 AND digest > $2 AND ($3::bytea IS NULL OR digest = $3) ORDER BY digest LIMIT $4
), told AS (
    INSERT INTO outbox (kind, repository_id, digest)
    SELECT '{DESCRIPTION_ASKED}', repository_id, digest FROM asked
)
SELECT digest FROM asked ORDER BY digest
"""


_ADD: Final = "INSERT INTO outbox (kind, repository_id, digest) VALUES ($1, $2, $3)"
_ASK_OF_INDEXES: Final = f"""
INSERT INTO outbox (kind, repository_id, digest)
SELECT '{DESCRIPTION_ASKED}', m.repository_id, m.digest
FROM manifest_references f JOIN manifests m ON m.repository_id = f.repository_id AND m.digest = f.manifest
WHERE f.digest = $2 AND f.repository_id = $1 AND m.media_type = ANY($3) AND m.digest IS DISTINCT FROM $4
"""
# What the registry has published itself is described by nobody; else what is not described has a job, or was pushed by an
# older version, which told nobody.
_ASK_OF_OUTDATED: Final = f"""
WITH page AS MATERIALIZED (
    SELECT repository_id, digest FROM manifests WHERE (repository_id, digest) > ($1, $2)
    ORDER BY repository_id, digest LIMIT $5
), asked AS (
    SELECT p.repository_id, p.digest
    FROM page p LEFT JOIN artifacts a ON a.repository_id = p.repository_id AND a.digest = p.digest
    WHERE a.record_version < $3 OR a.readers_version < $4
        OR (a.digest IS NULL AND NOT EXISTS (
            SELECT FROM publications o WHERE o.repository_id = p.repository_id AND o.digest = p.digest))
), told AS (
    INSERT INTO outbox (kind, repository_id, digest)
    SELECT '{DESCRIPTION_ASKED}', repository_id, digest FROM asked
)
SELECT repository_id, digest, (SELECT count(*) FROM asked) FROM page ORDER BY repository_id DESC, digest DESC LIMIT 1
"""


class OutboxRow(NamedTuple):
    """What has happened to which manifest; `digest` as Digest.to_bytes."""

    kind: str
    repository_id: int
    digest: bytes


def told(repository_id: str, digest: str) -> str:
    """Return the statement that tells of a manifest's push, a part of the one that stores it; both are SQL."""
    return f"INSERT INTO outbox (kind, repository_id, digest) VALUES ('{MANIFEST_PUSHED}', {repository_id}, {digest})"


async def take(conn: Connection, kinds: Collection[str], *, limit: int) -> list[OutboxRow]:
    """Take up to `limit` rows of `kinds` out, of those that nobody else is taking just now.

    They are back where the transaction fails.
    """
    return [OutboxRow(*row) for row in await conn.fetch(_TAKE, list(kinds), limit)]


async def add(conn: Connection, kind: str, *, repository_id: int, digest: bytes) -> None:
    """Tell what has happened to a manifest."""
    await conn.execute(_ADD, kind, repository_id, digest)


async def ask_of_indexes(conn: Connection, *, repository_id: int, child: bytes, but: bytes | None) -> None:
    """Ask for descriptions of the indexes that name a child in its repository; not of the one `but`."""
    await conn.execute(_ASK_OF_INDEXES, repository_id, child, list(INDEX_TYPES), but)


async def ask(
    conn: Connection, *, repository_id: int, after: bytes, digest: bytes | None = None, limit: int
) -> list[bytes]:
    """Ask for descriptions of up to `limit` manifests of a repository, those after `after`, or of one; return of which."""
    return [row["digest"] for row in await conn.fetch(_ASK, repository_id, after, digest, limit)]


async def ask_of_outdated(
    conn: Connection, after: tuple[int, bytes], *, record_version: int, readers_version: int, limit: int
) -> tuple[int, tuple[int, bytes]] | None:
    """Ask for descriptions of those of the next `limit` manifests, of all repositories, that a lower version has described.

    And of those that nobody has, but for our own publications. Return of how many, and the (repository, digest) that was looked
    at last; None behind the end.
    """
    row = await conn.fetchrow(_ASK_OF_OUTDATED, *after, record_version, readers_version, limit)
    return (row[2], (row[0], row[1])) if row is not None else None
