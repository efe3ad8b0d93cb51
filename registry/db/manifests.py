"""Manifests, the tags that name them, and what they reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName, Tag
from registry.db.lookups import PLANNED_ONCE
from registry.db.outbox import told
from registry.db.pool import Connection
from registry.db.rights import EPOCHS, JOINED_EPOCHS, Epochs
from registry.db.tag_rules import RULED, Asker, Ruled, ruled, rules_of
from registry.db.tags import noted
from registry.db.verdicts import Answer, known

INLINE_SIZE: Final = 64 << 10
"""Contents up to this many bytes come with the batched lookup; larger ones in a query of their own."""


class ManifestQuestion(NamedTuple):
    """Which manifest: by `tag`, or by `digest`; `known` is a digest whose content the asker has already.

    Where `principal_id` is given the epochs of that principal and of `organisation` are told with it. `organisation` is that of
    the repository: its policies decide.
    """

    name: RepositoryName
    tag: Tag | None
    digest: bytes | None
    known: bytes | None
    principal_id: int | None
    organisation: str


class ManifestRow(NamedTuple):
    """A manifest; `digest` as Digest.to_bytes; `content` None where it is known to the asker or above INLINE_SIZE."""

    repository_id: int
    digest: bytes
    media_type: str
    content: bytes | None


class ManifestAnswer(NamedTuple):
    """What a question finds, None where its repository has none such; and while which epochs its asker's rights stand.

    `admission` is what policies say of it.
    """

    row: ManifestRow | None
    epochs: Epochs
    admission: Answer


class NewManifest(NamedTuple):
    """What is stored of a manifest that is pushed."""

    digest: Digest
    media_type: str
    artifact_type: str | None
    subject: Digest | None
    referrer: bytes | None
    content: bytes
    references: frozenset[Digest]


_LOOKUP: Final = f"""
SELECT r.id, m.digest, m.media_type,
    CASE WHEN m.size <= {INLINE_SIZE} AND m.digest IS DISTINCT FROM q.known THEN m.content END, {EPOCHS},
    coalesce(o.policy_epoch, 0), v.outcome, v.warnings
FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[], $5::bigint[], $6::text[])
    WITH ORDINALITY AS q(name, tag, digest, known, principal_id, organisation, position)
{JOINED_EPOCHS}
LEFT JOIN LATERAL (SELECT id FROM repositories WHERE name = q.name OFFSET 0) r ON true
LEFT JOIN LATERAL (SELECT digest FROM tags WHERE repository_id = r.id AND name = q.tag OFFSET 0) t ON true
LEFT JOIN LATERAL (
    SELECT digest, media_type, size, content, evidence FROM manifests
    WHERE repository_id = r.id AND digest = coalesce(t.digest, q.digest) OFFSET 0
) m ON true
LEFT JOIN LATERAL ({known("r.id", "m.digest", "m.evidence", "o.policy_epoch")}) v ON true
WHERE {PLANNED_ONCE}
ORDER BY q.position
"""
_CONTENT: Final = "SELECT content FROM manifests WHERE repository_id = $1 AND digest = $2"
# A referrer is evidence of its subject (registry.db.evidence), and when a manifest was pushed is of itself.
_RAISED: Final = """
raised AS (UPDATE manifests SET evidence = nextval('evidence_epochs') WHERE repository_id = $1 AND digest = $5)
"""
_PUT_UNTOLD: Final = f"""
WITH {_RAISED}
INSERT INTO manifests (repository_id, digest, media_type, artifact_type, subject, referrer, size, content)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (repository_id, digest) DO UPDATE
    SET media_type = EXCLUDED.media_type, referrer = EXCLUDED.referrer, pushed_at = now(), evidence = nextval('evidence_epochs')
RETURNING xmax = 0 -- of a row that was there it tells who locked it first
"""
# In one statement, since each would cost a push a round trip.
_PUT: Final = _PUT_UNTOLD.replace("WITH ", f"WITH told AS ({told('$1', '$2')}), ", 1)
_REFER: Final = """
INSERT INTO manifest_references (digest, repository_id, manifest)
SELECT d, $2, $3 FROM unnest($1::bytea[]) AS d ON CONFLICT DO NOTHING
"""
_HELD: Final = """
SELECT digest FROM manifests WHERE repository_id = $1 AND digest = ANY($2::bytea[]) ORDER BY digest FOR KEY SHARE
"""
_LOCK: Final = "SELECT 1 FROM manifests WHERE repository_id = $1 AND digest = $2 FOR UPDATE"
# In the order in which a push takes them: the cascade of the deletion alone has none.
_LOCK_TAGS: Final = f"""
SELECT t.name, {RULED}
FROM (SELECT name FROM tags WHERE repository_id = $1 AND digest = $2 ORDER BY name FOR UPDATE) t
LEFT JOIN LATERAL {rules_of("t.name", "$3", "$4::text", "$5::bigint")} ON true
"""
_DELETE: Final = f"""
WITH named AS (SELECT name, digest FROM tags WHERE repository_id = $1 AND digest = $2),
noted AS ({noted("SELECT name, digest AS before, NULL::bytea AS after FROM named", "$3")}),
raised AS (
    UPDATE manifests s SET evidence = nextval('evidence_epochs') FROM manifests d
    WHERE d.repository_id = $1 AND d.digest = $2 AND s.repository_id = $1 AND s.digest = d.subject
)
DELETE FROM manifests WHERE repository_id = $1 AND digest = $2
"""
_USERS: Final = """
SELECT manifest FROM manifest_references
WHERE digest = $2 AND repository_id = $1 AND manifest <> $2 ORDER BY manifest LIMIT $3
"""


def _page_of_referrers(condition: str = "") -> str:
    """Return the statement; a page ends before it holds more than $4 descriptors or $5 bytes of them, but has one at least."""
    return f"""
SELECT digest, referrer, candidates FROM (
    SELECT digest, referrer, count(*) OVER () AS candidates, row_number() OVER (ORDER BY digest) AS position,
        sum(length(referrer)) OVER (ORDER BY digest) AS total
    FROM (
        SELECT digest, referrer FROM manifests
        WHERE repository_id = $1 AND subject = $2 AND digest > $3{condition}
        ORDER BY digest LIMIT $4 + 1
    ) AS candidate
) AS counted
WHERE position = 1 OR (position <= $4 AND total <= $5)
ORDER BY digest
"""


_REFERRERS: Final = _page_of_referrers()
# A statement of its own: a plan that serves both can't go by the type's index.
_REFERRERS_OF_TYPE: Final = _page_of_referrers(" AND artifact_type = $6")


async def look_up(conn: Connection, questions: Sequence[ManifestQuestion]) -> list[ManifestAnswer]:
    """Answer, in order, which manifest each question names."""
    columns = zip(*questions, strict=True)
    rows = await conn.fetch(_LOOKUP, *(list(column) for column in columns))
    return [
        ManifestAnswer(
            None if row[1] is None else ManifestRow(row[0], row[1], row[2], row[3]),
            Epochs(row[4], row[5]),
            Answer(row[6], row[7], row[8]),
        )
        for row in rows
    ]


async def content(conn: Connection, *, repository_id: int, digest: bytes) -> bytes | None:
    """Return a manifest's bytes; None where it is gone."""
    found: bytes | None = await conn.fetchval(_CONTENT, repository_id, digest)
    return found


async def put(conn: Connection, new: NewManifest, *, repository_id: int, is_told: bool = True) -> bool:
    """Store a manifest and its references, lock it until the transaction ends, and say so in the outbox where it `is_told`.

    The media type is that of the last push. Return whether it is new here. Either way it has another number as evidence now.
    """
    packed = new.digest.to_bytes()
    subject = new.subject.to_bytes() if new.subject else None
    statement = _PUT if is_told else _PUT_UNTOLD
    is_new: bool = await conn.fetchval(
        statement,
        repository_id,
        packed,
        new.media_type,
        new.artifact_type,
        subject,
        new.referrer,
        len(new.content),
        new.content,
    )
    if new.references:
        await conn.execute(_REFER, sorted(used.to_bytes() for used in new.references), repository_id, packed)
    return is_new


async def held(conn: Connection, digests: Sequence[Digest], *, repository_id: int) -> set[Digest]:
    """Return those of `digests` that are manifests of the repository, locked until the transaction ends."""
    rows = await conn.fetch(_HELD, repository_id, [digest.to_bytes() for digest in digests])
    return {Digest.from_bytes(row["digest"]) for row in rows}


async def lock(
    conn: Connection, digest: Digest, *, repository_id: int, asker: Asker
) -> tuple[list[Tag], list[Ruled]] | None:
    """Lock a manifest and its tags before deleting them; return the tags, and which rules they fall under.

    None where there is no such manifest.
    """
    if await conn.fetchval(_LOCK, repository_id, digest.to_bytes()) is None:
        return None
    rows = await conn.fetch(_LOCK_TAGS, repository_id, digest.to_bytes(), *asker)
    return sorted({row["name"] for row in rows}), ruled(rows, is_new=False)


async def delete(conn: Connection, digest: Digest, *, repository_id: int, by: str | None = None) -> None:
    """Delete a manifest with its tags, whose history says `by` whom, and its references."""
    await conn.execute(_DELETE, repository_id, digest.to_bytes(), by)


async def users(conn: Connection, digest: Digest, *, repository_id: int, limit: int) -> list[Digest]:
    """Return up to `limit` manifests of the repository that use `digest`."""
    rows = await conn.fetch(_USERS, repository_id, digest.to_bytes(), limit)
    return [Digest.from_bytes(row["manifest"]) for row in rows]


async def referrers(
    conn: Connection,
    subject: Digest,
    *,
    repository_id: int,
    artifact_type: str | None,
    after: bytes,
    limit: int,
    max_bytes: int,
) -> tuple[list[tuple[bytes, bytes]], bool]:
    """Return (digest, descriptor as JSON) of the manifests whose subject is `subject`, after `after`; and if more follow.

    At most `limit` of them, and at most `max_bytes` of descriptors beyond the first.
    """
    page = (repository_id, subject.to_bytes(), after, limit, max_bytes)
    if artifact_type is None:
        rows = await conn.fetch(_REFERRERS, *page)
    else:
        rows = await conn.fetch(_REFERRERS_OF_TYPE, *page, artifact_type)
    more = bool(rows) and rows[0]["candidates"] > len(rows)
    return [(row["digest"], row["referrer"]) for row in rows], more
