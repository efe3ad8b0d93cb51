"""Whether this process can do its work: database, schema and storage."""

from __future__ import annotations

import asyncio
from typing import Final

from registry.db import schema
from registry.db.pool import Database
from registry.errors import RegistryError
from registry.storage.base import BlobStore, StorageError

_TIMEOUT: Final = 5.0  # seconds


class Health:
    """Answers `/ready`."""

    def __init__(self, db: Database, store: BlobStore) -> None:
        self._db = db
        self._store = store
        self._probe: asyncio.Task[str] | None = None

    async def check(self) -> dict[str, str]:
        """Return "ok", or what is wrong, for each of database, schema and storage."""
        database, storage = await asyncio.gather(self._database(), self._storage())
        return {**database, "storage": storage}

    async def _database(self) -> dict[str, str]:
        try:
            async with asyncio.timeout(_TIMEOUT):
                problem = await self._db.read("check_schema", schema.problem)
        except (RegistryError, TimeoutError):
            return {"database": "does not answer", "schema": "unknown"}
        return {"database": "ok", "schema": problem or "ok"}

    async def _storage(self) -> str:
        # A probe on a disk that hangs can't be cancelled: it is left alone, and no second one is begun meanwhile.
        if self._probe is None or self._probe.done():
            self._probe = asyncio.create_task(self._probed())
        await asyncio.wait([self._probe], timeout=_TIMEOUT)
        return self._probe.result() if self._probe.done() else "does not answer"

    async def _probed(self) -> str:
        try:
            await self._store.check()
        except StorageError as error:
            return str(error)
        return "ok"
