"""What scanners say of artifacts, and what they are still asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from registry.db.outbox import SCANS_ASKED
from registry.db.pool import Connection


class ScanRow(NamedTuple):
    """What a scanner says of an artifact; `findings` have severity, rule, path and message."""

    scanner: str
    state: str
    worst: str | None
    version: str | None
    findings: list[dict[str, Any]]
    problem: str | None
    asked_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None


class DueRow(NamedTuple):
    """A scanner that is asked for an artifact, for the time of the number `asked`."""

    scanner: str
    asked: int


class NewResult(NamedTuple):
    """What a scanner has said, in the order of the statement; `findings` is JSON.

    It is no answer where the scanner is asked again.
    """

    scanner: str
    asked: int
    state: str
    worst: str | None
    version: str | None
    findings: str
    problem: str | None
    document: bytes | None
    started_at: datetime
    is_answer: bool


_HOLD: Final = "SELECT 1 FROM manifests WHERE repository_id = $1 AND digest = $2 FOR NO KEY UPDATE"
_ASK: Final = """
INSERT INTO scan_results (repository_id, digest, scanner)
SELECT m.repository_id, m.digest, s.scanner
FROM manifests m, unnest($3::text[], $4::boolean[]) AS s(scanner, again)
WHERE m.repository_id = $1 AND m.digest = $2
    AND (s.again OR NOT EXISTS (
        SELECT FROM scan_results r WHERE r.repository_id = m.repository_id AND r.digest = m.digest AND r.scanner = s.scanner))
ORDER BY s.scanner
FOR KEY SHARE OF m
ON CONFLICT (repository_id, digest, scanner) DO UPDATE SET asked = scan_results.asked + 1, asked_at = now(), tries = 0
RETURNING asked
"""
_DUE: Final = """
SELECT scanner, asked FROM scan_results
WHERE repository_id = $1 AND digest = $2 AND asked > answered AND scanner = ANY($3::text[]) ORDER BY scanner
"""
_TRY: Final = """
UPDATE scan_results SET tries = greatest(tries + $4, 0) WHERE repository_id = $1 AND digest = $2 AND scanner = $3
RETURNING tries
"""
_COLUMNS: Final = "scanner, state, worst, version, findings, problem, asked_at, started_at, finished_at"
_OF: Final = f"SELECT {_COLUMNS} FROM scan_results WHERE repository_id = $1 AND digest = $2 ORDER BY scanner"
# What was found is not taken back by a scanner that is down or fails, nor that it has failed by one that is down.
_PUT: Final = """
UPDATE scan_results r SET problem = $9,
    (state, worst, version, findings, document, started_at, finished_at) = (
        SELECT CASE WHEN k.stays THEN o.state ELSE $5 END, CASE WHEN k.stays THEN o.worst ELSE $6 END,
            CASE WHEN k.stays THEN o.version ELSE $7 END, CASE WHEN k.stays THEN o.findings ELSE $8::jsonb END,
            CASE WHEN k.stays THEN r.document ELSE $10::bytea END,
            CASE WHEN k.stays THEN r.started_at ELSE $11 END, CASE WHEN k.stays THEN r.finished_at ELSE clock_timestamp() END
        FROM (SELECT $5 IN ('down', 'failed') AND o.state = 'found' OR $5 = 'down' AND o.state = 'failed' AS stays) k),
    answered = CASE WHEN $12 THEN greatest(r.answered, $4) ELSE r.answered END,
    answered_by = CASE WHEN $12 THEN $7 ELSE r.answered_by END
FROM (SELECT state, worst, version, findings, problem FROM scan_results
      WHERE repository_id = $1 AND digest = $2 AND scanner = $3 FOR UPDATE) o
WHERE r.repository_id = $1 AND r.digest = $2 AND r.scanner = $3 AND r.answered < $4
RETURNING (o.state, o.worst, o.findings) IS DISTINCT FROM (r.state, r.worst, r.findings)
    OR o.version IS DISTINCT FROM r.version OR o.problem IS DISTINCT FROM r.problem
"""
_DOCUMENT: Final = """
SELECT document FROM scan_results WHERE repository_id = $1 AND digest = $2 AND scanner = $3
"""
_ASK_OF_PAGE: Final = f"""
WITH page AS (
    SELECT m.digest FROM artifacts a JOIN manifests m ON m.repository_id = a.repository_id AND m.digest = a.digest
    WHERE a.repository_id = $1 AND a.digest > $2 AND ($3::bytea IS NULL OR a.digest = $3)
    ORDER BY a.digest LIMIT $4 FOR NO KEY UPDATE OF m
), told AS (
    INSERT INTO outbox (kind, repository_id, digest) SELECT '{SCANS_ASKED}', $1, digest FROM page
), asked AS (
    INSERT INTO scan_results (repository_id, digest, scanner)
    SELECT $1, p.digest, s.scanner FROM page p, unnest($5::text[], $6::boolean[]) AS s(scanner, again)
    WHERE s.again OR NOT EXISTS (
        SELECT FROM scan_results r WHERE r.repository_id = $1 AND r.digest = p.digest AND r.scanner = s.scanner)
    ORDER BY p.digest, s.scanner
    ON CONFLICT (repository_id, digest, scanner) DO UPDATE SET asked = scan_results.asked + 1, asked_at = now(), tries = 0
    RETURNING digest, asked
)
SELECT p.digest, EXISTS (SELECT FROM asked a WHERE a.digest = p.digest AND a.asked = 1) AS is_new FROM page p ORDER BY p.digest
"""
# Those that have not answered, and for which there is no job any more. What has one goes to the end of the line, so that what
# is behind it has its turn.
_WAITING: Final = f"""
WITH page AS (
    SELECT repository_id, digest, scanner FROM scan_results
    WHERE scanner = ANY($1::text[]) AND asked > answered AND asked_at < now() - make_interval(secs => $2)
    ORDER BY scanner, asked_at LIMIT $3 FOR UPDATE SKIP LOCKED
), touched AS (
    UPDATE scan_results s SET asked_at = now() FROM page p
    WHERE s.repository_id = p.repository_id AND s.digest = p.digest AND s.scanner = p.scanner
), told AS (
    INSERT INTO outbox (kind, repository_id, digest)
    SELECT DISTINCT '{SCANS_ASKED}', p.repository_id, p.digest FROM page p
    WHERE NOT EXISTS (
        SELECT FROM jobs j WHERE j.kind = 'scan' AND j.repository_id = p.repository_id AND j.digest = p.digest
            AND j.state IN ('queued', 'running'))
)
SELECT count(*) FROM (SELECT DISTINCT repository_id, digest FROM page) d
"""
_SEEN: Final = """
INSERT INTO scanners (name) SELECT name FROM unnest($1::text[]) AS new(name) ORDER BY name
ON CONFLICT (name) DO UPDATE SET seen_at = now()
"""
# What a quarantine, or a release from it, stands on is not forgotten.
_FORGETTABLE: Final = """r.asked_at < now() - make_interval(secs => $1) AND (r.state <> 'found' OR (
    SELECT true FROM quarantines q WHERE q.repository_id = r.repository_id AND q.digest = r.digest) IS NULL)"""
_NOT_SEEN: Final = (
    "NOT EXISTS (SELECT FROM scanners s WHERE s.name = {name} AND s.seen_at > now() - make_interval(secs => $1))"
)
# Of names that the index tells one after another, however many results each has.
_UNSEEN: Final = f"""
WITH RECURSIVE known AS (
    (SELECT scanner FROM scan_results ORDER BY scanner LIMIT 1)
    UNION ALL
    SELECT (SELECT r.scanner FROM scan_results r WHERE r.scanner > k.scanner ORDER BY r.scanner LIMIT 1)
    FROM known k WHERE k.scanner IS NOT NULL
)
SELECT r.repository_id, r.digest, r.scanner FROM known k, LATERAL (
    SELECT r.repository_id, r.digest, r.scanner FROM scan_results r
    WHERE r.scanner = k.scanner AND {_FORGETTABLE} ORDER BY r.asked_at LIMIT $2) r
WHERE {_NOT_SEEN.format(name="k.scanner")}
LIMIT $2
"""
# Again by the same conditions: the scanner may be there again, or something else have happened before the lock.
_FORGET: Final = f"""
DELETE FROM scan_results r WHERE r.repository_id = $2 AND r.digest = $3 AND r.scanner = $4 AND {_FORGETTABLE}
    AND {_NOT_SEEN.format(name="r.scanner")}
RETURNING true
"""
# Of artifacts, since nothing else is scanned: those where a scanner is missing that their repository asks for, and those that
# another version has scanned.
_OUTDATED: Final = """
SELECT a.repository_id, a.digest, ARRAY(
    SELECT s.scanner FROM unnest($3::text[], $4::text[]) AS s(scanner, version)
    LEFT JOIN scan_results r ON r.repository_id = a.repository_id AND r.digest = a.digest AND r.scanner = s.scanner
    WHERE r.scanner IS NULL OR (r.answered_by IS DISTINCT FROM s.version AND r.asked = r.answered)
) AS scanners
FROM artifacts a WHERE (a.repository_id, a.digest) > ($1, $2) ORDER BY a.repository_id, a.digest LIMIT $5
"""


async def hold(conn: Connection, *, repository_id: int, digest: bytes) -> None:
    """Keep what is known of a manifest from being changed by others until the transaction ends.

    Whoever changes scans and what follows of them takes this lock first.
    """
    await conn.execute(_HOLD, repository_id, digest)


async def ask(conn: Connection, scanners: Sequence[tuple[str, bool]], *, repository_id: int, digest: bytes) -> bool:
    """Ask scanners for an artifact: each that was never asked, and again those that are said to be.

    Return whether one is that never was.
    """
    names, again = [name for name, _ in scanners], [again for _, again in scanners]
    return any(row["asked"] == 1 for row in await conn.fetch(_ASK, repository_id, digest, names, again))


async def due(conn: Connection, scanners: Sequence[str], *, repository_id: int, digest: bytes) -> list[DueRow]:
    """Return which of these scanners are asked for an artifact and have not answered."""
    return [DueRow(*row) for row in await conn.fetch(_DUE, repository_id, digest, list(scanners))]


async def count_try(conn: Connection, scanner: str, by: int = 1, *, repository_id: int, digest: bytes) -> int:
    """Count that a scanner begins with an artifact, and return how often it has since it was asked; 0 where that is gone."""
    return int(await conn.fetchval(_TRY, repository_id, digest, scanner, by) or 0)


async def of(conn: Connection, *, repository_id: int, digest: bytes) -> list[ScanRow]:
    """Return what all scanners say of an artifact, by their names."""
    rows = await conn.fetch(_OF, repository_id, digest)
    return [ScanRow(*row)._replace(findings=json.loads(row["findings"])) for row in rows]


async def put(conn: Connection, new: NewResult, *, repository_id: int, digest: bytes) -> bool:
    """Keep what a scanner says, unless it has answered a later question; return whether it says anything new."""
    return bool(await conn.fetchval(_PUT, repository_id, digest, *new))


async def document(conn: Connection, scanner: str, *, repository_id: int, digest: bytes) -> bytes | None:
    """Return what a scanner has made of an artifact beside findings, if anything."""
    found: bytes | None = await conn.fetchval(_DOCUMENT, repository_id, digest, scanner)
    return found


async def ask_of_page(
    conn: Connection,
    scanners: Sequence[tuple[str, bool]],
    *,
    repository_id: int,
    after: bytes,
    digest: bytes | None,
    limit: int,
) -> list[tuple[bytes, bool]]:
    """Ask scanners, as `ask` does, for up to `limit` artifacts of a repository behind `after`, or for one.

    Return which, and whether a scanner is asked for it that never was. They are held.
    """
    names, again = [name for name, _ in scanners], [again for _, again in scanners]
    rows = await conn.fetch(_ASK_OF_PAGE, repository_id, after, digest, limit, names, again)
    return [(row["digest"], row["is_new"]) for row in rows]


async def ask_of_waiting(conn: Connection, scanners: Sequence[str], *, after: float, limit: int) -> int:
    """Tell that artifacts are to be scanned that wait for these scanners since `after` seconds; return how many wait."""
    return int(await conn.fetchval(_WAITING, list(scanners), after, limit))


async def seen(conn: Connection, scanners: Sequence[str]) -> None:
    """Note that a node has these scanners."""
    await conn.execute(_SEEN, list(scanners))


async def unseen(conn: Connection, *, after: float, limit: int) -> list[tuple[int, bytes, str]]:
    """Return up to `limit` results, by repository, digest and scanner, of scanners that no node has had for `after` seconds.

    What was found in an artifact that is in quarantine, or was released from it, is not among them.
    """
    return [(row[0], row[1], row[2]) for row in await conn.fetch(_UNSEEN, after, limit)]


async def forget(conn: Connection, scanner: str, *, after: float, repository_id: int, digest: bytes) -> bool:
    """Forget what a scanner has said of an artifact; return False where it is not, or no more, one of `unseen`."""
    return bool(await conn.fetchval(_FORGET, after, repository_id, digest, scanner))


async def outdated(
    conn: Connection, after: tuple[int, bytes], versions: dict[str, str], *, limit: int
) -> list[tuple[int, bytes, list[str]]]:
    """Return the next `limit` artifacts of all repositories, and which scanners of these versions have not scanned them."""
    rows = await conn.fetch(_OUTDATED, *after, list(versions), list(versions.values()), limit)
    return [(row["repository_id"], row["digest"], row["scanners"]) for row in rows]
