"""Tensors of artifacts: listed by file, and where their bytes are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from mediatypes.digest import Digest
from mediatypes.files import tensor_index
from mediatypes.files.reading import Tensor
from mediatypes.files.tensor_index import DigestedTensor
from mediatypes.names import RepositoryName, Tag
from mediatypes.ranges import ByteRange
from registry.core.access import Caller
from registry.core.artifacts import described_one
from registry.core.files import Content, Files
from registry.core.pages import Page, after_of, place_of
from registry.core.switches import Switch
from registry.db import described, switches
from registry.db.described import TensorsRow
from registry.db.pool import Connection, Database
from registry.errors import TensorUnknown

_FILES_AT_ONCE: Final = 4  # whose indexes, of 5 MiB at most, are looked through for one page before the next are read
_PAGES_AT_ONCE: Final = 2  # of a process: an index may take 200 MB as it is looked through
_LOOKED_THROUGH: Final = 500_000  # tensors, of which few may be wanted, for one page


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tensors: of a file, whose names begin so, of a dtype; where one is None, whichever."""

    path: str | None = None
    prefix: str = ""
    dtype: str | None = None

    def has(self, tensor: Tensor) -> bool:
        """Say whether a tensor is one of them, as far as it is not the file's to say."""
        return tensor.name.startswith(self.prefix) and self.dtype in (None, tensor.dtype)


class Tensors:
    """The verbs of those who look at tensors."""

    def __init__(self, db: Database, files: Files) -> None:
        self._db = db
        self._files = files
        self._free = asyncio.Semaphore(_PAGES_AT_ONCE)

    async def page(
        self, name: RepositoryName, reference: Tag | Digest, wanted: Wanted, *, after: str, limit: int, caller: Caller
    ) -> Page[tuple[str, DigestedTensor]]:
        """Return up to `limit` tensors, each with its file's path: by path, and as they stand in the file.

        Where many had to be looked through a page has fewer, or none, and a next one. Raise ManifestUnknown, NotDescribed,
        PageInvalid.
        """
        since, place = place_of(after, tuple[str, int]) if after else ("", -1)
        found: list[tuple[str, int, DigestedTensor]] = []
        looked_through = 0
        while True:
            reference, rows = await self._rows(name, reference, since, wanted.path, caller)
            for row in rows:
                begun = place if row.path == since else -1
                async with self._free:
                    known = await asyncio.to_thread(_chosen, row, wanted, begun, limit + 1)
                found += [(row.path, position, tensor) for position, tensor in known]
                if len(found) > limit:
                    path, position, _ = found[limit - 1]
                    return Page([(path, one) for path, _, one in found[:limit]], after_of(path, position))
                looked_through += max(row.tensors - 1 - begun, 0)
                if looked_through > _LOOKED_THROUGH:
                    return Page([(path, one) for path, _, one in found], after_of(row.path, row.tensors))
            if len(rows) < _FILES_AT_ONCE:
                return Page([(path, one) for path, _, one in found], None)
            since, place = rows[-1].path, rows[-1].tensors

    async def content(
        self, name: RepositoryName, reference: Tag | Digest, path: str, tensor: str, caller: Caller
    ) -> Content:
        """Return where a tensor's bytes are. Raise what Files.content does, and TensorUnknown."""
        content = await self._files.content(name, reference, path, caller)
        _, rows = await self._rows(name, content.manifest, path, path, caller)
        for row in rows:
            async with self._free:
                tensors = await asyncio.to_thread(tensor_index.unpacked, row.content)
            for one in tensors:
                end = one.offset + one.size if one.offset is not None else None
                if one.name == tensor and end is not None and end <= len(content.span):
                    start = content.span.start
                    return replace(content, span=ByteRange(start + end - one.size, start + end))
        raise TensorUnknown(path, tensor)

    async def _rows(
        self, name: RepositoryName, reference: Tag | Digest, since: str, path: str | None, caller: Caller
    ) -> tuple[Digest, Sequence[TensorsRow]]:
        """Return the manifest, which a tag may not name any more when the next are asked for, and tensors of its files."""

        async def find(conn: Connection) -> tuple[Digest, list[TensorsRow]]:
            row, _ = await described_one(conn, name, reference, caller)
            rows = await described.tensors(
                conn,
                repository_id=row.repository_id,
                digest=row.digest,
                since=since.replace("\0", ""),
                path=path,
                limit=_FILES_AT_ONCE,
                with_digests=await switches.is_on(conn, Switch.DIGESTS, repository_id=row.repository_id),
            )
            return Digest.from_bytes(row.digest), rows

        return await self._db.read("list_tensors", find)


def _chosen(row: TensorsRow, wanted: Wanted, after: int, limit: int) -> list[tuple[int, DigestedTensor]]:
    """Return up to `limit` of the wanted tensors of a file behind a position, each with its own."""
    found = (
        (at, one)
        for at, one in enumerate(tensor_index.digested(row.content, row.digests))
        if at > after and wanted.has(one.tensor)
    )
    return [one for _, one in zip(range(limit), found, strict=False)]
