"""What scanners say of an artifact, published beside it: signed in-toto statements, where its repository asks for that.

One statement holds all results, another one the bill of materials (docs/scanning.md has their forms). A statement is signed
anew only when it says something else, and replaces the one before. Where nothing may be deleted, and so nothing replaced, when
and by which version something was found out is nothing else.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName
from registry.core.extraction import Also
from registry.core.jobs import REPORT
from registry.core.outbox import Enqueue
from registry.core.own_referrers import NewReferrer, OwnReferrers, Place
from registry.core.switches import Switch
from registry.db import artifacts, jobs, scans, switches
from registry.db.artifacts import SubjectRow
from registry.db.jobs import NewJob
from registry.db.pool import Connection, Database
from registry.db.scans import ScanRow
from signing.making.artifacts import Subject
from signing.making.bundles import attach, bundle
from signing.making.envelopes import attested, seal
from signing.private_keys import SigningKey

SCANS: Final = "urn:blacklake:scans:v1"
"""The predicate type of results. It is ours: those of vulnerabilities would be taken for what they are not."""

BILL: Final = "https://cyclonedx.org/bom"
"""The predicate type of a bill of materials (in-toto/attestation spec/predicates/cyclonedx.md)."""

_ENDED: Final = ("clean", "found", "failed")
_OF_THE_SCAN: Final = ("version", "finishedOn")
_BILLS: Final = "sbom"  # the scanner that makes them

Signer = Callable[[], Awaitable[SigningKey]]
"""Returns the key that signs now."""


class Reports:
    """The verbs that publish what scanners say."""

    def __init__(self, db: Database, referrers: OwnReferrers, enqueue: Enqueue, signer: Signer) -> None:
        self._db = db
        self._referrers = referrers
        self._enqueue = enqueue
        self._signer = signer

    async def ask(self, conn: Connection, repository_id: int, digest: bytes) -> None:
        """Ask for publication of what scanners have said, where a repository wants it: a job in the transaction of the scan."""
        if await switches.is_on(conn, Switch.REPORTS, repository_id=repository_id):
            added = await jobs.add(conn, [NewJob(REPORT, repository_id, digest)])
            await self._enqueue(conn, added, priority=0)

    async def publish(self, repository_id: int, digest: bytes, *, also: Also) -> None:
        """Publish what scanners say of an artifact; nothing of one that is gone. `also` is done in either case.

        Raise Unavailable, StorageError, and ManifestNonconforming where a schema refuses it.
        """

        async def find(conn: Connection) -> tuple[SubjectRow | None, list[ScanRow], bytes | None]:
            if not await switches.is_on(conn, Switch.REPORTS, repository_id=repository_id):
                return None, [], None
            return (
                await artifacts.subject(conn, repository_id=repository_id, digest=digest),
                await scans.of(conn, repository_id=repository_id, digest=digest),
                await scans.document(conn, _BILLS, repository_id=repository_id, digest=digest),
            )

        subject, rows, document = await self._db.read("find_report", find)
        if subject is not None:
            place = Place(repository_id, RepositoryName(subject.repository), digest)
            if any(row.state in _ENDED for row in rows):
                said = _predicate([row for row in rows if row.state in (*_ENDED, "down")])
                await self._publish(place, subject, SCANS, said, _substance(said))
            if document is not None:
                bill = json.loads(document)
                await self._publish(place, subject, BILL, bill, bill)
        await self._db.transaction("finish_report", also)

    async def _publish(
        self, place: Place, row: SubjectRow, kind: str, predicate: dict[str, Any], substance: dict[str, Any]
    ) -> None:
        subject = Subject(row.media_type, str(Digest.from_bytes(place.subject)), len(row.content))
        key = await self._signer()
        said = attested(subject, kind, predicate if self._referrers.may_replace else substance)

        async def make() -> NewReferrer:
            statement = attested(subject, kind, predicate)
            content = await asyncio.to_thread(lambda: bundle(seal(statement, key), key))
            made = attach(subject, content, kind, created=datetime.now(UTC))
            return NewReferrer(made.content, [blob.content for blob in made.blobs])

        await self._referrers.put(place, kind, hashlib.sha256(key.hint.encode() + said).digest(), make)


def _predicate(rows: list[ScanRow]) -> dict[str, Any]:
    """Return what is said of an artifact: the same for the same results, but for by what and when they were found out."""
    return {
        "scans": [
            {
                "scanner": row.scanner,
                "version": row.version,
                "state": row.state,
                "worst": row.worst,
                "findings": row.findings,
                "problem": row.problem,
                "finishedOn": row.finished_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                if row.finished_at is not None and row.state in _ENDED
                else None,
            }
            for row in rows
        ]
    }


def _substance(predicate: dict[str, Any]) -> dict[str, Any]:
    """Return what a statement on results says that a repeated scan without other results doesn't change."""
    kept = [{name: value for name, value in one.items() if name not in _OF_THE_SCAN} for one in predicate["scans"]]
    return {"scans": kept}
