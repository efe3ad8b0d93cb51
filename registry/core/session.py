"""One request's hold on an upload: its lease, its writer and its running hash."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Final

import structlog

from mediatypes.digest import Digest
from mediatypes.ranges import ByteRange
from registry.core.hashing import HashStateInvalid, RunningHash, new_hash, restore_hash
from registry.db import uploads
from registry.db.pool import Database
from registry.db.uploads import LEASE_SECONDS, UploadRow
from registry.errors import BodyIncomplete, SizeMismatch, Unavailable
from registry.storage.base import MAX_UNSAVED_PARTS, BlobStore, BlobWriter, ObjectMissing, StorageError, StorageKey

PIECE: Final = 1 << 20
"""Bytes that are hashed and written at a time. An upload holds two pieces, and a third while it waits."""

_log = structlog.get_logger("registry.core")
_RENEW_SECONDS: Final = LEASE_SECONDS / 3
_SAVE_SECONDS: Final = 5.0
_WHOLE: Final = 32 << 10  # bytes from which what the server hands over is kept as it is
_INLINE_HASH: Final = 64 << 10  # below this many bytes a thread costs more than the hash


class LeaseLost(Exception):
    """Another request has taken the upload over, or it was cancelled."""


class UploadSession:
    """Receives bytes into an upload whose lease this process holds.

    The row is changed only while its `lease_epoch` is ours, so a holder that was overtaken can do no harm.
    """

    _writer: BlobWriter

    def __init__(self, db: Database, store: BlobStore, row: UploadRow) -> None:
        self.row = row
        self._db = db
        self._store = store
        # None: nothing is known of the bytes that are there already; they are read again at the end.
        self._hash: RunningHash | None = _running_hash(row)
        self._ended = False
        self._saved_at = 0.0
        self._has_saved = False
        self._unsaved_parts = 0  # that were begun since
        self._patience: asyncio.Timeout | None = None  # while bytes are received
        self._waiting_since: float | None = None  # for bytes of the client

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, db: Database, store: BlobStore, row: UploadRow, *, size: int | None
    ) -> AsyncIterator[UploadSession]:
        """Hold the upload of `row`, renewing its lease, until the block ends; then give back what is still held.

        `size` is the whole blob's, in bytes, where it is known.
        """
        session = cls(db, store, row)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(session._release)
            # Until the writer is closed: that may wait for a silent storage, and nobody may delete the key meanwhile.
            stack.callback(asyncio.create_task(session._renew()).cancel)
            session._writer = await store.open_writer(
                StorageKey(row.storage_key),
                offset=row.received,
                state=row.writer_state,
                size=size,
                epoch=row.lease_epoch,
            )
            stack.push_async_callback(session._writer.close)
            try:
                yield session
            except BaseException as error:
                # Where the storage itself fails it isn't asked for more.
                if not session._has_saved and (isinstance(error, ObjectMissing) or not isinstance(error, StorageError)):
                    await session._withdraw()
                raise

    @property
    def received(self) -> int:
        """Bytes of the upload so far."""
        return self._writer.offset

    def hash_with(self, algorithm: str) -> None:
        """Choose the algorithm of an upload that holds no byte yet."""
        self._hash = new_hash(algorithm)

    async def receive(self, body: AsyncIterator[bytes], chunk: ByteRange | None) -> None:
        """Append `body`, which begins where the upload stands. Raise SizeMismatch where `chunk` says another length.

        When the client vanishes, what has arrived is saved before BodyIncomplete goes on. Raise LeaseLost when another
        request has taken the upload over: while nothing arrives, the lease runs out.
        """
        start = self.received
        stop = chunk.stop if chunk is not None else None
        try:
            async with asyncio.timeout(None) as self._patience:
                await self._take_all(self._pieces(body, stop))
        except TimeoutError:
            raise LeaseLost from None
        except BodyIncomplete:
            self._patience = None
            await self.save(release=True)
            raise
        finally:
            self._patience = None
        if chunk is not None and self.received - start != len(chunk):
            raise SizeMismatch(len(chunk), self.received - start)

    async def save(self, *, release: bool) -> None:
        """Make what was received durable and save it in the row. Raise LeaseLost."""
        state = await self._writer.save(last=release)
        row = self.row._replace(
            received=self.received,
            writer_state=state,
            hash_state=self._hash.export() if self._hash is not None else None,
            algorithm=self._hash.algorithm if self._hash is not None else self.row.algorithm,
        )
        self._has_saved = True  # or it may be so: where the database goes away meanwhile, nobody knows
        if not await self._db.statement("save_upload", lambda conn: uploads.save(conn, row, release=release)):
            await self._withdraw()
            raise LeaseLost
        self._ended = release

    async def commit(self, algorithm: str) -> Digest:
        """Make the blob durable and readable, and return its digest by `algorithm`."""
        running = self._hash if await self._writer.commit() else None
        if running is None or running.algorithm != algorithm:
            running = new_hash(algorithm)
            async for piece in self._store.read(StorageKey(self.row.storage_key), ByteRange(0, self.received)):
                await _update(running, [piece], len(piece))
        return running.digest()

    def end(self) -> None:
        """Note that the row is gone: there is no lease to give back."""
        self._ended = True

    async def tidy(self) -> None:
        """Remove what lies beside the blob, which is recorded; where that fails now it goes with the blob."""
        with contextlib.suppress(StorageError):
            await self._writer.tidy()

    async def _take_all(self, body: AsyncIterator[bytes]) -> None:
        pieces: list[bytes | bytearray] = []
        size = 0
        taking: asyncio.Task[None] | None = None
        self._saved_at = asyncio.get_running_loop().time()
        was_end = False
        try:
            async for data, is_end in self._in_parts(body):
                _add(pieces, data)
                size += len(data)
                if size < PIECE and not is_end:
                    continue
                if taking is not None:
                    await taking
                    await self._save_now_and_then(at_part_end=was_end)
                taking = asyncio.create_task(self._take(pieces, size))
                pieces, size, was_end = [], 0, is_end
        finally:
            if taking is not None:
                await taking
            if pieces:
                await self._take(pieces, size)

    async def _in_parts(self, body: AsyncIterator[bytes]) -> AsyncIterator[tuple[bytes, bool]]:
        """Yield the body's pieces, cut where a part of the writer's ends, and whether one ends there."""
        position = self.received
        end = self._writer.part_end(position)
        async for data in body:
            rest = data
            while end is not None and position + len(rest) >= end:
                yield rest[: end - position], True
                rest, position = rest[end - position :], end
                end = self._writer.part_end(position)
            if rest:
                yield rest, False
            position += len(rest)

    async def _save_now_and_then(self, *, at_part_end: bool) -> None:
        """Save what was received so far where that costs little and is due."""
        clock = asyncio.get_running_loop().time
        if not at_part_end and self._writer.part_end(self.received) is not None:
            return
        self._unsaved_parts += at_part_end
        if self._unsaved_parts < MAX_UNSAVED_PARTS // 2 and clock() - self._saved_at <= _SAVE_SECONDS:
            return
        try:
            await self.save(release=False)
            self._unsaved_parts = 0
        except Unavailable:
            if self._unsaved_parts >= MAX_UNSAVED_PARTS - 2:
                raise
            # The next one may go well, and the last one must.
        self._saved_at = clock()

    async def _pieces(self, body: AsyncIterator[bytes], stop: int | None) -> AsyncIterator[bytes]:
        """Yield the body's pieces, noting since when one is waited for. Raise SizeMismatch beyond `stop`."""
        clock = asyncio.get_running_loop().time
        start = position = self.received
        try:
            self._waiting_since = clock()
            async for data in body:
                position += len(data)
                if stop is not None and position > stop:
                    raise SizeMismatch(stop - start, position - start)
                self._waiting_since = None
                yield data
                self._waiting_since = clock()
        finally:
            self._waiting_since = None

    async def _take(self, pieces: Sequence[bytes | bytearray], size: int) -> None:
        if self._hash is None:
            await self._writer.write(*pieces)
            return
        hashing = asyncio.create_task(_update(self._hash, pieces, size))
        try:
            await self._writer.write(*pieces)
        finally:
            await hashing

    async def _withdraw(self) -> None:
        with contextlib.suppress(StorageError):
            await self._writer.withdraw()

    async def _release(self) -> None:
        if not self._ended:
            with contextlib.suppress(Unavailable):  # the lease ends by itself
                await self._db.statement("release_upload_lease", lambda conn: uploads.release(conn, self.row))

    async def _renew(self) -> None:
        """Renew the lease for as long as something is done under it, and end the session when it is lost."""
        clock = asyncio.get_running_loop().time
        is_ours = True
        while is_ours:
            await asyncio.sleep(_RENEW_SECONDS)
            is_idle = self._waiting_since is not None and clock() - self._waiting_since > _RENEW_SECONDS
            keep = partial(uploads.keep_lease, upload=self.row, extend=not is_idle)
            try:
                is_ours = await self._db.statement("renew_upload_lease", keep)
            except Unavailable:
                continue
            except Exception:  # noqa: BLE001 - the top of a task: ended unseen, it would let the lease of a good upload run out
                _log.exception("a lease could not be renewed")
        if self._patience is not None:
            self._patience.reschedule(clock())


def _running_hash(row: UploadRow) -> RunningHash | None:
    if row.received == 0:
        return new_hash(row.algorithm)
    if row.hash_state is None:
        return None
    with contextlib.suppress(HashStateInvalid):  # of another architecture, say: the bytes are read again
        return restore_hash(row.algorithm, row.hash_state, length=row.received)
    return None


def _add(pieces: list[bytes | bytearray], data: bytes) -> None:
    """Add what came to the pieces; small ones are gathered, large ones never copied."""
    if len(data) >= _WHOLE:
        pieces.append(data)
    elif pieces and isinstance(pieces[-1], bytearray):
        pieces[-1] += data
    else:
        pieces.append(bytearray(data))


async def _update(running: RunningHash, pieces: Sequence[bytes | bytearray], size: int) -> None:
    def update() -> None:
        for piece in pieces:
            running.update(piece)

    if size <= _INLINE_HASH:
        update()
    else:
        await asyncio.to_thread(update)
