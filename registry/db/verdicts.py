"""What policies say of manifests, kept for as long as nothing has changed that it stands on (registry.core.admission).

A row is true while its organisation has the same epoch, its manifest and those of its grounds the same evidence, and until its
time. Whoever changes one of these raises it in the transaction that does, so that no row needs to be looked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from registry.db.pool import Connection


class Answer(NamedTuple):
    """What a lookup tells of admission: `epoch` 0 where no policy is there; `outcome` None where nothing is known.

    `outcome` is `admitted`, `observed` or `warned`, and `warnings` are what the asker is told.
    """

    epoch: int
    outcome: str | None
    warnings: Sequence[str] | None


class Grounds(NamedTuple):
    """By which other manifests one is admitted, and their evidence."""

    digests: tuple[bytes, ...] = ()
    evidence: tuple[int, ...] = ()


class StandingRow(NamedTuple):
    """A manifest and what is known of it; `own` and `outcome` None where that is not known now, `own_until` None: for ever."""

    media_type: str
    size: int
    evidence: int
    subject: bytes | None
    tags: list[str]
    own: bytes | None
    own_until: datetime | None
    outcome: str | None
    warnings: list[str] | None
    grounds: list[bytes] | None
    ground_epochs: list[int] | None
    valid_until: datetime | None


class UserRow(NamedTuple):
    """A manifest that names a blob; whether it is known to be admitted; and among how many that name it it was found."""

    digest: bytes
    is_admitted: bool
    among: int


class NewVerdict(NamedTuple):
    """What is kept of a manifest (migration 0011)."""

    epoch: int
    evidence: int
    own: bytes | None
    own_until: datetime | None
    outcome: str | None
    warnings: Sequence[str]
    grounds: Grounds
    valid_until: datetime | None


def _stands(epoch: str, evidence: str) -> str:
    """Return the condition that what a row `v` says of its own manifest is true by epoch and evidence; both are SQL."""
    return f"v.epoch = {epoch} AND v.evidence = {evidence}"


_GROUNDED: Final = """
(v.valid_until IS NULL OR v.valid_until > now()) AND NOT EXISTS (
    SELECT FROM unnest(v.grounds, v.ground_epochs) AS g(digest, evidence) WHERE NOT EXISTS (
        SELECT FROM manifests a
        WHERE a.repository_id = v.repository_id AND a.digest = g.digest AND a.evidence = g.evidence))
"""


def known(repository_id: str, digest: str, evidence: str, epoch: str) -> str:
    """Return a query of what a pull of a manifest gets, no row where that is not known; all are SQL.

    Where there is no policy, nothing is looked for.
    """
    return f"""
    SELECT v.outcome, v.warnings FROM verdicts v
    WHERE {epoch} > 0 AND v.repository_id = {repository_id} AND v.digest = {digest} AND {_stands(epoch, evidence)}
        AND v.outcome IS NOT NULL AND {_GROUNDED}
    OFFSET 0
    """


# One of the tags that make an artifact of it comes before all that are for what only speaks of others.
_STANDING: Final = f"""
SELECT m.media_type, m.size, m.evidence, m.subject, ARRAY(
        SELECT t.name FROM tags t WHERE t.repository_id = m.repository_id AND t.digest = m.digest
        ORDER BY t.name ~ '^sha256-[0-9a-f]{{64}}([.](sig|att|sbom))?$' LIMIT 1000),
    CASE WHEN v.own_until IS NULL OR v.own_until > now() THEN v.own END, v.own_until,
    CASE WHEN {_GROUNDED} THEN v.outcome END, v.warnings, v.grounds, v.ground_epochs, v.valid_until
FROM manifests m
LEFT JOIN verdicts v ON v.repository_id = m.repository_id AND v.digest = m.digest AND {_stands("$3::bigint", "m.evidence")}
WHERE m.repository_id = $1 AND m.digest = $2
"""
# What is there already may be newer, where another process has judged meanwhile: epochs and evidence only grow.
_PUT: Final = """
INSERT INTO verdicts AS v (repository_id, digest, epoch, evidence, own, own_until, outcome, warnings, grounds, ground_epochs,
    valid_until)
SELECT m.repository_id, m.digest, $3, $4, $5, $6, $7, $8::text[], $9::bytea[], $10::bigint[], $11
FROM manifests m WHERE m.repository_id = $1 AND m.digest = $2 AND m.evidence = $4 FOR KEY SHARE OF m
ON CONFLICT (repository_id, digest) DO UPDATE SET
    (epoch, evidence, own, own_until, outcome, warnings, grounds, ground_epochs, valid_until, judged_at)
    = (excluded.epoch, excluded.evidence, excluded.own, excluded.own_until, excluded.outcome, excluded.warnings,
        excluded.grounds, excluded.ground_epochs, excluded.valid_until, now())
WHERE v.epoch <= excluded.epoch AND v.evidence <= excluded.evidence
"""
# Indexes of the repository that contain a manifest, also by way of others, and of which something speaks: those with
# signatures first, so that nobody hides one behind others, then the nearest.
_CONTAINING: Final = """
WITH RECURSIVE above AS (
    SELECT u.manifest AS digest, m.evidence, 1 AS depth FROM manifest_references u JOIN manifests m
        ON m.repository_id = u.repository_id AND m.digest = u.manifest AND m.media_type = ANY($3)
    WHERE u.digest = $2 AND u.repository_id = $1 AND u.manifest <> $2
    UNION
    SELECT u.manifest, m.evidence, a.depth + 1
    FROM above a JOIN manifest_references u ON u.digest = a.digest AND u.repository_id = $1
    JOIN manifests m ON m.repository_id = u.repository_id AND m.digest = u.manifest AND m.media_type = ANY($3)
    WHERE a.depth < $4
)
SELECT digest, evidence FROM (
    SELECT digest, evidence, depth, coalesce(
        (SELECT 0 FROM tags t WHERE t.repository_id = $1 AND t.name = ANY(ARRAY[
            'sha256-' || encode(substr(f.digest, 2), 'hex') || '.sig',
            'sha256-' || encode(substr(f.digest, 2), 'hex') || '.att',
            'sha256-' || encode(substr(f.digest, 2), 'hex') || '.sbom']) LIMIT 1),
        (SELECT 0 FROM manifests m
            WHERE m.repository_id = $1 AND m.subject = f.digest AND m.artifact_type = ANY($6::text[]) LIMIT 1),
        (SELECT 1 FROM manifests m WHERE m.repository_id = $1 AND m.subject = f.digest LIMIT 1)) AS rank
    FROM (SELECT digest, evidence, min(depth) AS depth FROM above GROUP BY digest, evidence) f
) AS found WHERE rank IS NOT NULL ORDER BY rank, depth, digest LIMIT $5
"""
# Whether all manifests that an index lists have a subject.
_LISTS: Final = """
SELECT NOT EXISTS (
    SELECT FROM manifest_references u
    LEFT JOIN manifests m ON m.repository_id = u.repository_id AND m.digest = u.digest
    WHERE u.repository_id = $1 AND u.manifest = $2 AND m.subject IS DISTINCT FROM $3)
"""
# Those that are admitted already come first: mostly there is one.
_USING: Final = f"""
WITH u AS MATERIALIZED (
    SELECT repository_id, manifest FROM manifest_references
    WHERE digest = $2 AND repository_id = $1 ORDER BY manifest LIMIT $5
)
SELECT m.digest, v.digest IS NOT NULL, (SELECT count(*) FROM u)
FROM u JOIN manifests m ON m.repository_id = u.repository_id AND m.digest = u.manifest AND m.media_type <> ALL($6)
LEFT JOIN verdicts v ON v.repository_id = m.repository_id AND v.digest = m.digest AND {_stands("$3::bigint", "m.evidence")}
    AND v.outcome IS NOT NULL AND {_GROUNDED}
ORDER BY v.digest IS NULL, m.pushed_at DESC LIMIT $4
"""
# Locked, so that what a tag's move stands on is true when that commits.
_HOLD: Final = """
SELECT digest, evidence FROM manifests WHERE repository_id = $1 AND digest = ANY($2::bytea[])
ORDER BY digest FOR NO KEY UPDATE
"""


async def standing(conn: Connection, *, repository_id: int, digest: bytes, epoch: int) -> StandingRow | None:
    """Return a manifest and what is known of it now; None where it is not there."""
    row = await conn.fetchrow(_STANDING, repository_id, digest, epoch)
    return StandingRow(*row) if row is not None else None


async def put(conn: Connection, new: NewVerdict, *, repository_id: int, digest: bytes) -> None:
    """Keep what was found out of a manifest, unless it is another by now."""
    await conn.execute(
        _PUT,
        repository_id,
        digest,
        new.epoch,
        new.evidence,
        new.own,
        new.own_until,
        new.outcome,
        list(new.warnings),
        list(new.grounds.digests),
        list(new.grounds.evidence),
        new.valid_until,
    )


async def containing(
    conn: Connection,
    digest: bytes,
    index_types: Sequence[str],
    *,
    repository_id: int,
    depth: int,
    limit: int,
    types: Sequence[str],
) -> list[tuple[bytes, int]]:
    """Return up to `limit` indexes that contain a manifest, through up to `depth`, and their evidence.

    Only those of which other manifests speak: first by tags or as referrers of `types`, then the nearest.
    """
    rows = await conn.fetch(_CONTAINING, repository_id, digest, list(index_types), depth, limit, list(types))
    return [(row[0], row[1]) for row in rows]


async def lists_referrers(conn: Connection, index: bytes, subject: bytes, *, repository_id: int) -> bool:
    """Say whether all that an index names are manifests of the repository that have a subject."""
    return bool(await conn.fetchval(_LISTS, repository_id, index, subject))


async def using(
    conn: Connection,
    digest: bytes,
    index_types: Sequence[str],
    *,
    repository_id: int,
    epoch: int,
    limit: int,
    among: int,
) -> list[UserRow]:
    """Return up to `limit` manifests that name a blob as config or layer, of the first `among` that name it at all.

    Those that are known to be admitted come first, then the newest.
    """
    rows = await conn.fetch(_USING, repository_id, digest, epoch, limit, among, list(index_types))
    return [UserRow(*row) for row in rows]


async def hold(conn: Connection, digests: Sequence[bytes], *, repository_id: int) -> dict[bytes, int]:
    """Return the evidence of manifests that are there; it stays so until the transaction ends."""
    return {row[0]: row[1] for row in await conn.fetch(_HOLD, repository_id, sorted(digests))}
