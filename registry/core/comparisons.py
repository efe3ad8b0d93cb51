"""Comparisons of artifacts, of whichever repositories, for those who may pull both."""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

from mediatypes.digest import Digest
from mediatypes.files import tensor_index
from mediatypes.names import RepositoryName, Tag
from registry.core.access import Caller
from registry.core.artifacts import described_one
from registry.core.comparison import Comparison, Side, TensorAt, compare
from registry.core.switches import Switch
from registry.db import described, switches
from registry.db.described import DescribedRow, FoundFileRow, TensorsRow
from registry.db.pool import Connection, Database
from registry.errors import RequestInvalid

_MOST_FILES: Final = 20_000  # as many as are kept of an artifact
_MOST_INDEXES: Final = 1000  # files with tensors
_MOST_TENSORS: Final = 1_000_000  # of an artifact, which take some 400 MB


class Referenced(NamedTuple):
    """What is to be compared."""

    repository: RepositoryName
    reference: Tag | Digest


class _Read(NamedTuple):
    digest: Digest
    described: DescribedRow
    files: list[FoundFileRow]
    tensors: list[TensorsRow]


class Comparisons:
    """The verb that compares."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._free = asyncio.Semaphore(2)  # an artifact has up to a million tensors

    async def compare(
        self, before: Referenced, after: Referenced, *, most: int, caller: Caller
    ) -> tuple[Digest, Digest, Comparison]:
        """Return both digests and how `after` is different.

        Raise ManifestUnknown, NotDescribed, and RequestInvalid where one of them has too many tensors, or too many files with
        tensors: what is left out would be told as added or removed.
        """
        async with self._free:
            old, new = await self._read(before, caller), await self._read(after, caller)
            for read in (old, new):
                if len(read.tensors) > _MOST_INDEXES:
                    raise RequestInvalid(
                        f"{read.digest} has more than {_MOST_INDEXES} files with tensors: too many to compare"
                    )
                if sum(row.tensors for row in read.tensors) > _MOST_TENSORS:
                    raise RequestInvalid(f"{read.digest} has more than {_MOST_TENSORS} tensors: too many to compare")
            return old.digest, new.digest, await asyncio.to_thread(_compared, old, new, most)

    async def _read(self, one: Referenced, caller: Caller) -> _Read:
        async def find(conn: Connection) -> _Read:
            row, found = await described_one(conn, one.repository, one.reference, caller)
            return _Read(
                Digest.from_bytes(row.digest),
                found,
                await described.files(
                    conn, repository_id=row.repository_id, digest=row.digest, after="", limit=_MOST_FILES
                ),
                await described.tensors(
                    conn,
                    repository_id=row.repository_id,
                    digest=row.digest,
                    since="",
                    path=None,
                    limit=_MOST_INDEXES + 1,
                    with_digests=await switches.is_on(conn, Switch.DIGESTS, repository_id=row.repository_id),
                ),
            )

        return await self._db.read("read_for_comparison", find)


def _compared(before: _Read, after: _Read, most: int) -> Comparison:
    return compare(_side(before), _side(after), most=most)


def _side(read: _Read) -> Side:
    tensors = [
        TensorAt(row.path, *one) for row in read.tensors for one in tensor_index.digested(row.content, row.digests)
    ]
    return Side(read.described.record["values"], read.files, tensors)
