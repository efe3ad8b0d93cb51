"""What is known of an artifact when it is judged (signing.evidence): gathered from rows and storage, within bounds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from mediatypes.digest import Digest, InvalidDigest
from mediatypes.models.artifact import Descriptor, parse_artifact
from mediatypes.oci import INDEX_TYPES
from mediatypes.ranges import ByteRange
from registry.core.attachments import tags_about
from registry.core.scan_evidence import scans_of
from registry.db import evidence, verdicts
from registry.db.evidence import ArtifactRow, AttachedRow, PlaceRow
from registry.db.pool import Connection, Database
from registry.errors import Unavailable
from registry.storage.base import BlobStore, StorageError, StorageKey
from signing.evidence import (
    FIRST_TYPES,
    LARGEST_BLOB,
    LARGEST_EVIDENCE,
    MOST_ATTACHED,
    MOST_BLOBS,
    Attached,
    Evidence,
    Known,
    Scan,
)

_LARGEST_MANIFESTS: Final = 8 << 20  # bytes of all that are attached
_MOST_VIOLATIONS: Final = 200
_AT_ONCE: Final = 8  # blobs that are read
_MOST_INDEXES: Final = 20  # that contain an artifact
_DEEPEST: Final = 3  # indexes in indexes


class NewArtifact(NamedTuple):
    """A manifest that is judged before it is stored."""

    media_type: str
    content: bytes


class Gathered(NamedTuple):
    """Evidence, the number that it has in the database, None of what is not stored, and the time by which it is judged."""

    evidence: Evidence
    number: int | None
    now: datetime


class _Found(NamedTuple):
    artifact: ArtifactRow | None
    attached: list[tuple[AttachedRow, list[Descriptor]]]
    places: dict[bytes, PlaceRow]
    violations: list[dict[str, str]]
    scans: tuple[Scan, ...] | None


class Gathering:
    """Gathers evidence."""

    def __init__(self, db: Database, store: BlobStore) -> None:
        self._db = db
        self._store = store

    async def indexes(self, repository_id: int, digest: Digest) -> list[tuple[Digest, int]]:
        """Return the indexes that contain a manifest and of which something speaks, with the numbers of their evidence.

        Those with signatures come first: of too many the last are left out.
        """
        found = await self._db.read(
            "find_indexes",
            lambda conn: verdicts.containing(
                conn,
                digest.to_bytes(),
                sorted(INDEX_TYPES),
                repository_id=repository_id,
                depth=_DEEPEST,
                limit=_MOST_INDEXES,
                types=FIRST_TYPES,
            ),
        )
        return [(Digest.from_bytes(packed), number) for packed, number in found]

    async def of(self, repository_id: int, digest: Digest, new: NewArtifact | None = None) -> Gathered | None:
        """Return what is known of a manifest, or of one that is `new`; None where there is none such.

        Its number is read before anything else: what changes meanwhile makes another one of it. Raise Unavailable.
        """
        found = await self._db.read("gather_evidence", lambda conn: self._found(conn, repository_id, digest))
        row = found.artifact
        if row is None and new is None:
            return None
        attached, problems = await self._attached(found.attached, found.places)
        now = row.now if row is not None else datetime.now(UTC)
        media_type, content = (row.media_type, row.content) if row is not None else new or ("", b"")
        return Gathered(
            Evidence(str(digest), media_type, content, attached, problems, _known(found, now)),
            row.evidence if row is not None else None,
            now,
        )

    async def _found(self, conn: Connection, repository_id: int, digest: Digest) -> _Found:
        packed = digest.to_bytes()
        artifact = await evidence.artifact(conn, repository_id=repository_id, digest=packed)
        rows = await evidence.attached(
            conn,
            repository_id=repository_id,
            digest=packed,
            tags=tags_about(digest),
            types=FIRST_TYPES,
            limit=MOST_ATTACHED + 1,
            max_bytes=_LARGEST_MANIFESTS,
        )
        attached = await asyncio.to_thread(lambda: [(row, _descriptors(row)) for row in rows])
        named = {_packed(one) for _, descriptors in attached for one in descriptors}
        places = await evidence.places(conn, sorted(named - {b""}), repository_id=repository_id)
        violations = await evidence.violations(conn, repository_id=repository_id, digest=packed, limit=_MOST_VIOLATIONS)
        return _Found(artifact, attached, places, violations, await scans_of(conn, repository_id, packed))

    async def _attached(
        self, rows: Sequence[tuple[AttachedRow, list[Descriptor]]], places: dict[bytes, PlaceRow]
    ) -> tuple[tuple[Attached, ...], tuple[str, ...]]:
        problems = []
        if len(rows) > MOST_ATTACHED:
            problems.append(f"more than {MOST_ATTACHED} manifests are attached, and the others are not looked at")
        reader = _Reader(self._store, places)
        found = []
        for row, descriptors in rows[:MOST_ATTACHED]:
            name = str(Digest.from_bytes(row.digest))
            if row.content is None:
                problems.append(f"{name} is not looked at: {_LARGEST_MANIFESTS} bytes of attached manifests are")
                continue
            blobs, missing = await reader.read(descriptors)
            found.append(Attached(row.origin, name, row.media_type, row.content, blobs, missing))
        return tuple(found), tuple(problems)


class _Reader:
    """Reads small blobs while there is room."""

    def __init__(self, store: BlobStore, places: dict[bytes, PlaceRow]) -> None:
        self._store = store
        self._places = places
        self._room = LARGEST_EVIDENCE
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def read(self, named: Sequence[Descriptor]) -> tuple[dict[str, bytes], dict[str, str]]:
        """Return the contents by digest, and of those that were not read, why. Raise Unavailable."""
        wanted: list[PlaceRow] = []
        missing: dict[str, str] = {}
        for one in named[:MOST_BLOBS]:
            place = self._places.get(_packed(one))
            if place is None:
                missing[one.digest] = "is not in the repository"
            elif place.size > LARGEST_BLOB:
                missing[one.digest] = f"has {place.size} bytes; up to {LARGEST_BLOB} are read"
            elif place.size > self._room:
                missing[one.digest] = f"is not read: of all {LARGEST_EVIDENCE} bytes are"
            else:
                self._room -= place.size
                wanted.append(place)
        missing |= {one.digest: f"is not read: of a manifest {MOST_BLOBS} are" for one in named[MOST_BLOBS:]}
        contents = await asyncio.gather(*map(self._content, wanted))
        found = {str(Digest.from_bytes(place.digest)): content for place, content in zip(wanted, contents, strict=True)}
        return found, missing

    async def _content(self, place: PlaceRow) -> bytes:
        async with self._free:
            try:
                async with contextlib.aclosing(
                    self._store.read(StorageKey(place.storage_key), ByteRange(0, place.size))
                ) as pieces:
                    return b"".join([piece async for piece in pieces])
            except StorageError as error:
                raise Unavailable("the storage") from error


def _known(found: _Found, now: datetime) -> Known:
    row = found.artifact
    if row is None:
        return Known(scans=found.scans, pushed_at=now)
    record = None
    if row.record is not None:
        record = {**row.record, "kind": row.kind}
    return Known(
        record=record,
        violations=tuple(found.violations) if record is not None else None,
        scans=found.scans,
        pushed_at=row.pushed_at,
    )


def _descriptors(row: AttachedRow) -> list[Descriptor]:
    """Return the layers of an attached manifest, each once."""
    if row.content is None:
        return []
    artifact = parse_artifact(row.content, None)
    return [*{one.digest: one for one in artifact.layers}.values()]


def _packed(descriptor: Descriptor) -> bytes:
    """Return a digest as database keys; b"" of one of an algorithm that is not known here."""
    try:
        return Digest.parse(descriptor.digest).to_bytes()
    except InvalidDigest:
        return b""
