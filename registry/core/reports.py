"""What scanners say of an artifact, published beside it: signed in-toto statements, where its repository asks for that.

One statement holds all results, another one the bill of materials (docs/scanning.md has their forms). A statement is signed
anew only when it says something else, and replaces the one before.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName
from mediatypes.oci import IMAGE_MANIFEST
from registry.core.audit import SYSTEM
from registry.core.blobs import Blobs
from registry.core.extraction import Also
from registry.core.jobs import REPORT
from registry.core.manifests import Manifests
from registry.core.outbox import Enqueue
from registry.core.switches import Switch
from registry.core.uploads import Uploads
from registry.db import artifacts, jobs, publications, scans, switches
from registry.db.artifacts import SubjectRow
from registry.db.jobs import NewJob
from registry.db.pool import Connection, Database
from registry.db.scans import ScanRow
from registry.errors import BlobUnknown, DeletionDisabled, ManifestUnknown, StillReferenced
from signing.making.artifacts import Subject
from signing.making.bundles import attach, bundle
from signing.making.envelopes import attested, seal
from signing.private_keys import SigningKey

SCANS: Final = "urn:blacklake:scans:v1"
"""The predicate type of results. It is ours: those of vulnerabilities would be taken for what they are not."""

BILL: Final = "https://cyclonedx.org/bom"
"""The predicate type of a bill of materials (in-toto/attestation spec/predicates/cyclonedx.md)."""

_ENDED: Final = ("clean", "found", "failed")
_BILLS: Final = "sbom"  # the scanner that makes them

_log = structlog.get_logger("registry.reports")

Signer = Callable[[], Awaitable[SigningKey]]
"""Returns the key that signs now."""


class Reports:
    """The verbs that publish what scanners say."""

    def __init__(
        self, db: Database, blobs: Blobs, uploads: Uploads, manifests: Manifests, enqueue: Enqueue, signer: Signer
    ) -> None:
        self._db = db
        self._blobs = blobs
        self._uploads = uploads
        self._manifests = manifests
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
            said = [row for row in rows if row.state in _ENDED]
            if said:
                await self._publish(repository_id, digest, subject, SCANS, _predicate(said))
            if document is not None:
                await self._publish(repository_id, digest, subject, BILL, json.loads(document))
        await self._db.transaction("finish_report", also)

    async def _publish(
        self, repository_id: int, packed: bytes, row: SubjectRow, kind: str, predicate: dict[str, Any]
    ) -> None:
        name = RepositoryName(row.repository)
        subject = Subject(row.media_type, str(Digest.from_bytes(packed)), len(row.content))
        statement = attested(subject, kind, predicate)
        key = await self._signer()
        basis = hashlib.sha256(key.hint.encode() + statement).digest()
        known = await self._db.read(
            "find_publications",
            functools.partial(publications.based, repository_id=repository_id, subject=packed, about=kind),
        )
        if any(one.basis == basis and one.is_stored for one in known):
            return
        content = await asyncio.to_thread(lambda: bundle(seal(statement, key), key))
        made = attach(subject, content, kind, created=datetime.now(UTC))
        digest = Digest.of(made.content)
        # Noted first: what was pushed and is not known as ours would never be replaced.
        await self._db.transaction(
            "note_publication",
            functools.partial(
                publications.add,
                digest=digest.to_bytes(),
                repository_id=repository_id,
                subject=packed,
                about=kind,
                basis=basis,
            ),
        )
        for blob in made.blobs:
            await self._push_blob(name, blob.content)
        try:
            await self._manifests.push(
                name,
                made.content,
                media_type=IMAGE_MANIFEST,
                reference=digest,
                extra_tags=(),
                actor=SYSTEM,
                is_derived=True,
            )
        except ManifestUnknown:
            return  # the subject is gone, and with it what was noted of it
        for one in known:
            if one.digest != digest.to_bytes():
                await self._withdraw(name, repository_id, packed, one.digest)

    async def _push_blob(self, name: RepositoryName, content: bytes) -> None:
        digest = Digest.of(content)
        try:
            await self._blobs.find(name, digest)
        except BlobUnknown:
            await self._uploads.push(name, digest, _body(content), length=len(content), actor=SYSTEM)

    async def _withdraw(self, name: RepositoryName, repository_id: int, subject: bytes, digest: bytes) -> None:
        """Delete a report that a newer one replaces."""
        old = Digest.from_bytes(digest)
        try:
            await self._manifests.delete(name, old, actor=SYSTEM)
        except ManifestUnknown:
            pass  # somebody has deleted it
        except (StillReferenced, DeletionDisabled) as error:
            _log.warning("an older report stays", repository=name, digest=str(old), reason=str(error))
            return
        await self._db.transaction(
            "forget_publication",
            functools.partial(publications.remove, digest=digest, repository_id=repository_id, subject=subject),
        )


def _predicate(rows: list[ScanRow]) -> dict[str, Any]:
    """Return what is said of an artifact: the same for the same results, but for when they were found out."""
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
                if row.finished_at
                else None,
            }
            for row in rows
        ]
    }


async def _body(content: bytes) -> AsyncIterator[bytes]:
    yield content
