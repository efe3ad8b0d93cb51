"""Scans as people and policies see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName, Tag
from registry.core.access import Caller
from registry.core.artifacts import referenced
from registry.core.switches import Switch
from registry.db import scans, switches
from registry.db.pool import Connection, Database
from registry.db.scans import ScanRow
from signing.evidence import Scan


@dataclass(frozen=True, slots=True)
class ScansSeen:
    """What scanners say of an artifact; None where nobody scans it."""

    digest: Digest
    scans: list[ScanRow] | None


class Scans:
    """The verbs of those who look at scans, and of policies."""

    def __init__(self, db: Database, scanners: Sequence[str]) -> None:
        """Know the names of the scanners that there are."""
        self._db = db
        self._scanners = tuple(scanners)

    async def of(self, name: RepositoryName, reference: Tag | Digest, caller: Caller) -> ScansSeen:
        """Return what scanners say of what a reference names. Raise ManifestUnknown."""

        async def find(conn: Connection) -> ScansSeen:
            row = await referenced(conn, name, reference, caller)
            found = await self._found(conn, row.repository_id, row.digest)
            return ScansSeen(Digest.from_bytes(row.digest), found)

        return await self._db.read("show_scans", find)

    async def scans_of(self, conn: Connection, repository_id: int, digest: bytes) -> tuple[Scan, ...] | None:
        """Return what a policy may know of an artifact's scans (signing.evidence.Known.scans); None where nobody scans it.

        A scanner that has not said anything yet is `pending`.
        """
        found = await self._found(conn, repository_id, digest)
        if found is None:
            return None
        return tuple(
            Scan(row.scanner, row.state, row.worst, row.version, row.finished_at, tuple(row.findings)) for row in found
        )

    async def _found(self, conn: Connection, repository_id: int, digest: bytes) -> list[ScanRow] | None:
        rows = await scans.of(conn, repository_id=repository_id, digest=digest)
        if not await switches.is_on(conn, Switch.SCAN, repository_id=repository_id):
            return rows or None
        missing = set(self._scanners) - {row.scanner for row in rows}
        rows += [ScanRow(name, "pending", None, None, [], None, None, None, None) for name in missing]
        return sorted(rows, key=lambda row: row.scanner)
