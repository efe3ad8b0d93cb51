"""Remove what nobody will come back for: expired uploads and sessions, and objects that nothing names."""

from __future__ import annotations

from typing import Final

from registry.db import objects, service_keys, sessions, uploads
from registry.db.pool import Connection, Database
from registry.storage.base import BlobStore, StorageError, StorageKey

BATCH: Final = 100
"""What is removed at a time: where so many were found, there may be more."""


class Cleanup:
    """Any number of processes may clean at once: each takes rows that no other has taken."""

    def __init__(self, db: Database, store: BlobStore, *, upload_ttl: float) -> None:
        self._db = db
        self._store = store
        self._upload_ttl = upload_ttl

    async def expire_uploads(self) -> int:
        """End the sessions whose last byte is older than the time to live; return how many."""

        async def expire(conn: Connection) -> int:
            keys = await uploads.expire(conn, ttl=self._upload_ttl, limit=BATCH)
            for key in keys:
                await objects.add(conn, key)
            return len(keys)

        return await self._db.transaction("expire_uploads", expire)

    async def delete_dead_objects(self) -> int:
        """Delete objects that are due and strike them off; return how many. Raise StorageError where one can't be deleted.

        That one is tried again in a minute, and keeps no other from being deleted.
        """
        keys, due_at = await self._db.transaction("claim_dead_objects", lambda conn: objects.claim(conn, limit=BATCH))
        deleted = []
        failure: StorageError | None = None
        for key in keys:
            try:
                await self._store.delete(StorageKey(key))
                deleted.append(key)
            except StorageError as error:
                failure = error
        if deleted:
            await self._db.transaction("forget_objects", lambda conn: objects.forget_claimed(conn, deleted, due_at))
        if failure is not None:
            raise failure
        return len(deleted)

    async def forget_sessions(self) -> int:
        """Forget sessions that have expired, up to a batch of them; return how many."""
        return await self._db.transaction("forget_sessions", lambda conn: sessions.forget(conn, limit=BATCH))

    async def forget_nonces(self) -> int:
        """Forget nonces that nothing can be signed with any more, up to a batch of them; return how many."""
        return await self._db.transaction("forget_nonces", lambda conn: service_keys.forget_nonces(conn, limit=BATCH))

    async def count_uploads(self) -> int:
        """Return how many upload sessions are open."""
        return await self._db.read("count_uploads", uploads.count)
