"""Uploads: sessions that any process may continue, and blobs that come of them (DESIGN, decisions 5 to 7).

start → append* → finish          chunked, streamed, resumed: end-4, end-5, end-6
push                              in one request: end-4b
cancel, or expiry                 nothing stays
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Final
from uuid import UUID, uuid4

import structlog

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName
from mediatypes.ranges import ByteRange
from registry.core.audit import Action, Actor, Event, record, target_of
from registry.core.session import LeaseLost, UploadSession
from registry.db import blobs, objects, repositories, uploads
from registry.db.pool import Connection, Database
from registry.db.uploads import UploadRow
from registry.errors import BlobTooLarge, DigestMismatch, RegistryError, Unavailable, UploadOutOfOrder, UploadUnknown
from registry.storage.base import (
    BlobStore,
    ObjectMissing,
    ObjectTooLarge,
    StorageError,
    StorageKey,
    WriterBusy,
    new_key,
)

_log = structlog.get_logger("registry.core")
_OVERTAKEN_SECONDS: Final = 60.0
"""A request that holds the lease of a cancelled upload may still write: its object is deleted when it has noticed."""


_ASSEMBLY_SECONDS: Final = 900.0
"""S3 may still be at an object of a request whose node was killed: what is lost by then stays lost."""


class _AlreadyRecorded(Exception):
    """Rolls back: a blob lies under `key`. Whether the storage has it is asked while no transaction is open."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class Uploads:
    """The verbs of end-4 (start, push), end-5 (append), end-6 (finish), end-13 (status) and end-14 (cancel)."""

    def __init__(self, db: Database, store: BlobStore) -> None:
        self._db = db
        self._store = store

    async def start(self, name: RepositoryName, *, algorithm: str = "sha256") -> UUID:
        """Begin a session and return its id (end-4)."""
        return (await self._create(name, algorithm, lease_epoch=0)).id

    async def status(self, name: RepositoryName, upload_id: UUID) -> int:
        """Return how many bytes a session holds (end-13). Raise UploadUnknown."""
        received = await self._db.read("upload_status", lambda conn: uploads.received(conn, name, upload_id=upload_id))
        if received is None:
            raise UploadUnknown(name, str(upload_id))
        return received

    async def append(
        self, name: RepositoryName, upload_id: UUID, body: AsyncIterator[bytes], *, chunk: ByteRange | None
    ) -> int:
        """Append a chunk and return how many bytes the session holds then (end-5).

        `chunk` is what Content-Range says. What arrives before the client vanishes is kept for resuming. Raise
        UploadUnknown, UploadOutOfOrder, SizeMismatch.
        """
        async with self._leased(name, upload_id, chunk, rest=None) as session:
            await session.receive(body, chunk)
            await session.save(release=True)
            return session.received

    async def finish(
        self,
        name: RepositoryName,
        upload_id: UUID,
        digest: Digest,
        body: AsyncIterator[bytes],
        *,
        chunk: ByteRange | None,
        length: int | None = None,
        actor: Actor | None = None,
    ) -> None:
        """Append the last chunk, which may be empty, and make the blob (end-6).

        `length` is the body's, in bytes, where the client said it. Raise DigestMismatch, after which the session and its bytes
        are gone, or what `append` raises.
        """
        async with self._leased(name, upload_id, chunk, rest=length) as session:
            if session.received == 0:
                session.hash_with(digest.algorithm)
            await session.receive(body, chunk)
            await self._complete(session, name, digest, actor)

    async def push(
        self,
        name: RepositoryName,
        digest: Digest,
        body: AsyncIterator[bytes],
        *,
        length: int | None = None,
        actor: Actor | None = None,
    ) -> None:
        """Make a blob of one request's body, of `length` bytes where that is known (end-4b). Nothing stays where it fails."""
        row = await self._create(name, digest.algorithm, lease_epoch=1)
        try:
            async with self._held(name, row, size=length) as session:
                await session.receive(body, None)
                await self._complete(session, name, digest, actor)
        except BaseException:
            # Nobody else knows this session's id. Where the database is away, the session expires.
            with contextlib.suppress(Unavailable):
                await self._discard(row)
            raise

    async def cancel(self, name: RepositoryName, upload_id: UUID) -> None:
        """End a session and delete its bytes (end-14). Raise UploadUnknown."""

        async def remove(conn: Connection) -> tuple[str, bool] | None:
            found = await uploads.cancel(conn, name, upload_id=upload_id)
            if found is not None:
                key, is_leased = found
                await objects.add(conn, key, delay=_OVERTAKEN_SECONDS if is_leased else 0)
            return found

        found = await self._db.transaction("cancel_upload", remove)
        if found is None:
            raise UploadUnknown(name, str(upload_id))
        key, is_leased = found
        if not is_leased:
            await self._delete_object(key)

    async def _create(self, name: RepositoryName, algorithm: str, *, lease_epoch: int) -> UploadRow:
        create = partial(
            uploads.create,
            name=name,
            upload_id=uuid4(),
            storage_key=new_key(),
            algorithm=algorithm,
            lease_epoch=lease_epoch,
        )
        row = await self._db.statement("start_upload", create)
        if row is None:
            await self._db.transaction("create_repository", lambda conn: repositories.find_or_create(conn, name))
            row = await self._db.statement("start_upload", create)
        assert row is not None  # what was made just now stays
        return row

    @contextlib.asynccontextmanager
    async def _leased(
        self, name: RepositoryName, upload_id: UUID, chunk: ByteRange | None, *, rest: int | None
    ) -> AsyncIterator[UploadSession]:
        take = partial(
            uploads.take_lease, name=name, upload_id=upload_id, at=chunk.start if chunk is not None else None
        )
        row = await self._db.statement("take_upload_lease", take)
        if row is None:
            raise await self._overtaken(name, upload_id, chunk)
        async with self._held(name, row, size=None if rest is None else row.received + rest) as session:
            yield session

    @contextlib.asynccontextmanager
    async def _held(self, name: RepositoryName, row: UploadRow, *, size: int | None) -> AsyncIterator[UploadSession]:
        try:
            async with UploadSession.open(self._db, self._store, row, size=size) as session:
                yield session
        except WriterBusy as error:
            raise await self._overtaken(name, row.id) from error
        except LeaseLost as error:
            # Cancelled before this request made the object? Then nobody but us knows of it.
            if await self._db.transaction("disown_object", lambda conn: objects.add_unnamed(conn, row.storage_key)):
                await self._delete_object(row.storage_key)
            raise await self._overtaken(name, row.id) from error
        except ObjectTooLarge as error:
            raise BlobTooLarge(error.limit) from error
        except ObjectMissing as error:
            # The storage lost what the row says is there: this upload can't be continued by anyone. Or another request has
            # the upload by now, and discarded what we had not saved.
            if await self._discard(row, delay=_ASSEMBLY_SECONDS):
                _log.error(
                    "an upload was given up: the storage has lost bytes of it", upload=str(row.id), error=str(error)
                )
                raise UploadUnknown(name, str(row.id)) from error
            raise await self._overtaken(name, row.id) from error

    async def _overtaken(self, name: RepositoryName, upload_id: UUID, chunk: ByteRange | None = None) -> RegistryError:
        received = await self.status(name, upload_id)
        if chunk is not None and chunk.start != received:
            return UploadOutOfOrder(f"the chunk begins at {chunk.start}", offset=received)
        return UploadOutOfOrder("another request is writing this upload", offset=received)

    async def _complete(
        self, session: UploadSession, name: RepositoryName, digest: Digest, actor: Actor | None
    ) -> None:
        actual = await session.commit(digest.algorithm)
        if actual != digest:
            if await self._discard(session.row):
                session.end()
            raise DigestMismatch(str(digest), str(actual))
        is_ours = await self._record(session, name, digest, actor)
        session.end()
        if is_ours or actor is not None:
            await session.tidy()
        else:
            await self._delete_object(session.row.storage_key)

    async def _record(self, session: UploadSession, name: RepositoryName, digest: Digest, actor: Actor | None) -> bool:
        """Make the upload a blob of its repository; return False where it lies under another key, and its object is dead.

        One that the storage has lost lies where it was just pushed from now on. Its old key is not listed for deletion: perhaps
        its disk is only away for a while, and it is the better copy.

        Nobody can tell by the time that it takes whether another repository holds the blob: the same is asked of the database
        and of the storage in either case, and a dead object is left to the cleaning loop. Without an actor there are no rights,
        hence nothing to hide, and nothing is asked in vain.
        """
        row, hides = session.row, actor is not None
        known, is_lost = "", False  # where the blob lies already, and whether the storage has it no more
        if hides:
            recorded = await self._db.read("find_blob_key", lambda conn: blobs.key_of(conn, digest))
            known = recorded or row.storage_key
            is_lost = not await self._store.holds(StorageKey(known), session.received)

        async def finish(conn: Connection) -> bool:
            if not await uploads.drop(conn, row):
                raise LeaseLost
            is_ours = await blobs.insert(conn, digest, size=session.received, storage_key=row.storage_key)
            if hides or not is_ours:
                key = await blobs.key_of(conn, digest)
                assert key is not None  # it is there, by whomever it was made
                if not is_ours and key != known:
                    raise _AlreadyRecorded(key)
                if not is_ours and is_lost:
                    is_ours = await blobs.move(conn, digest, old_key=known, new_key=row.storage_key)
                await (objects.forget if is_ours else objects.add)(conn, row.storage_key)
            await blobs.link(conn, digest, repository_id=row.repository_id)
            if actor is not None:
                event = Event(actor, Action.BLOB_PUSH, target_of(name, digest), detail={"size": session.received})
                await record(conn, event)
            return is_ours

        while True:
            try:
                return await self._db.transaction("finish_upload", finish)
            except _AlreadyRecorded as already:
                known = already.key
                is_lost = not await self._store.holds(StorageKey(known), session.received)

    async def _discard(self, row: UploadRow, *, delay: float = 0) -> bool:
        """End a session whose lease was ours last, and delete its bytes; return False where another request has it.

        `delay` is for how many seconds something may still come of them.
        """

        async def remove(conn: Connection) -> bool:
            dropped = await uploads.drop(conn, row)
            if dropped:
                await objects.add(conn, row.storage_key, delay=delay)
            return dropped

        dropped = await self._db.transaction("discard_upload", remove)
        if dropped and not delay:
            await self._delete_object(row.storage_key)
        return dropped

    async def _delete_object(self, key: str) -> None:
        """Delete an object that is listed as dead; where that fails now, the cleaning loop does it later."""
        with contextlib.suppress(StorageError, Unavailable):
            await self._store.delete(StorageKey(key))
            await self._db.statement("forget_object", lambda conn: objects.forget(conn, key))
