"""Background work: the relay of the outbox, the workers of the queue, and the sandbox in which they read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

from registry.compose.verbs import create_scanners
from registry.config import Auth, Settings
from registry.core.digests import Digests
from registry.core.extraction import Extraction
from registry.core.jobs import DESCRIBE, DIGEST, KEPT, PUBLISH, REPORT, SCAN, Jobs
from registry.core.outbox import Outbox
from registry.core.outdated import Outdated
from registry.core.own_referrers import OwnReferrers
from registry.core.pace import Pace
from registry.core.publication import Publication
from registry.core.reports import Reports, Signer
from registry.core.rescans import Rescans
from registry.core.scanning import Scanning
from registry.core.services import Services
from registry.db.pool import Database
from registry.db.queue import enqueue, forget_log
from registry.jobs.describing import describing
from registry.jobs.digesting import digesting
from registry.jobs.publishing import publishing
from registry.jobs.relaying import care_forever, relay_forever
from registry.jobs.reporting import reporting
from registry.jobs.scanning import scanning
from registry.jobs.turns import turn
from registry.jobs.working import Worker
from registry.sandbox import Sandbox
from registry.scanners.base import Scanner
from registry.storage.base import BlobStore

AT_ONCE: Final = 16
"""Jobs of a node that does nothing else; the sandbox reads fewer at a time.

PgQueuer looks again 0.1 s after it found all of them busy, and small artifacts take less: it bounds how many are done a second.
"""

_DIGESTS: Final = 4  # blobs that are read for digests, and share what may be read a second
_SCANS: Final = 2  # artifacts that are scanned at a time
_SCAN_SECONDS: Final = 600  # of the processor, for one scanner with one blob
_BESIDE_REQUESTS: Final = 8  # jobs of a server: what they take, pushes wait for
_BATCH: Final = 1000

_log = structlog.get_logger("registry.jobs")


class Background:
    """All of it, from `start` to `stop`, up to `at_once` jobs at a time.

    `digest_rate` are the bytes a second that are read for digests; `place` is the file by whose lock the processes of a node
    take turns, if they do.
    """

    def __init__(
        self,
        db: Database,
        store: BlobStore,
        services: Services,
        *,
        digest_rate: int,
        place: Path | None,
        at_once: int,
        scanners: Sequence[Scanner] = (),
        signer: Signer | None = None,
    ) -> None:
        self._db = db
        self._place = place
        self._sandbox = Sandbox("registry.reading:answer")
        self._scanning_sandbox = Sandbox("registry.scanners.examining:answer", seconds=_SCAN_SECONDS)
        self._jobs = Jobs(db)
        self._outbox = Outbox(db, enqueue)
        self._outdated = Outdated(db)
        self._rescans = Rescans(db, scanners)
        extraction = Extraction(db, store, self._sandbox, services.conformance, services.blobs)
        referrers = OwnReferrers(db, services.blobs, services.uploads, services.manifests)
        publication = Publication(db, referrers, enqueue)
        digests = Digests(db, store, enqueue, Pace(digest_rate))
        scans = Scanning(db, store, self._scanning_sandbox, scanners, enqueue)
        quick = {
            DESCRIBE: describing(extraction, publication, digests, scans, self._jobs),
            PUBLISH: publishing(publication, self._jobs),
        }
        reports = None
        if signer is not None:
            reports = Reports(db, referrers, enqueue, signer)
            quick[REPORT] = reporting(reports, self._jobs)
        # What may take hours has a worker of its own, so that nothing waits behind it.
        slow = {DIGEST: digesting(digests, self._jobs)}
        self._workers = [
            Worker(db, self._jobs, quick, at_once=at_once),
            Worker(db, self._jobs, slow, at_once=_DIGESTS),
            Worker(db, self._jobs, {SCAN: scanning(scans, reports, self._jobs)}, at_once=_SCANS),
        ]
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._running = asyncio.create_task(self._run())

    async def stop(self, patience: float = 0) -> None:
        """Take no more jobs, give those back that have not ended in `patience` seconds, and wait for the end of everything."""
        if self._running is None:
            return
        for worker in self._workers:
            worker.end()
        await asyncio.wait([self._running], timeout=patience)
        for worker in self._workers:
            worker.leave()
        await asyncio.wait([self._running])

    async def _run(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._sandbox.close)
            stack.push_async_callback(self._scanning_sandbox.close)
            if self._place is not None and not await self._has_turn(stack, self._place):
                return
            loops = [
                asyncio.create_task(relay_forever(self._outbox, self._wake)),
                asyncio.create_task(
                    care_forever(self._outbox, self._jobs, self._outdated, self._rescans, self._forget_log)
                ),
            ]
            try:
                await asyncio.gather(*(worker.run() for worker in self._workers))
            finally:
                for loop in loops:
                    loop.cancel()
                await asyncio.wait(loops)

    async def _has_turn(self, stack: contextlib.AsyncExitStack, place: Path) -> bool:
        """Wait for this process's turn; return False where the end comes first.

        Where there can be no file to lock each process of the node works: that takes more, and harms nothing.
        """
        entering = asyncio.create_task(stack.enter_async_context(turn(place)))
        ending = asyncio.create_task(self._workers[0].ending())
        await asyncio.wait([entering, ending], return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if not entering.done():
            entering.cancel()
            await asyncio.wait([entering])
            return False
        try:
            entering.result()
        except OSError as error:
            _log.warning("the processes of this node can't take turns, and each does background work", error=str(error))
        return True

    async def _wake(self) -> None:
        for worker in self._workers:
            await worker.wake()

    async def _forget_log(self) -> int:
        return await self._db.transaction("forget_queue_log", lambda conn: forget_log(conn, after=KEPT, limit=_BATCH))


def create_scan_signer(settings: Settings, db: Database) -> Signer | None:
    """Return what signs scans; None in an open registry, which has no secret key."""
    if settings.auth is Auth.OPEN:
        return None
    from registry.auth.scan_keys import ScanKeys  # what authenticates takes its time and memory
    from registry.compose.doors import create_secret_key

    return ScanKeys(db, create_secret_key(settings)).signer


def create_background(settings: Settings, db: Database, store: BlobStore, services: Services) -> Background:
    """Return the background work of a server, of whose workers one does it."""
    return Background(
        db,
        store,
        services,
        scanners=create_scanners(settings),
        signer=create_scan_signer(settings, db),
        digest_rate=settings.digest_bytes_per_second,
        place=settings.data_dir / "run" / "jobs.lock",
        at_once=_BESIDE_REQUESTS,
    )
