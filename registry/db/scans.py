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
    """What a scanner has said, in the order of the statement; `findings` is JSON."""

    scanner: str
    asked: int
    state: str
    worst: str | None
    version: str | None
    findings: str
    problem: str | None
    document: bytes | None
    started_at: datetime


_ASK: Final = """
INSERT INTO scan_results (repository_id, digest, scanner)
SELECT m.repository_id, m.digest, s.scanner
FROM manifests m, unnest($3::text[], $4::boolean[]) AS s(scanner, again)
WHERE m.repository_id = $1 AND m.digest = $2
    AND (s.again OR NOT EXISTS (
        SELECT FROM scan_results r WHERE r.repository_id = m.repository_id AND r.digest = m.digest AND r.scanner = s.scanner))
ORDER BY s.scanner
FOR KEY SHARE OF m
ON CONFLICT (repository_id, digest, scanner) DO UPDATE SET asked = scan_results.asked + 1, asked_at = now()
"""
_FORGET: Final = """
DELETE FROM scan_results WHERE repository_id = $1 AND digest = $2 AND scanner <> ALL($3::text[])
"""
_DUE: Final = """
SELECT scanner, asked FROM scan_results WHERE repository_id = $1 AND digest = $2 AND asked > answered ORDER BY scanner
"""
_COLUMNS: Final = "scanner, state, worst, version, findings, problem, asked_at, started_at, finished_at"
_OF: Final = f"SELECT {_COLUMNS} FROM scan_results WHERE repository_id = $1 AND digest = $2 ORDER BY scanner"
# A scanner that is down has not answered: it is still asked. What was found is not taken back by that, nor by one that fails.
_PUT: Final = """
UPDATE scan_results r SET problem = $9,
    (state, worst, version, findings, document) = (
        SELECT CASE WHEN k.stays THEN o.state ELSE $5 END, CASE WHEN k.stays THEN o.worst ELSE $6 END,
            CASE WHEN k.stays THEN o.version ELSE $7 END, CASE WHEN k.stays THEN o.findings ELSE $8::jsonb END,
            CASE WHEN k.stays THEN r.document ELSE $10::bytea END
        FROM (SELECT $5 IN ('down', 'failed') AND o.state = 'found' AS stays) k),
    started_at = $11, finished_at = clock_timestamp(),
    answered = CASE WHEN $5 = 'down' THEN r.answered ELSE greatest(r.answered, $4) END
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
    SELECT digest FROM artifacts WHERE repository_id = $1 AND digest > $2 AND ($3::bytea IS NULL OR digest = $3)
    ORDER BY digest LIMIT $4
), told AS (
    INSERT INTO outbox (kind, repository_id, digest) SELECT '{SCANS_ASKED}', $1, digest FROM page
), asked AS (
    INSERT INTO scan_results (repository_id, digest, scanner)
    SELECT $1, p.digest, s.scanner FROM page p, unnest($5::text[], $6::boolean[]) AS s(scanner, again)
    WHERE s.again OR NOT EXISTS (
        SELECT FROM scan_results r WHERE r.repository_id = $1 AND r.digest = p.digest AND r.scanner = s.scanner)
    ORDER BY p.digest, s.scanner
    ON CONFLICT (repository_id, digest, scanner) DO UPDATE SET asked = scan_results.asked + 1, asked_at = now()
)
SELECT digest FROM page ORDER BY digest
"""
# Those whose scanner was down, and those that wait for a job that is no more.
_WAITING: Final = f"""
WITH page AS (
    SELECT DISTINCT r.repository_id, r.digest FROM (
        SELECT repository_id, digest FROM scan_results
        WHERE scanner = ANY($1::text[]) AND state IN ('down', 'pending') AND asked_at < now() - make_interval(secs => $2)
        ORDER BY scanner, asked_at LIMIT $3
    ) r
    WHERE NOT EXISTS (
        SELECT FROM jobs j WHERE j.kind = 'scan' AND j.repository_id = r.repository_id AND j.digest = r.digest
            AND j.state IN ('queued', 'running'))
), touched AS (
    UPDATE scan_results s SET asked_at = now() FROM page p
    WHERE s.repository_id = p.repository_id AND s.digest = p.digest AND s.scanner = ANY($1::text[])
        AND s.state IN ('down', 'pending')
)
INSERT INTO outbox (kind, repository_id, digest) SELECT '{SCANS_ASKED}', repository_id, digest FROM page
"""
# Of artifacts, since nothing else is scanned: those where a scanner is missing that their repository asks for, and those that
# another version has scanned.
_OUTDATED: Final = """
SELECT a.repository_id, a.digest, ARRAY(
    SELECT s.scanner FROM unnest($3::text[], $4::text[]) AS s(scanner, version)
    LEFT JOIN scan_results r ON r.repository_id = a.repository_id AND r.digest = a.digest AND r.scanner = s.scanner
    WHERE r.scanner IS NULL OR (r.version IS DISTINCT FROM s.version AND r.asked = r.answered)
) AS scanners
FROM artifacts a WHERE (a.repository_id, a.digest) > ($1, $2) ORDER BY a.repository_id, a.digest LIMIT $5
"""


async def ask(conn: Connection, scanners: Sequence[tuple[str, bool]], *, repository_id: int, digest: bytes) -> None:
    """Ask scanners for an artifact: each that was never asked, and again those that are said to be."""
    await conn.execute(_ASK, repository_id, digest, [name for name, _ in scanners], [again for _, again in scanners])


async def forget(conn: Connection, scanners: Sequence[str], *, repository_id: int, digest: bytes) -> bool:
    """Forget what others than these scanners have said of an artifact; return whether there was any."""
    return await conn.execute(_FORGET, repository_id, digest, list(scanners)) != "DELETE 0"


async def due(conn: Connection, *, repository_id: int, digest: bytes) -> list[DueRow]:
    """Return which scanners are asked for an artifact and have not answered."""
    return [DueRow(*row) for row in await conn.fetch(_DUE, repository_id, digest)]


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
) -> list[bytes]:
    """Ask scanners, as `ask` does, for up to `limit` artifacts of a repository behind `after`, or for one; return which."""
    names, again = [name for name, _ in scanners], [again for _, again in scanners]
    rows = await conn.fetch(_ASK_OF_PAGE, repository_id, after, digest, limit, names, again)
    return [row["digest"] for row in rows]


async def ask_of_waiting(conn: Connection, scanners: Sequence[str], *, after: float, limit: int) -> int:
    """Tell that artifacts are to be scanned that wait for these scanners since `after` seconds; return how many."""
    return int((await conn.execute(_WAITING, list(scanners), after, limit)).rpartition(" ")[2])


async def outdated(
    conn: Connection, after: tuple[int, bytes], versions: dict[str, str], *, limit: int
) -> list[tuple[int, bytes, list[str]]]:
    """Return the next `limit` artifacts of all repositories, and which scanners of these versions have not scanned them."""
    rows = await conn.fetch(_OUTDATED, *after, list(versions), list(versions.values()), limit)
    return [(row["repository_id"], row["digest"], row["scanners"]) for row in rows]
