"""Scans as people see them."""

from __future__ import annotations

from dataclasses import dataclass

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName, Tag
from registry.core.access import Caller
from registry.core.artifacts import referenced
from registry.core.switches import Switch
from registry.db import quarantines, scans, switches
from registry.db.pool import Connection, Database
from registry.db.quarantines import QuarantineRow
from registry.db.scans import ScanRow


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
            found = await scans.of(conn, repository_id=row.repository_id, digest=row.digest)
            is_asked = bool(found) or await switches.is_on(conn, Switch.SCAN, repository_id=row.repository_id)
            held = await quarantines.find(conn, repository_id=row.repository_id, digest=row.digest)
            return ScansSeen(Digest.from_bytes(row.digest), found if is_asked else None, held)

        return await self._db.read("show_scans", find)
