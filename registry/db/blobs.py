"""Blobs, and the repositories that may serve them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName
from registry.db.pool import Connection
from registry.db.rights import EPOCHS, JOINED_EPOCHS, Epochs, visible


class BlobRow(NamedTuple):
    """Where a blob lies and how many bytes it has."""

    storage_key: str
    size: int


class BlobQuestion(NamedTuple):
    """Where a blob of a repository lies. With `principal_id`, the epochs of that principal and of `organisation` are told."""

    name: RepositoryName
    digest: Digest
    principal_id: int | None
    organisation: str | None


class BlobAnswer(NamedTuple):
    """Where a blob lies, None where its repository has none such; and while which epochs its asker's rights stand."""

    row: BlobRow | None
    epochs: Epochs


# LATERAL … OFFSET 0 keeps each step an index lookup per question, whatever the planner thinks of the tables' sizes.
_LOOKUP: Final = f"""
SELECT b.storage_key, b.size, {EPOCHS}
FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::text[])
    WITH ORDINALITY AS q(name, digest, principal_id, organisation, position)
{JOINED_EPOCHS}
LEFT JOIN LATERAL (SELECT id FROM repositories WHERE name = q.name OFFSET 0) r ON true
LEFT JOIN LATERAL (
    SELECT digest FROM repository_blobs WHERE repository_id = r.id AND digest = q.digest OFFSET 0
) l ON true
LEFT JOIN LATERAL (SELECT storage_key, size FROM blobs WHERE digest = l.digest OFFSET 0) b ON true
ORDER BY q.position
"""
_INSERT: Final = """
INSERT INTO blobs (digest, size, storage_key) VALUES ($1, $2, $3) ON CONFLICT (digest) DO NOTHING RETURNING 1
"""
_KEY: Final = "SELECT storage_key FROM blobs WHERE digest = $1"
_MOVE: Final = "UPDATE blobs SET storage_key = $3 WHERE digest = $1 AND storage_key = $2 RETURNING 1"
_LINK: Final = """
INSERT INTO repository_blobs (repository_id, digest) VALUES ($1, $2) ON CONFLICT DO NOTHING
"""
_MOUNT: Final = f"""
INSERT INTO repository_blobs (repository_id, digest)
SELECT $1, b.digest FROM blobs b
WHERE b.digest = $2 AND EXISTS (
    SELECT FROM repository_blobs l JOIN repositories r ON r.id = l.repository_id
    WHERE l.digest = b.digest AND ($3::text[] IS NULL OR r.name = ANY($3))
        AND ($4::bigint IS NULL OR {visible("r.name", "$4")}))
ON CONFLICT (repository_id, digest) DO UPDATE SET linked_at = now()
RETURNING 1
"""
_HELD: Final = """
SELECT digest FROM repository_blobs WHERE repository_id = $1 AND digest = ANY($2::bytea[]) ORDER BY digest FOR KEY SHARE
"""
_LOCK_LINK: Final = "SELECT 1 FROM repository_blobs WHERE repository_id = $1 AND digest = $2 FOR UPDATE"
_UNLINK: Final = "DELETE FROM repository_blobs WHERE repository_id = $1 AND digest = $2"


async def look_up(conn: Connection, questions: Sequence[BlobQuestion]) -> list[BlobAnswer]:
    """Answer, in order, where each blob lies."""
    rows = await conn.fetch(
        _LOOKUP,
        [question.name for question in questions],
        [question.digest.to_bytes() for question in questions],
        [question.principal_id for question in questions],
        [question.organisation for question in questions],
    )
    return [BlobAnswer(None if row[0] is None else BlobRow(row[0], row[1]), Epochs(row[2], row[3])) for row in rows]


async def insert(conn: Connection, digest: Digest, *, size: int, storage_key: str) -> bool:
    """Record a blob; return False where it was there already, under another key."""
    return await conn.fetchval(_INSERT, digest.to_bytes(), size, storage_key) is not None


async def key_of(conn: Connection, digest: Digest) -> str | None:
    """Return where a blob lies, in whichever repositories; None where none is recorded."""
    found: str | None = await conn.fetchval(_KEY, digest.to_bytes())
    return found


async def move(conn: Connection, digest: Digest, *, old_key: str, new_key: str) -> bool:
    """Let a blob lie under another key; return False where it doesn't lie under the old one any more."""
    return await conn.fetchval(_MOVE, digest.to_bytes(), old_key, new_key) is not None


async def link(conn: Connection, digest: Digest, *, repository_id: int) -> None:
    """Let a repository serve a blob."""
    await conn.execute(_LINK, repository_id, digest.to_bytes())


async def mount(
    conn: Connection, digest: Digest, *, repository_id: int, sources: Sequence[str] | None, principal_id: int | None
) -> bool:
    """Let a repository serve a blob that one of `sources` (None: any repository) holds; return False where none does.

    Of those only what a principal may pull from; None stands for whoever may pull from all.
    """
    return await conn.fetchval(_MOUNT, repository_id, digest.to_bytes(), sources, principal_id) is not None


async def held(conn: Connection, digests: Sequence[Digest], *, repository_id: int) -> set[Digest]:
    """Return those of `digests` that the repository holds, locked against being unlinked until the transaction ends."""
    rows = await conn.fetch(_HELD, repository_id, [digest.to_bytes() for digest in digests])
    return {Digest.from_bytes(row["digest"]) for row in rows}


async def lock_link(conn: Connection, digest: Digest, *, repository_id: int) -> bool:
    """Lock the repository's link to a blob before unlinking it; return False where there is none."""
    return await conn.fetchval(_LOCK_LINK, repository_id, digest.to_bytes()) is not None


async def unlink(conn: Connection, digest: Digest, *, repository_id: int) -> None:
    """Take a blob from a repository."""
    await conn.execute(_UNLINK, repository_id, digest.to_bytes())
