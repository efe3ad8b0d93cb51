"""Scans as policies see them."""

from __future__ import annotations

from typing import Final

from registry.core.quarantine import worst_from
from registry.db import quarantines, scans
from registry.db.pool import Connection
from registry.db.scans import ScanRow
from signing.evidence import Scan

QUARANTINE: Final = "quarantine"
"""By which name policies ask for the quarantine, as if it were a scanner."""


async def scans_of(conn: Connection, repository_id: int, digest: bytes) -> tuple[Scan, ...] | None:
    """Return what a policy may know of an artifact's scans (signing.evidence.Known.scans); None where nobody scans it.

    One more speaks of its quarantine where its repository has a level: `found` while it is there or is to be, `clean` when it
    is not, or no more.
    """
    rows = await scans.of(conn, repository_id=repository_id, digest=digest)
    if not rows:
        return None
    found = [
        Scan(row.scanner, row.state, row.worst, row.version, row.finished_at, tuple(row.findings), row.problem is None)
        for row in rows
    ]
    level = await quarantines.level(conn, repository_id=repository_id)
    if level is not None:
        found.append(await _quarantine(conn, level, rows, repository_id, digest))
    return tuple(found)


async def _quarantine(conn: Connection, level: str, rows: list[ScanRow], repository_id: int, digest: bytes) -> Scan:
    held = await quarantines.find(conn, repository_id=repository_id, digest=digest)
    if held is not None and held.released_at is None:
        said = {"severity": held.worst, "rule": "quarantined", "path": "", "message": "the artifact is in quarantine"}
        return Scan(QUARANTINE, "found", held.worst, None, held.since, (said,))
    if held is not None:
        return Scan(QUARANTINE, "clean", None, None, held.released_at)
    worst = worst_from(level, rows)
    if worst is not None:  # since the level was decided, it has not been judged yet
        said = {"severity": worst, "rule": "quarantined", "path": "", "message": f"what is found is as bad as {level}"}
        return Scan(QUARANTINE, "found", worst, None, None, (said,))
    # It can't be said of what nobody has looked at that it is not to be there.
    states = {"failed" if row.state == "found" and row.problem is not None else row.state for row in rows}
    state = next((state for state in ("failed", "down", "pending") if state in states), "clean")
    return Scan(QUARANTINE, state)
