"""Scans of artifacts: asked for where their repository asks for them (registry.core.switches), or somebody does; and kept.

A scanner is asked by a number, and answers as of it: what is asked for while it works is asked for again. One that is down
leaves that as its state, is asked again by the job, later and later, and at last when it is seen to be up.
One that goes down over an artifact, or takes its worker with it, has failed at that: after some tries it is left so.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import structlog

from mediatypes.oci import INDEX_TYPES
from registry.core import quarantine
from registry.core.extraction import Also
from registry.core.jobs import MOST_ATTEMPTS, SCAN
from registry.core.outbox import Enqueue
from registry.core.rescans import ask_scanners
from registry.core.scanned import ScannedArtifact, parts_of
from registry.core.switches import Switch
from registry.db import artifacts, evidence, jobs, scans, switches
from registry.db.artifacts import SubjectRow
from registry.db.jobs import BegunJob, NewJob
from registry.db.pool import Connection, Database
from registry.db.scans import DueRow, NewResult
from registry.errors import RegistryError, Unavailable
from registry.sandbox import Refused, Sandbox
from registry.scanners.base import MOST_FINDINGS, SEVERITIES, Finding, Found, Scanner, ScannerDown, version_of, worst_of
from registry.storage.base import BlobStore, StorageError

_LONGEST: Final = 3600.0  # seconds of one scanner with one artifact
_LONGEST_PROBLEM: Final = 2000  # characters
_LARGEST_DOCUMENT: Final = 8 << 20  # bytes

_log = structlog.get_logger("registry.scanning")


class Scanning:
    """The verbs that scan."""

    def __init__(
        self,
        db: Database,
        store: BlobStore,
        sandbox: Sandbox,
        scanners: Sequence[Scanner],
        enqueue: Enqueue,
    ) -> None:
        """Scan by `scanners`, in a sandbox of registry.scanners.examining:answer."""
        self._db = db
        self._store = store
        self._sandbox = sandbox
        self._scanners = {one.name: one for one in scanners}
        self._enqueue = enqueue

    async def ask(self, conn: Connection, repository_id: int, digest: bytes) -> None:
        """Ask for scans of an artifact that was just described, where its repository wants any.

        That is a job of its own, added in the transaction that keeps the description. Scanners that go by that are asked again;
        all are for an index, whose children may be others.
        """
        if not await switches.is_on(conn, Switch.SCAN, repository_id=repository_id):
            return
        subject = await artifacts.subject(conn, repository_id=repository_id, digest=digest)
        if subject is not None:
            is_index = subject.media_type in INDEX_TYPES
            asked = [(one.name, is_index or one.reads_record) for one in self._scanners.values()]
            await ask_scanners(conn, asked, repository_id=repository_id, digest=digest)
            added = await jobs.add(conn, [NewJob(SCAN, repository_id, digest)])
            await self._enqueue(conn, added, priority=0)

    async def scan(self, begun: BegunJob, *, also: Also, report: Also) -> None:
        """Have an artifact scanned by all who are asked; nothing of one that is gone. `also` is done in the end.

        Raise Unavailable where a scanner is down, and what the storage or the database raises, once all were asked and `report`
        is done.
        """
        subject, due = await self._begin(begun.repository_id, begun.digest)
        if subject is not None and due:
            record = await self._db.read(
                "find_records",
                lambda conn: artifacts.records(conn, [begun.digest], repository_id=begun.repository_id),
            )
            parts = await parts_of(self._db, begun.repository_id, subject)
            known = record[begun.digest][1] if begun.digest in record else None
            scanned = ScannedArtifact(parts, known, self._store, self._sandbox)
            down: list[str] = []
            failures: list[RegistryError | StorageError] = []
            for one in due:
                try:
                    if not await self._answered(begun, one, scanned):
                        down.append(one.scanner)
                except (RegistryError, StorageError) as error:
                    failures.append(error)
            if down or failures:
                await self._db.transaction("report_scan", report)
                raise failures[0] if failures else Unavailable(f"the scanner {', '.join(down)}")
        await self._db.transaction("finish_scan", also)

    async def _begin(self, repository_id: int, digest: bytes) -> tuple[SubjectRow | None, list[DueRow]]:
        names = list(self._scanners)

        async def begin(conn: Connection) -> tuple[SubjectRow | None, list[DueRow]]:
            if await switches.is_on(conn, Switch.SCAN, repository_id=repository_id):
                await ask_scanners(conn, [(name, False) for name in names], repository_id=repository_id, digest=digest)
            due = await scans.due(conn, names, repository_id=repository_id, digest=digest)
            return await artifacts.subject(conn, repository_id=repository_id, digest=digest), due

        return await self._db.transaction("begin_scan", begin)

    async def _answered(self, begun: BegunJob, due: DueRow, scanned: ScannedArtifact) -> bool:
        """Have one scanner answer, and keep what it says; return False where it is down.

        Raise RegistryError, StorageError where it may go well another time.
        """
        scanner = self._scanners[due.scanner]
        started_at = datetime.now(UTC)
        version = None
        tries = 0
        try:
            version = await version_of(scanner)
            tries = await self._count_try(begun, due)
            if tries > MOST_ATTEMPTS:
                raise _Ended
            async with asyncio.timeout(_LONGEST):
                found = await scanner.scan(scanned)
            result = _result(due, version, started_at, found, scanned.problems)
        except ScannerDown as error:
            _log.warning("a scanner is down", scanner=due.scanner, reason=str(error))
            result = _failed(due, version, started_at, f"the scanner {error}")
            if tries == 0:
                result = result._replace(state="down", is_answer=False)
            else:  # it was up: what it was given may be why it isn't
                result = result._replace(is_answer=tries >= MOST_ATTEMPTS)
        except asyncio.CancelledError:  # the worker ends, and it isn't the artifact that ends it
            if tries:
                await self._count_try(begun, due, -1)
            raise
        except _Ended:
            said = f"the scanner's worker ended without a word, {MOST_ATTEMPTS} times"
            result = _failed(due, version, started_at, said)
        except StorageError as error:  # whatever the artifact is: that was no try at it
            await self._count_try(begun, due, -1)
            if begun.attempts < MOST_ATTEMPTS:
                raise
            result = _failed(due, version, started_at, str(error))._replace(state="down", is_answer=False)
        except (RegistryError, Refused, TimeoutError) as error:  # an artifact may have it read too much, too
            if tries < MOST_ATTEMPTS:
                raise _known(error) from error
            result = _failed(due, version, started_at, str(_known(error)))
        except Exception as error:  # noqa: BLE001 - another package's code, say: the other scanners still count
            _log.exception("a scanner failed", scanner=due.scanner)
            result = _failed(due, version, started_at, f"the scanner failed at a defect ({type(error).__name__})")
        await self._keep(begun.repository_id, begun.digest, result)
        return result.is_answer

    async def _count_try(self, begun: BegunJob, due: DueRow, by: int = 1) -> int:
        return await self._db.transaction(
            "count_try_of_scanner",
            lambda conn: scans.count_try(conn, due.scanner, by, repository_id=begun.repository_id, digest=begun.digest),
        )

    async def _keep(self, repository_id: int, digest: bytes, result: NewResult) -> None:
        async def keep(conn: Connection) -> None:
            await scans.hold(conn, repository_id=repository_id, digest=digest)
            if await scans.put(conn, result, repository_id=repository_id, digest=digest):
                await quarantine.judge(conn, repository_id=repository_id, digest=digest)
                await evidence.raise_for(conn, [digest], repository_id=repository_id)

        await self._db.transaction("keep_scan", keep)


class _Ended(Exception):
    """A scanner has been tried too often, and its worker was gone each time."""


def _known(error: Exception) -> RegistryError:
    """Return what may go well another time as an error that says so."""
    if isinstance(error, RegistryError):
        return error
    return Unavailable("a scan" if isinstance(error, TimeoutError) else f"a scan: a file of the artifact {error};")


def _result(due: DueRow, version: str, started_at: datetime, found: Found, problems: Sequence[str]) -> NewResult:
    kept = sorted(found.findings, key=_order)[:MOST_FINDINGS]
    said = [*problems, *found.problems]
    if len(found.findings) > len(kept):
        said.append(f"it has {len(found.findings)} findings, of which {len(kept)} are kept")
    if found.document is not None and len(found.document) > _LARGEST_DOCUMENT:
        said.append(f"what was made of it has {len(found.document)} bytes, of which none are kept")
        found.document = None
    state = "found" if kept else "failed" if said else "clean"
    return NewResult(
        due.scanner,
        due.asked,
        state,
        worst_of(kept),
        version,
        json.dumps([_plain(one) for one in kept]),
        "; ".join(said)[:_LONGEST_PROBLEM] or None,
        found.document,
        started_at,
        True,
    )


def _failed(due: DueRow, version: str | None, started_at: datetime, problem: str) -> NewResult:
    return NewResult(
        due.scanner, due.asked, "failed", None, version, "[]", problem[:_LONGEST_PROBLEM], None, started_at, True
    )


def _order(one: Finding) -> tuple[int, str, str, str]:
    return -SEVERITIES.index(one.severity), one.path, one.rule, one.message


def _plain(one: Finding) -> dict[str, str]:
    return {"severity": one.severity, "rule": one.rule, "path": one.path, "message": one.message}
