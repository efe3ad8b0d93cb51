"""Scans that are asked for again: by somebody, since a scanner or its database is another, or since it was down."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from typing import Final, TypeAlias

import structlog

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName
from registry.core import quarantine
from registry.core.subjects import Target
from registry.core.switches import Switch
from registry.core.target_pages import Counted, walk
from registry.db import evidence, outbox, scans, switches
from registry.db.pool import Connection, Database
from registry.errors import ManifestUnknown
from registry.scanners.base import Scanner, ScannerDown, version_of

_BATCH: Final = 500  # artifacts that are looked at at once
_LOCKED: Final = 50  # of those, in one transaction: others wait for it
_PAUSE: Final = 3600.0  # seconds between the walks over all artifacts
_KEPT: Final = 7 * 86400.0
"""Seconds for which is kept what a scanner has said that no node has any more."""
_DOWN: Final = 60.0  # seconds for which an artifact waits for a scanner that was down
_LOOKING: Final = 600.0  # seconds between looks at the scanners during a walk
_FIRST: Final = (0, b"")

_Outdated: TypeAlias = tuple[int, bytes, list[str]]

_log = structlog.get_logger("registry.scanning")


async def ask_scanners(
    conn: Connection, scanners: Sequence[tuple[str, bool]], *, repository_id: int, digest: bytes
) -> None:
    """Ask scanners for an artifact, as registry.db.scans.ask does; one that is asked for the first time is evidence."""
    await scans.hold(conn, repository_id=repository_id, digest=digest)
    if await scans.ask(conn, scanners, repository_id=repository_id, digest=digest):
        await evidence.raise_for(conn, [digest], repository_id=repository_id)


class ScanRequests:
    """Asks by way of the outbox, as a push does."""

    def __init__(self, db: Database, scanners: Sequence[str]) -> None:
        """Know the names of the scanners that there are."""
        self._db = db
        self._scanners = tuple(scanners)

    async def ask(
        self, target: Target, digest: Digest | None = None, *, again: bool = True, after: str | None = None
    ) -> Counted:
        """Ask for scans of a page of a target's artifacts, or of one of a repository's.

        Without `again` scanners are asked that have not been yet, where a repository wants scans. Raise NameUnknown,
        ManifestUnknown where a repository or a manifest is named that isn't there, and PageInvalid.
        """
        packed = digest.to_bytes() if digest is not None else None

        async def ask(conn: Connection, *, repository_id: int, after: bytes, limit: int) -> tuple[list[bytes], int]:
            if not again and not await switches.is_on(conn, Switch.SCAN, repository_id=repository_id):
                return [], 0
            names = [(name, again) for name in self._scanners]
            asked = await scans.ask_of_page(
                conn, names, repository_id=repository_id, after=after, digest=packed, limit=limit
            )
            await evidence.raise_for(conn, [one for one, is_new in asked if is_new], repository_id=repository_id)
            return [one for one, _ in asked], len(asked)

        is_named = not target.is_prefix and again
        found = await walk(self._db, target, after, ask, name="ask_for_scans", is_named=is_named)
        if digest is not None and found.artifacts == 0:
            raise ManifestUnknown(RepositoryName(target.path), str(digest))
        return found


class Rescans:
    """Looks, at each call a little further, for artifacts that are to be scanned again. Several nodes may do so at once."""

    def __init__(self, db: Database, scanners: Sequence[Scanner]) -> None:
        self._db = db
        self._scanners = tuple(scanners)
        self._after = _FIRST
        self._pause_ends = 0.0
        self._looked_at = 0.0
        self._versions: dict[str, str] = {}
        self.up: dict[str, bool] = {}
        """By name whether a scanner could be asked at the last look."""

    async def ask(self) -> int | None:
        """Ask for the next; return for how many artifacts, None where there is nothing to do for now. Raise Unavailable."""
        if self._after == _FIRST or time.monotonic() >= self._looked_at + _LOOKING:
            await self._look()
            self._looked_at = time.monotonic()
        names = list(self._versions)
        waiting = await self._db.transaction(
            "ask_for_waiting_scans",
            lambda conn: scans.ask_of_waiting(conn, names, after=_DOWN, limit=_BATCH),
        )
        if waiting:
            return waiting
        if time.monotonic() < self._pause_ends or not names:
            return None
        return await self._ask_of_page()

    async def _look(self) -> None:
        await self._retire()
        self._versions = {}
        for scanner in self._scanners:
            try:
                self._versions[scanner.name] = await version_of(scanner)
            except ScannerDown as error:
                _log.warning("a scanner is down", scanner=scanner.name, reason=str(error))
            except Exception:  # noqa: BLE001 - another package's code: the other scanners still count
                _log.exception("a scanner failed", scanner=scanner.name)
            self.up[scanner.name] = scanner.name in self._versions

    async def _retire(self) -> None:
        """Tell that these scanners are there, and forget what those have said whom no node has had for long."""
        names = [one.name for one in self._scanners]
        await self._db.transaction("see_scanners", lambda conn: scans.seen(conn, names))
        for repository_id, digest, scanner in await self._db.read(
            "find_unseen_scanners", lambda conn: scans.unseen(conn, after=_KEPT, limit=_BATCH)
        ):

            async def forget(
                conn: Connection, repository_id: int = repository_id, digest: bytes = digest, scanner: str = scanner
            ) -> None:
                await scans.hold(conn, repository_id=repository_id, digest=digest)
                if await scans.forget(conn, scanner, after=_KEPT, repository_id=repository_id, digest=digest):
                    await quarantine.judge(conn, repository_id=repository_id, digest=digest)
                    await evidence.raise_for(conn, [digest], repository_id=repository_id)

            await self._db.transaction("forget_scan", forget)

    async def _ask_of_page(self) -> int | None:
        page, due = await self._db.read("find_outdated_scans", self._outdated)
        if not page:
            self._after, self._pause_ends = _FIRST, time.monotonic() + _PAUSE
            return None
        for start in range(0, len(due), _LOCKED):
            await self._db.transaction(
                "ask_for_outdated_scans", functools.partial(_ask_again, rows=due[start : start + _LOCKED])
            )
        self._after = page[-1][:2]
        return len(due)

    async def _outdated(self, conn: Connection) -> tuple[list[_Outdated], list[_Outdated]]:
        """Return the next artifacts, and of these which are to be scanned again."""
        page = await scans.outdated(conn, self._after, self._versions, limit=_BATCH)
        repositories = {repository_id for repository_id, _, scanners in page if scanners}
        wanted = {one for one in repositories if await switches.is_on(conn, Switch.SCAN, repository_id=one)}
        return page, [row for row in page if row[2] and row[0] in wanted]


async def _ask_again(conn: Connection, *, rows: Sequence[_Outdated]) -> None:
    for repository_id, digest, scanners in rows:
        await ask_scanners(conn, [(one, True) for one in scanners], repository_id=repository_id, digest=digest)
        await outbox.add(conn, outbox.SCANS_ASKED, repository_id=repository_id, digest=digest)
