"""Blobs as objects of an S3 bucket (DESIGN, decisions 5 to 7).

    prefix/ab/cd/abcd…            a blob, put at once or assembled by S3 of the parts of a multipart upload
    prefix/ab/cd/abcd….12ef…      the end of an unfinished upload that is no whole part yet

A blob's bytes are sent to S3 once and never copied there; only the end of an unfinished upload, less than a part, is put beside
it whenever a request ends, and sent again with what follows.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path

from mediatypes.ranges import ByteRange
from registry.storage.base import CHUNK_SIZE, ObjectMissing, StorageError, StorageKey, WriterBusy, piece_size, place_of
from registry.storage.s3_bucket import Bucket, spool_of
from registry.storage.s3_client import ATTEMPTS
from registry.storage.s3_heads import S3Heads
from registry.storage.s3_urls import new_signer
from registry.storage.s3_writer import S3Writer, UploadState
from registry.storage_url import S3Location


class S3Store:
    """A BlobStore in a bucket, which any number of nodes share; and beside it the `heads` of the audit log."""

    def __init__(self, location: S3Location) -> None:
        self._bucket = Bucket(location)
        self._signer = new_signer(self._bucket.session, location)
        self.heads = S3Heads(self._bucket)
        self._prefix = location.prefix
        self._grows = location.growing_parts
        self._readers = 0
        self._writing: dict[StorageKey, S3Writer] = {}

    async def open_writer(
        self, key: StorageKey, *, offset: int = 0, state: bytes = b"", size: int | None = None, epoch: int = 1
    ) -> S3Writer:
        """See BlobStore. Writers of other processes are not seen: their lease keeps them off."""
        name = self._name(key)
        if key in self._writing:
            raise WriterBusy("another request is writing the object")
        known = UploadState.decode(state, offset) if offset else UploadState.new(size, grows=self._grows)
        writer = S3Writer(self._bucket, name, known, offset=offset, epoch=epoch, let_go=partial(self._writing.pop, key))
        self._writing[key] = writer
        try:
            await writer.forget_stale()
        except BaseException:
            await writer.close()
            raise
        return writer

    async def read(self, key: StorageKey, span: ByteRange) -> AsyncGenerator[bytes, None]:
        """See BlobStore. A connection that breaks is replaced by one that goes on where it stopped.

        Each piece is a call in a thread, hence large where few read.
        """
        name, position, failures = self._name(key), span.start, 0
        if not span:
            await self._bucket.call("head_object", Key=name)
        self._readers += 1
        try:
            while position < span.stop:
                with contextlib.closing(await self._bucket.opened(name, position, span.stop)) as body:
                    try:
                        while left := span.stop - position:
                            size = piece_size(CHUNK_SIZE, taken=position - span.start, readers=self._readers)
                            piece = await self._bucket.read(body, min(size, left))
                            if not piece:
                                break
                            position += len(piece)
                            failures = 0
                            yield piece
                        if left:
                            raise ObjectMissing(f"an object ends at byte {position}, before its recorded size")
                    except ObjectMissing:
                        raise
                    except StorageError:
                        failures += 1
                        if failures == ATTEMPTS:
                            raise
        finally:
            self._readers -= 1

    async def holds(self, key: StorageKey, size: int) -> bool:
        """See BlobStore."""
        return await self._bucket.holds(self._name(key), size)

    def local_path(self, key: StorageKey, size: int) -> Path | None:
        """See BlobStore."""
        del key, size
        return None

    async def signed_url(self, key: StorageKey) -> str | None:
        """See BlobStore. None too where the clocks here and there differ so much that S3 might refuse the URL."""
        if not await self._bucket.clock_agrees():
            return None
        return await self._bucket.run(self._signer.url, self._name(key))

    async def delete(self, key: StorageKey) -> None:
        """See BlobStore. Of the storage only what begins with this one key is listed."""
        name = self._name(key)
        if key in self._writing:
            await self._writing[key].abandon()
        await self._bucket.end_uploads(name)
        await self._bucket.delete_all(name)

    async def check(self) -> None:
        """See BlobStore."""
        name, content = f"{self._prefix}check.{secrets.token_hex(8)}", secrets.token_bytes(16)
        try:
            with spool_of(content) as spool:
                await self._bucket.put(name, spool)
            with contextlib.closing(await self._bucket.opened(name, 0, len(content))) as body:
                if await self._bucket.read(body, len(content)) != content:
                    raise StorageError("S3 returned other bytes than were put a moment ago")
        finally:
            await self._bucket.delete(name)

    async def close(self) -> None:
        """See BlobStore."""
        self._bucket.close()
        self._signer.close()

    def _name(self, key: StorageKey) -> str:
        return self._prefix + place_of(key)
