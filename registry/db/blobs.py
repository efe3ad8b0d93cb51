"""Blobs, and the repositories that may serve them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName
from registry.db.lookups import PLANNED_ONCE
from registry.db.pool import Connection
from registry.db.rights import EPOCHS, JOINED_EPOCHS, Epochs, on, path_of, visible
from registry.db.verdicts import Answer, known


class BlobRow(NamedTuple):
    """Where a blob lies and how many bytes it has."""

    storage_key: str
    size: int


class BlobQuestion(NamedTuple):
    """Where a blob of a repository lies. With `principal_id`, the epochs of that principal and of `organisation` are told.

    `through` is a manifest that names it, by which it may be admitted; `organisation` is that of the repository.
    """

    name: RepositoryName
    digest: Digest
    through: bytes | None
    principal_id: int | None
    organisation: str


class BlobAnswer(NamedTuple):
    """Where a blob lies, None where its repository has none such; and while which epochs its asker's rights stand.

    `admission` is what policies say of the manifest that was asked for with it.
    """

    row: BlobRow | None
    epochs: Epochs
    admission: Answer


# LATERAL … OFFSET 0 keeps each step an index lookup per question, whatever the planner thinks of the tables' sizes.
_LOOKUP: Final = f"""
SELECT b.storage_key, b.size, {EPOCHS}, coalesce(o.policy_epoch, 0), v.outcome
FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::bigint[], $5::text[])
    WITH ORDINALITY AS q(name, digest, through, principal_id, organisation, position)
{JOINED_EPOCHS}
LEFT JOIN LATERAL (SELECT id FROM repositories WHERE name = q.name OFFSET 0) r ON true
LEFT JOIN LATERAL (
    SELECT digest FROM repository_blobs WHERE repository_id = r.id AND digest = q.digest OFFSET 0
) l ON true
LEFT JOIN LATERAL (SELECT storage_key, size FROM blobs WHERE digest = l.digest OFFSET 0) b ON true
LEFT JOIN LATERAL (
    SELECT manifest FROM manifest_references
    WHERE o.policy_epoch > 0 AND digest = l.digest AND repository_id = r.id AND manifest = q.through OFFSET 0
) u ON true
LEFT JOIN LATERAL (
    SELECT digest, evidence FROM manifests WHERE repository_id = r.id AND digest = u.manifest OFFSET 0
) m ON true
LEFT JOIN LATERAL ({known("r.id", "m.digest", "m.evidence", "o.policy_epoch")}) v ON true
WHERE {PLANNED_ONCE}
ORDER BY q.position
"""
_FIND: Final = """
SELECT b.storage_key, b.size
FROM repositories r
JOIN repository_blobs l ON l.repository_id = r.id
JOIN blobs b ON b.digest = l.digest
WHERE r.name = $1 AND l.digest = $2
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
        AND ($4::bigint IS NULL OR {visible("r.name", "$4")})
        AND ($5 OR NOT EXISTS (
            SELECT FROM policies e JOIN policy_versions v ON v.policy_id = e.id AND v.version = e.version
            WHERE e.organisation_id = (SELECT id FROM organisations WHERE name = split_part({path_of("r.name")}, '/', 1))
                AND NOT e.is_removed AND v.on_pull AND v.mode = 'enforce' AND {on(path_of("r.name"))})))
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
        [question.through for question in questions],
        [question.principal_id for question in questions],
        [question.organisation for question in questions],
    )
    return [
        BlobAnswer(
            None if row[0] is None else BlobRow(row[0], row[1]), Epochs(row[2], row[3]), Answer(row[4], row[5], None)
        )
        for row in rows
    ]


async def find(conn: Connection, name: RepositoryName, digest: Digest) -> BlobRow | None:
    """Return where a blob of a repository lies; None where that has none such."""
    row = await conn.fetchrow(_FIND, name, digest.to_bytes())
    return BlobRow(*row) if row is not None else None


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
    conn: Connection,
    digest: Digest,
    *,
    repository_id: int,
    sources: Sequence[str] | None,
    principal_id: int | None,
    is_admitted: bool,
) -> bool:
    """Let a repository serve a blob that one of `sources` (None: any repository) holds; return False where none does.

    Of those only what a principal may pull from; None stands for whoever may pull from all. Unless it `is_admitted` there, from
    none whose policies could refuse it.
    """
    found = await conn.fetchval(_MOUNT, repository_id, digest.to_bytes(), sources, principal_id, is_admitted)
    return found is not None


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
