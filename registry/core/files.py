"""Files of artifacts: listed, and their bytes, wherever in a layer those lie."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

from mediatypes.digest import Digest
from mediatypes.models.artifact import Packing
from mediatypes.names import RepositoryName, Tag
from mediatypes.ranges import ByteRange
from registry.core.access import Caller
from registry.core.admission import Admission
from registry.core.artifacts import described_one
from registry.core.pages import Page, page_of
from registry.core.unpacking import Unpacking
from registry.db import described
from registry.db.described import FoundFileRow
from registry.db.pool import Connection, Database
from registry.errors import FileUnknown, FileUnreachable
from registry.storage.base import BlobStore, StorageKey


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes of a file: `span` of the blob `blob`, or of what that becomes where its packing is a compressed one."""

    manifest: Digest
    path: str
    blob: Digest
    key: StorageKey
    blob_size: int
    packing: Packing
    span: ByteRange

    @property
    def is_whole_blob(self) -> bool:
        """Whether these are a blob's bytes, all of them as they are stored."""
        return self.packing is Packing.RAW and self.span == ByteRange(0, self.blob_size)


class Files:
    """The verbs of those who look into artifacts. Nobody sees what he may not pull."""

    def __init__(self, db: Database, store: BlobStore, admission: Admission) -> None:
        self._db = db
        self._admission = admission
        self._store = store
        self._unpacking = Unpacking(store)

    async def page(
        self, name: RepositoryName, reference: Tag | Digest, *, after: str, limit: int, caller: Caller
    ) -> Page[FoundFileRow]:
        """Return up to `limit` files in the byte order of their paths. Raise ManifestUnknown, NotDescribed."""

        async def find(conn: Connection) -> list[FoundFileRow]:
            row, _ = await described_one(conn, name, reference, caller)
            return await described.files(
                conn, repository_id=row.repository_id, digest=row.digest, after=after, limit=limit + 1
            )

        return page_of(await self._db.read("list_files", find), limit, key=lambda row: row.path)

    async def content(self, name: RepositoryName, reference: Tag | Digest, path: str, caller: Caller) -> Content:
        """Return where the bytes of a file are, which policies let the caller have.

        Raise ManifestUnknown, NotDescribed, FileUnknown, FileUnreachable, NotAdmitted, NotAdmittedYet, Unavailable.
        """

        async def find(conn: Connection) -> tuple[bytes, described.StoredFileRow | None]:
            row, _ = await described_one(conn, name, reference, caller)
            return row.digest, await described.file(conn, path, repository_id=row.repository_id, digest=row.digest)

        manifest, file = await self._db.read("find_file", find)
        await self._admission.require(name, Digest.from_bytes(manifest), caller)
        if file is None:
            raise FileUnknown(path)
        if file.storage_key is None or file.blob_size is None:
            raise FileUnreachable(path, "is in a layer that the repository doesn't hold")
        if file.start is None:
            raise FileUnreachable(path, "does not lie in its layer in one piece")
        return Content(
            Digest.from_bytes(manifest),
            path,
            Digest.from_bytes(file.blob),
            StorageKey(file.storage_key),
            file.blob_size,
            Packing(file.packing),
            ByteRange(file.start, file.start + file.size),
        )

    def read(self, content: Content, part: ByteRange, caller: Caller) -> AsyncGenerator[bytes, None]:
        """Yield the bytes `part`, counted from the content's first. Raise what Unpacking.read does."""
        span = ByteRange(content.span.start + part.start, content.span.start + part.stop)
        if content.packing in (Packing.RAW, Packing.TAR):
            return self._store.read(content.key, span)
        return self._unpacking.read(content.path, content.key, content.blob_size, content.packing, span, caller=caller)

    def local_path(self, content: Content) -> Path | None:
        """Return the file that holds exactly the content, where the storage has one."""
        return self._store.local_path(content.key, content.blob_size) if content.is_whole_blob else None

    async def signed_url(self, content: Content) -> str | None:
        """Return where clients may fetch the content from the storage itself; None where they can't."""
        return await self._store.signed_url(content.key) if content.is_whole_blob else None
