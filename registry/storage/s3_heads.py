"""Heads of the audit log as objects beside the blobs: who deletes the log's end must delete these, too.

    prefix/audit/heads/00000000000000000042.json

Each is made once. Versioning or an object lock on the bucket (`blacklake admin storage setup`) keeps them from who has the
registry's own credentials.
"""

from __future__ import annotations

import contextlib

from registry.storage.base import ObjectExists, StorageError
from registry.storage.s3_bucket import Bucket, spool_of


class S3Heads:
    """Puts heads into a bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def put(self, batch: int, content: bytes) -> None:
        """Make the object of a batch's head. Raise StorageError, also where there is another one of this batch."""
        name = f"{self._bucket.location.prefix}audit/heads/{batch:020}.json"
        try:
            with spool_of(content) as spool:
                await self._bucket.put(name, spool, IfNoneMatch="*")
        except ObjectExists:
            with contextlib.closing(await self._bucket.opened(name, 0, len(content) + 1)) as body:
                if (
                    await self._bucket.read(body, len(content) + 1) == content
                ):  # an attempt before, of which nobody was told
                    return
            raise StorageError(
                f"S3 holds another head of batch {batch} of the audit log: the database was set back, or its log was rewritten;"
                " `blacklake admin audit verify --head` compares them"
            ) from None
