"""The verbs, and what they work on: the database, its replicas, the storage, Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from registry.config import Deletion, Settings, Sparse
from registry.core.access import Access
from registry.core.admission import Admission
from registry.core.anchors import Anchors
from registry.core.artifacts import Artifacts
from registry.core.blobs import Blobs
from registry.core.cleanup import Cleanup
from registry.core.comparisons import Comparisons
from registry.core.conformance import Conformance
from registry.core.contents import Contents
from registry.core.copying import Copying
from registry.core.evidence import Gathering
from registry.core.files import Files
from registry.core.graph import Graphs
from registry.core.health import Health
from registry.core.history import History
from registry.core.jobs import Jobs
from registry.core.judge import Judge
from registry.core.limits import Counter
from registry.core.manifests import Manifests
from registry.core.policy import DeletionRule, SparseRule
from registry.core.promotions import Promotions
from registry.core.quarantine import Quarantine
from registry.core.referrers import Referrers
from registry.core.repositories import Repositories
from registry.core.scans import Scans
from registry.core.search import Search
from registry.core.services import Services
from registry.core.stage_history import StageHistory
from registry.core.tags import Tags
from registry.core.tensors import Tensors
from registry.core.uploads import Uploads
from registry.core.verifications import Verifications
from registry.core.violations import Violations
from registry.db.pool import Database
from registry.db.replicas import PATIENCE, Replicas
from registry.scanners.base import Scanner
from registry.scanners.installed import installed
from registry.storage.base import BlobStore
from registry.storage.filesystem import FilesystemStore
from registry.storage.memory import MemoryStore
from registry.storage_url import (
    AzureLocation,
    FileLocation,
    GoogleLocation,
    MemoryLocation,
    S3Location,
)

if TYPE_CHECKING:
    from registry.db.redis import Redis

_log = structlog.get_logger("registry.scanning")

_REPLICA_CONNECTIONS: Final = 4  # of each worker to each replica


def create_replicas(settings: Settings, db: Database) -> Replicas:
    """Return the replicas of `db`. Each is tried once and for a second at most: the primary is the second attempt."""
    return Replicas(
        db,
        [
            Database(
                url,
                size=_REPLICA_CONNECTIONS,
                timeout=min(settings.database_timeout, PATIENCE),
                pooled=settings.database_direct_url is not None,
                attempts=1,
                what=f"replica {number} of the database",
                server="any",
            )
            for number, url in enumerate(settings.database_replica_urls, 1)
        ],
    )


def create_redis(settings: Settings) -> Redis | None:
    """Return the way to Redis; None where nothing is shared by it."""
    if settings.redis_url is None:
        return None
    from registry.db.redis import Redis  # its client takes its time and memory: only who needs it imports it

    return Redis(settings.redis_url)


def create_counter(redis: Redis | None) -> Counter | None:
    """Return what counts for all nodes; None where each counts for itself."""
    if redis is None:
        return None
    from registry.db.redis import RedisCounter

    return RedisCounter(redis)


def create_services(
    settings: Settings, db: Database, store: BlobStore, replicas: Replicas | None = None, redis: Redis | None = None
) -> Services:
    """Return the verbs over `db`, its `replicas` and Redis if there are any, and `store`."""
    replicas = replicas if replicas is not None else Replicas(db)
    shared = None
    if redis is not None:
        from registry.db.redis import RedisContents

        shared = RedisContents(redis)
    contents = Contents(replicas, cache_bytes=settings.cache_bytes, shared=shared)
    deletion = DeletionRule(
        enabled=settings.delete is not Deletion.OFF, asks_for_users=settings.delete is Deletion.REFUSE
    )
    sparse = SparseRule(children=settings.sparse is not Sparse.REFUSE, blobs=settings.sparse is Sparse.ALLOW)
    access = Access(db)
    # What callers ask of themselves never waits before what is pulled or deployed.
    judge, asked, gathering = Judge(), Judge(), Gathering(db, store)
    admission = Admission(db, access, gathering, judge)
    blobs, files = Blobs(db, store, access, admission, deletion), Files(db, store, admission)
    conformance = Conformance(db, blobs)
    manifests = Manifests(db, contents, access, admission, conformance, sparse=sparse, deletion=deletion)
    return Services(
        access=access,
        admission=admission,
        artifacts=Artifacts(db, blobs, admission),
        blobs=blobs,
        cleanup=Cleanup(db, store, upload_ttl=settings.upload_ttl),
        comparisons=Comparisons(db),
        conformance=conformance,
        files=files,
        gathering=gathering,
        graphs=Graphs(db),
        health=Health(db, store),
        history=History(db),
        jobs=Jobs(db),
        asked=asked,
        judge=judge,
        manifests=manifests,
        promotions=Promotions(db, access, Copying(db, manifests), admission),
        referrers=Referrers(db),
        repositories=Repositories(db, replicas),
        anchors=Anchors(db),
        quarantine=Quarantine(db),
        scans=Scans(db),
        search=Search(db, replicas),
        stage_history=StageHistory(db),
        tags=Tags(db, deletion),
        tensors=Tensors(db, files),
        uploads=Uploads(db, store),
        verifications=Verifications(db, gathering, asked),
        violations=Violations(db),
    )


def create_scanners(settings: Settings) -> tuple[Scanner, ...]:
    """Return the scanners that there are, and say which could not be loaded."""
    found = installed(settings.clamd)
    for problem in found.problems:
        _log.warning("a scanner is not there", problem=problem)
    return found.scanners


def create_store(settings: Settings) -> BlobStore:
    """Return the driver that BLACKLAKE_STORAGE names."""
    match settings.storage_location:
        case MemoryLocation():
            return MemoryStore()
        case FileLocation(root):
            return FilesystemStore(root)
        case S3Location() as location:
            from registry.storage.s3 import S3Store  # boto3 takes its time and memory: only who needs it imports it

            return S3Store(location)
        case AzureLocation() | GoogleLocation() as location:
            from registry.storage.cloud import CloudStore  # likewise

            return CloudStore(location)
