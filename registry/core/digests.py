"""Digests of tensors' bytes, which need a full read: for repositories that ask for them (registry.core.switches) only.

They are filled into the tensor index of the blob, and serve every artifact that has it: bytes say nothing of who has them. A
node reads one blob at a time, as fast as it may and no faster, whatever else it does.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from mediatypes.files import tensor_index
from registry.core.extraction import Also
from registry.core.jobs import DIGEST
from registry.core.layer_readings import Tell
from registry.core.outbox import Enqueue
from registry.core.pace import Pace
from registry.core.range_hashing import Range, RangeHashing, deepest
from registry.core.subjects import Target
from registry.core.switches import Switch
from registry.db import digests, jobs, repositories, switches
from registry.db.artifacts import HeldRow
from registry.db.digests import DigestedRow, UndigestedRow
from registry.db.jobs import NewJob
from registry.db.pool import Connection, Database
from registry.storage.base import BlobStore, ObjectMissing, StorageKey

_MOST_TENSORS: Final = 100_000  # that are hashed in one go, or those of one file
_MOST_OVERLAPPING: Final = (
    16  # tensors that may have a byte in common: views of one storage have, and hashing takes as long
)
_BATCH: Final = 500  # artifacts that are looked at in one transaction

_log = structlog.get_logger("registry.digests")


class DigestRequests:
    """Asks for digests of what is there, by way of the outbox."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def ask(self, target: Target) -> int:
        """Ask in those repositories of a target that want digests, and return for how many artifacts."""
        found = await self._db.read(
            "find_repositories",
            lambda conn: repositories.matching(conn, target.path, is_prefix=target.is_prefix),
        )
        return sum([await self._ask_of(repository_id) for repository_id in found])

    async def _ask_of(self, repository_id: int) -> int:
        total = 0
        after: bytes | None = b""
        while after is not None:

            async def ask(conn: Connection, after: bytes = after) -> tuple[int, bytes | None]:
                if not await switches.is_on(conn, Switch.DIGESTS, repository_id=repository_id):
                    return 0, None
                return await digests.ask(conn, repository_id=repository_id, after=after, limit=_BATCH)

            asked, after = await self._db.transaction("ask_for_digests", ask)
            total += asked
        return total


class Digests:
    """The verbs that fill digests in."""

    def __init__(self, db: Database, store: BlobStore, enqueue: Enqueue, pace: Pace) -> None:
        self._db = db
        self._store = store
        self._enqueue = enqueue
        self._pace = pace
        self._turn = asyncio.Lock()

    async def ask(self, conn: Connection, repository_id: int, digest: bytes) -> None:
        """Ask for the digests of an artifact that lacks them, where its repository wants any.

        It is a job of its own, added in the transaction that keeps the description.
        """
        if await switches.is_on(conn, Switch.DIGESTS, repository_id=repository_id) and await digests.is_lacking(
            conn, repository_id=repository_id, digest=digest
        ):
            added = await jobs.add(conn, [NewJob(DIGEST, repository_id, digest)])
            await self._enqueue(conn, added, priority=0)

    async def fill(self, repository_id: int, digest: bytes, *, tell: Tell, also: Also) -> None:
        """Digest the tensors of an artifact; nothing of one that is gone, or is not to be digested any more.

        What was digested stays where this is cut short; of the blob under way all begins anew. `also` is done in the end. Raise
        Unavailable, StorageError.
        """
        async with self._turn:
            found = await self._blobs(repository_id, digest)
            total = sum(blob.size for blob in found)
            before = 0
            for blob in found:

                async def tell_of(position: int, before: int = before) -> None:
                    await tell(total, before + position)

                try:
                    await self._fill_blob(blob, tell_of)
                except ObjectMissing:
                    if blob in await self._blobs(repository_id, digest):
                        raise
                    _log.info("a blob is gone and is not digested", bytes=blob.size)
                before += blob.size
                await tell(total, before)
        await self._db.transaction("finish_digests", also)

    async def _blobs(self, repository_id: int, digest: bytes) -> list[HeldRow]:
        async def find(conn: Connection) -> list[HeldRow]:
            if not await switches.is_on(conn, Switch.DIGESTS, repository_id=repository_id):
                return []
            return await digests.blobs(conn, repository_id=repository_id, digest=digest)

        return await self._db.read("find_undigested", find)

    async def _fill_blob(self, blob: HeldRow, tell: Callable[[int], Awaitable[None]]) -> None:
        while rows := await self._db.transaction(
            "find_undigested_tensors", lambda conn: digests.undigested(conn, blob.digest, most=_MOST_TENSORS)
        ):
            places = await asyncio.to_thread(_places, rows)
            hashing = RangeHashing(one for found in places for one in found if one is not None)
            for span in hashing.spans():
                at = span.start
                async with contextlib.aclosing(self._store.read(StorageKey(blob.storage_key), span)) as pieces:
                    async for piece in pieces:
                        await self._pace.take(len(piece))
                        await asyncio.to_thread(hashing.take, at, piece)
                        at += len(piece)
                        await tell(at)
            filled = await asyncio.to_thread(_filled, rows, places, hashing.digests)
            await self._fill_in(blob, filled)

    async def _fill_in(self, blob: HeldRow, filled: list[DigestedRow]) -> None:
        await self._db.transaction("fill_digests", lambda conn: digests.fill(conn, blob.digest, filled))


def _places(rows: list[UndigestedRow]) -> list[list[Range | None]]:
    """Return by index where in the blob each of its tensors lies; None where that can't be hashed."""
    return [_places_of(row) for row in rows]


def _places_of(row: UndigestedRow) -> list[Range | None]:
    tensors = tensor_index.unpacked(row.content)
    if row.start is None or row.size is None:
        return [None] * len(tensors)
    found: list[Range | None] = [
        (row.start + one.offset, row.start + one.offset + one.size)
        if one.offset is not None and 0 <= one.offset <= one.offset + one.size <= row.size
        else None
        for one in tensors
    ]
    if deepest(one for one in found if one is not None) > _MOST_OVERLAPPING:
        return [None] * len(tensors)
    return found


def _filled(
    rows: list[UndigestedRow], places: list[list[Range | None]], known: dict[Range, bytes]
) -> list[DigestedRow]:
    return [
        DigestedRow(
            row.manner,
            row.path,
            hashlib.sha256(row.content).digest(),
            tensor_index.packed_digests([known[one] if one is not None else None for one in found]),
        )
        for row, found in zip(rows, places, strict=True)
    ]
