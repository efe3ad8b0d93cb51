"""Scans as people and policies see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName, Tag
from registry.core.access import Caller
from registry.core.artifacts import referenced
from registry.core.switches import Switch
from registry.db import quarantines, scans, switches
from registry.db.pool import Connection, Database
from registry.db.quarantines import QuarantineRow
from registry.db.scans import ScanRow
from signing.evidence import Scan


QUARANTINE: Final = "quarantine"
"""By which name policies ask for the quarantine, as if it were a scanner."""


@dataclass(frozen=True, slots=True)
class ScansSeen:
    """What scanners say of an artifact; None where nobody scans it."""

    digest: Digest
    scans: list[ScanRow] | None
    quarantine: QuarantineRow | None


class Scans:
    """The verb of those who look at scans."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def of(self, name: RepositoryName, reference: Tag | Digest, caller: Caller) -> ScansSeen:
        """Return what scanners say of what a reference names. Raise ManifestUnknown."""

        async def find(conn: Connection) -> ScansSeen:
            row = await referenced(conn, name, reference, caller)
            key = {"repository_id": row.repository_id, "digest": row.digest}
            found = await scans.of(conn, **key)
            is_asked = bool(found) or await switches.is_on(conn, Switch.SCAN, repository_id=row.repository_id)
            return ScansSeen(
                Digest.from_bytes(row.digest), found if is_asked else None, await quarantines.find(conn, **key)
            )

        return await self._db.read("show_scans", find)


async def scans_of(conn: Connection, repository_id: int, digest: bytes) -> tuple[Scan, ...] | None:
    """Return what a policy may know of an artifact's scans (signing.evidence.Known.scans); None where nobody scans it.

    One more speaks of its quarantine where its repository has a level: `found` while it is there, `clean` when it is not, or not
    any more.
    """
    rows = await scans.of(conn, repository_id=repository_id, digest=digest)
    if not rows:
        return None
    found = [Scan(row.scanner, row.state, row.worst, row.version, row.finished_at, tuple(row.findings)) for row in rows]
    if await quarantines.level(conn, repository_id=repository_id) is not None:
        found.append(await _quarantine(conn, rows, repository_id, digest))
    return tuple(found)


async def _quarantine(conn: Connection, rows: list[ScanRow], repository_id: int, digest: bytes) -> Scan:
    held = await quarantines.find(conn, repository_id=repository_id, digest=digest)
    if held is not None and held.released_at is None:
        said = {"severity": held.worst, "rule": "quarantined", "path": "", "message": "the artifact is in quarantine"}
        return Scan(QUARANTINE, "found", held.worst, None, held.since, (said,))
    if held is not None:
        return Scan(QUARANTINE, "clean", None, None, held.released_at)
    # It can't be said of what nobody has looked at that it is not to be there.
    states = {row.state for row in rows}
    state = next((state for state in ("down", "failed", "pending") if state in states), "clean")
    return Scan(QUARANTINE, state)
