"""Comparisons of artifacts, of whichever repositories, for those who may pull both."""

from __future__ import annotations

import asyncio
from typing import Any, Final, NamedTuple

from mediatypes.digest import Digest
from mediatypes.files import tensor_index
from mediatypes.names import RepositoryName, Tag
from registry.core.access import Caller
from registry.core.artifacts import described_one
from registry.core.comparison import Comparison, Side, TensorAt, compare
from registry.core.switches import Switch
from registry.db import described, switches
from registry.db.described import DescribedRow, FoundFileRow, TensorCounts, TensorsRow
from registry.db.pool import Connection, Database
from registry.errors import RequestInvalid

_MOST_FILES: Final = 20_000  # as many as are kept of an artifact
_MOST_INDEXES: Final = 1000  # files with tensors
_MOST_TENSORS: Final = 1_000_000  # of an artifact, which take some 400 MB, and
_MOST_BYTES: Final = 64 << 20  # of their indexes as they are kept, and
_MOST_UNPACKED: Final = 256 << 20  # bytes that these become


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
            return old.digest, new.digest, await asyncio.to_thread(_compared, old, new, most)

    async def _read(self, one: Referenced, caller: Caller) -> _Read:
        async def find(conn: Connection) -> _Read:
            row, found = await described_one(conn, one.repository, one.reference, caller)
            digest = Digest.from_bytes(row.digest)
            place: dict[str, Any] = {"repository_id": row.repository_id, "digest": row.digest}
            _check(digest, await described.tensor_counts(conn, **place))
            with_digests = await switches.is_on(conn, Switch.DIGESTS, repository_id=row.repository_id)
            return _Read(
                digest,
                found,
                await described.files(conn, after="", limit=_MOST_FILES, **place),
                await described.tensors(
                    conn, since="", path=None, limit=_MOST_INDEXES, with_digests=with_digests, **place
                ),
            )

        read = await self._db.read("read_for_comparison", find)
        if sum(tensor_index.unpacked_size(row.content) for row in read.tensors) > _MOST_UNPACKED:
            raise _too_much(read.digest, f"names of tensors of more than {_MOST_UNPACKED} bytes")
        return read


def _check(digest: Digest, counts: TensorCounts) -> None:
    """Raise RequestInvalid where an artifact has too much to compare."""
    if counts.files > _MOST_INDEXES:
        raise _too_much(digest, f"more than {_MOST_INDEXES} files with tensors")
    if counts.tensors > _MOST_TENSORS:
        raise _too_much(digest, f"more than {_MOST_TENSORS} tensors")
    if counts.size > _MOST_BYTES:
        raise _too_much(digest, f"indexes of tensors of more than {_MOST_BYTES} bytes")


def _too_much(digest: Digest, what: str) -> RequestInvalid:
    return RequestInvalid(f"{digest} has {what}: too many to compare")


def _compared(before: _Read, after: _Read, most: int) -> Comparison:
    return compare(_side(before), _side(after), most=most)


def _side(read: _Read) -> Side:
    tensors = [
        TensorAt(row.path, *one) for row in read.tensors for one in tensor_index.digested(row.content, row.digests)
    ]
    return Side(read.described.record["values"], read.files, tensors)
