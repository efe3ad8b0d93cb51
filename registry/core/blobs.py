"""Blobs: find, read, mount and unlink them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName
from mediatypes.ranges import ByteRange
from registry.core.access import EVERYONE, PULL, Access, Caller, pullable
from registry.core.admission import Admission
from registry.core.audit import Action, Actor, Event, record, target_of
from registry.core.policy import DeletionRule
from registry.db import blobs, repositories
from registry.db.blobs import BlobAnswer, BlobQuestion, BlobRow
from registry.db.lookups import Batcher
from registry.db.pool import Connection, Database
from registry.errors import BlobUnknown
from registry.storage.base import BlobStore, StorageKey


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob that a repository holds; `size` in bytes."""

    digest: Digest
    size: int
    key: StorageKey


class Blobs:
    """The verbs of end-2 (pull), end-10 (delete) and end-11 (mount)."""

    def __init__(
        self, db: Database, store: BlobStore, access: Access, admission: Admission, deletion: DeletionRule
    ) -> None:
        self._db = db
        self._access = access
        self._admission = admission
        self._store = store
        self._deletion = deletion
        self._lookups: Batcher[BlobQuestion, BlobAnswer] = Batcher(self._look_up)

    async def find(self, name: RepositoryName, digest: Digest) -> Blob:
        """Return a blob of the repository for the registry itself, whatever policies say. Raise BlobUnknown."""
        row = await self._db.read("find_blob", lambda conn: blobs.find(conn, name, digest))
        return _blob(name, digest, row)

    async def pull(self, name: RepositoryName, digest: Digest, caller: Caller) -> Blob:
        """Return a blob of the repository that policies let the caller have (spec: end-2).

        Raise AccessMissing, AccessLost, BlobUnknown, NotAdmitted, NotAdmittedYet, Unavailable.
        """
        through = self._admission.through(name, digest)
        question = BlobQuestion(name, digest, through, *self._access.asked_by(caller, name))
        row, epochs, admission = await self._lookups.find(question)
        await self._access.confirm(caller, name, PULL, epochs)
        blob = _blob(name, digest, row)
        await self._admission.admit_blob(name, digest, admission, caller)
        return blob

    def read(self, blob: Blob, span: ByteRange) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of `span`."""
        return self._store.read(blob.key, span)

    def local_path(self, blob: Blob) -> Path | None:
        """Return the file that holds exactly the blob, where the storage has one."""
        return self._store.local_path(blob.key, blob.size)

    async def signed_url(self, blob: Blob) -> str | None:
        """Return where clients may fetch the blob from the storage itself; None where they can't."""
        return await self._store.signed_url(blob.key)

    async def mount(
        self,
        name: RepositoryName,
        digest: Digest,
        *,
        source: RepositoryName | None,
        caller: Caller = EVERYONE,
        actor: Actor | None = None,
    ) -> bool:
        """Link a blob of `source` (None: of any repository) that the caller may pull into `name` (end-11).

        Return False where it is not there, or not for this caller, be it by policies.
        """
        sources = pullable(caller, source)

        async def link(conn: Connection, *, is_admitted: bool = False) -> bool:
            repository_id = await repositories.find_or_create(conn, name)
            is_mounted = await blobs.mount(
                conn,
                digest,
                repository_id=repository_id,
                sources=sources,
                principal_id=caller.principal_id,
                is_admitted=is_admitted,
            )
            if actor is not None and is_mounted:
                detail = {"from": source} if source is not None else {}
                await record(conn, Event(actor, Action.BLOB_MOUNT, target_of(name, digest), detail=detail))
            return is_mounted

        if await self._db.transaction("mount_blob", link):
            return True
        if source is None or not PULL & await self._access.permitted(caller, source):
            return False
        if not await self._admission.is_mountable(source, digest, caller):
            return False
        return await self._db.transaction("mount_blob", partial(link, is_admitted=True))

    async def delete(self, name: RepositoryName, digest: Digest, *, actor: Actor | None = None) -> None:
        """Take a blob from a repository (end-10). Raise BlobUnknown, StillReferenced, DeletionDisabled."""
        self._deletion.permit()

        async def unlink(conn: Connection) -> None:
            repository_id = await repositories.find(conn, name)
            if repository_id is None or not await blobs.lock_link(conn, digest, repository_id=repository_id):
                raise BlobUnknown(name, str(digest))
            await self._deletion.require_unused(conn, digest, repository_id=repository_id)
            await blobs.unlink(conn, digest, repository_id=repository_id)
            if actor is not None:
                await record(conn, Event(actor, Action.BLOB_DELETE, target_of(name, digest)))

        await self._db.transaction("delete_blob", unlink)

    async def _look_up(self, questions: Sequence[BlobQuestion]) -> list[BlobAnswer]:
        return await self._db.read("look_up_blobs", lambda conn: blobs.look_up(conn, questions))


def _blob(name: RepositoryName, digest: Digest, row: BlobRow | None) -> Blob:
    if row is None:
        raise BlobUnknown(name, str(digest))
    return Blob(digest, row.size, StorageKey(row.storage_key))
