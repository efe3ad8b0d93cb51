"""Scans that are asked for again: by somebody, since a scanner or its database is another, or since it was down."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import structlog

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName
from registry.core.subjects import Target
from registry.core.switches import Switch
from registry.db import outbox, repositories, scans, switches
from registry.db.pool import Connection, Database
from registry.errors import ManifestUnknown, NameUnknown
from registry.scanners.base import Scanner, ScannerDown

_BATCH: Final = 500  # artifacts that are looked at in one transaction
_PAUSE: Final = 3600.0  # seconds between the walks over all artifacts
_DOWN: Final = 60.0  # seconds for which an artifact waits for a scanner that was down
_FIRST: Final = (0, b"")

_log = structlog.get_logger("registry.scanning")


class ScanRequests:
    """Asks by way of the outbox, as a push does."""

    def __init__(self, db: Database, scanners: Sequence[str]) -> None:
        """Know the names of the scanners that there are."""
        self._db = db
        self._scanners = tuple(scanners)

    async def ask(self, target: Target, digest: Digest | None = None, *, again: bool = True) -> int:
        """Ask for scans of a target's artifacts, or of one of a repository's, and return of how many.

        Without `again` scanners are asked that have not been yet, where a repository wants scans. Raise NameUnknown,
        ManifestUnknown where a repository or a manifest is named that isn't there.
        """
        found = await self._db.read(
            "find_repositories",
            lambda conn: repositories.matching(conn, target.path, is_prefix=target.is_prefix),
        )
        if not target.is_prefix and not found and again:
            raise NameUnknown(RepositoryName(target.path))
        packed = digest.to_bytes() if digest is not None else None
        total = sum([await self._ask_of(repository_id, packed, again=again) for repository_id in found])
        if digest is not None and total == 0:
            raise ManifestUnknown(RepositoryName(target.path), str(digest))
        return total

    async def _ask_of(self, repository_id: int, digest: bytes | None, *, again: bool) -> int:
        after, total = b"", 0
        while True:

            async def ask(conn: Connection, after: bytes = after) -> list[bytes]:
                if not again and not await switches.is_on(conn, Switch.SCAN, repository_id=repository_id):
                    return []
                names = [(name, again) for name in self._scanners]
                return await scans.ask_of_page(
                    conn, names, repository_id=repository_id, after=after, digest=digest, limit=_BATCH
                )

            asked = await self._db.transaction("ask_for_scans", ask)
            total += len(asked)
            if len(asked) < _BATCH:
                return total
            after = asked[-1]


class Rescans:
    """Looks, at each call a little further, for artifacts that are to be scanned again. Several nodes may do so at once."""

    def __init__(self, db: Database, scanners: Sequence[Scanner]) -> None:
        self._db = db
        self._scanners = tuple(scanners)
        self._after = _FIRST
        self._pause_ends = 0.0
        self._versions: dict[str, str] = {}
        self.up: dict[str, bool] = {}
        """By name whether a scanner could be asked at the last look."""

    async def ask(self) -> int | None:
        """Ask for the next; return for how many artifacts, None where there is nothing to do for now. Raise Unavailable."""
        if self._after == _FIRST:
            await self._look()
        names = list(self._versions)
        waiting = await self._db.transaction(
            "ask_for_waiting_scans",
            lambda conn: scans.ask_of_waiting(conn, names, after=_DOWN, limit=_BATCH),
        )
        if waiting:
            return waiting
        if time.monotonic() < self._pause_ends or not names:
            return None
        return await self._db.transaction("ask_for_outdated_scans", self._ask_of_page)

    async def _look(self) -> None:
        self._versions = {}
        for scanner in self._scanners:
            try:
                self._versions[scanner.name] = await scanner.version()
            except ScannerDown as error:
                _log.warning("a scanner is down", scanner=scanner.name, reason=str(error))
            except Exception:  # noqa: BLE001 - another package's code: the other scanners still count
                _log.exception("a scanner failed", scanner=scanner.name)
            self.up[scanner.name] = scanner.name in self._versions

    async def _ask_of_page(self, conn: Connection) -> int | None:
        page = await scans.outdated(conn, self._after, self._versions, limit=_BATCH)
        if not page:
            self._after, self._pause_ends = _FIRST, time.monotonic() + _PAUSE
            return None
        asked = 0
        wanted: dict[int, bool] = {}
        for repository_id, digest, scanners in page:
            if repository_id not in wanted:
                wanted[repository_id] = await switches.is_on(conn, Switch.SCAN, repository_id=repository_id)
            if scanners and wanted[repository_id]:
                await scans.ask(conn, [(one, True) for one in scanners], repository_id=repository_id, digest=digest)
                await outbox.add(conn, outbox.SCANS_ASKED, repository_id=repository_id, digest=digest)
                asked += 1
        self._after = page[-1][:2]
        return asked
