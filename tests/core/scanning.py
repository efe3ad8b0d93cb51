"""Scans as a worker makes them, for tests."""

from __future__ import annotations

import asyncio
import io
import pickle
import tarfile
import zipfile
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import asyncpg
import pytest

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName
from registry.core.access import EVERYONE
from registry.core.digests import Digests
from registry.core.extraction import Extraction
from registry.core.jobs import SCAN, Jobs
from registry.core.outbox import Outbox
from registry.core.pace import Pace
from registry.core.publication import Publication
from registry.core.scanning import Scanning
from registry.core.services import Services
from registry.core.switches import Switch, Switches
from registry.db.pool import Database
from registry.db.queue import enqueue
from registry.db.scans import ScanRow
from registry.jobs.describing import describing
from registry.jobs.scanning import scanning
from registry.sandbox import Sandbox
from registry.scanners.base import Finding, Found, Scanned, Scanner, ScannerDown
from registry.storage.base import BlobStore
from tests.actors import OPERATOR
from tests.core.support import NAME, own_referrers
from tests.core.test_extraction import push

Sql = asyncpg.Connection


class Evil:
    """Would print when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("print('unpickled')",)


EVIL = pickle.dumps(Evil())
FILES: Final = {"a.txt": b"a"}


def zipped(**files: bytes) -> bytes:
    """Return a zip archive of files, by names in which `__` stands for a point."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return made.getvalue()


def tgz(files: dict[str, bytes]) -> bytes:
    """Return a compressed archive of files."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


class Stub:
    """A scanner of another package, which does what the test says."""

    reads_record = False

    def __init__(self, name: str = "stub") -> None:
        self.name = name
        self.number = "1"
        self.failure: Exception | None = None
        self.scanning: BaseException | None = None
        self.hangs = False
        self.findings: list[Finding] = []
        self.scanned = 0

    async def version(self) -> str:
        if self.hangs:
            await asyncio.Event().wait()
        if isinstance(self.failure, ScannerDown):
            raise self.failure
        return self.number

    async def scan(self, scanned: Scanned) -> Found:
        self.scanned += 1
        if self.failure is not None:
            raise self.failure
        if self.scanning is not None:
            raise self.scanning
        return Found(list(self.findings))


def on_holiday(name: str = "stub") -> Stub:
    """Return a scanner that is down."""
    made = Stub(name)
    made.failure = ScannerDown(f"{name} is on holiday")
    return made


class Work:
    """Describes and scans as a worker does, one after another, and leaves the queue alone."""

    def __init__(
        self, db: Database, store: BlobStore, sandboxes: Sequence[Sandbox], services: Services, sql: Sql
    ) -> None:
        self.db = db
        self._sql = sql
        self._store = store
        self._services = services
        self._reading, self.sandbox = sandboxes
        self.jobs = Jobs(db)
        self.use()

    def use(self, *scanners: Scanner, store: BlobStore | None = None) -> None:
        """Scan by these from now on."""
        self.scanning = Scanning(self.db, store or self._store, self.sandbox, scanners, enqueue)

    async def describe(self, digest: Digest) -> None:
        """Describe an artifact, which asks for what follows."""
        extraction = Extraction(self.db, self._store, self._reading, self._services.conformance, self._services.blobs)
        publication = Publication(self.db, own_referrers(self.db, self._services), enqueue)
        digests = Digests(self.db, self._store, enqueue, Pace(1_000_000_000))
        job_id = await self._sql.fetchval(
            "INSERT INTO jobs (kind, repository_id, digest) SELECT 'describe', repository_id, digest FROM manifests"
            " WHERE digest = $1 RETURNING id",
            digest.to_bytes(),
        )
        begun = await self.jobs.begin(job_id)
        assert begun is not None
        await describing(extraction, publication, digests, self.scanning, self.jobs)(begun)

    async def described(self, files: dict[str, bytes] = FILES, *, tag: str = "v1") -> Digest:
        """Push files, describe the artifact that they are, and return it."""
        digest = await push(self._services, files, tag=tag)
        await self.describe(digest)
        return digest

    async def asked(self, *scanners: Scanner, files: dict[str, bytes] = FILES) -> Digest:
        """Scan by these from now on, where scans are asked for now, and describe files: their scan is asked for."""
        self.use(*scanners)
        await switch_on(self.db)
        return await self.described(files)

    async def scan(self) -> int:
        """Do the scans that are asked for, and return how many jobs that were; raise what the first raises."""
        rows = await self._sql.fetch("SELECT id FROM jobs WHERE kind = $1 AND state IN ('queued', 'running')", SCAN)
        for row in rows:
            begun = await self.jobs.begin(row["id"])
            assert begun is not None
            await scanning(self.scanning, None, self.jobs)(begun)
        return len(rows)

    async def relay_and_scan(self) -> int:
        """Do the scans of which the outbox tells, too."""
        await Outbox(self.db, enqueue).relay()
        return await self.scan()

    async def seen(self, digest: Digest, name: RepositoryName = NAME) -> dict[str, ScanRow]:
        """Return what scanners say of an artifact, by their names."""
        found = (await self._services.scans.of(name, digest, EVERYONE)).scans
        return {row.scanner: row for row in found or [] if row.asked_at is not None}


@pytest.fixture
async def sandboxes() -> AsyncIterator[tuple[Sandbox, Sandbox]]:
    """Yield where artifacts are read, and where they are scanned."""
    made = Sandbox("registry.reading:answer"), Sandbox("registry.scanners.examining:answer", seconds=20)
    yield made
    for one in made:
        await one.close()


@pytest.fixture
def work(
    database: Database, store: BlobStore, sandboxes: tuple[Sandbox, Sandbox], services: Services, sql: Sql
) -> Work:
    return Work(database, store, sandboxes, services, sql)


async def switch_on(db: Database, target: str = NAME, switch: Switch = Switch.SCAN) -> None:
    """Ask for scans."""
    await Switches(db).decide(switch, target, is_on=True, actor=OPERATOR)


async def evidence_of(sql: Sql, digest: Digest) -> int:
    """Return the number of what is known of an artifact."""
    return int(await sql.fetchval("SELECT evidence FROM manifests WHERE digest = $1", digest.to_bytes()))
