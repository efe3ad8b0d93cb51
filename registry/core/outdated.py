"""What was described by an older version, or by nobody: a newer version asks for it, so that nobody else needs to."""

from __future__ import annotations

import time
from typing import Final

from registry.core.described import RECORD_VERSION
from registry.core.layer_readings import READERS_VERSION
from registry.db import outbox
from registry.db.pool import Connection, Database

_BATCH: Final = 1000  # manifests that are looked at in one transaction, and asked for at most
_PAUSE: Final = 86400.0  # seconds, longer than a release is rolled out
_FIRST: Final = (0, b"")


class Outdated:
    """Goes through all manifests, and again a day later: while a release is rolled out, older nodes push and describe, too.

    Several nodes may do so at once: what is asked for twice is one job. What is asked for so is done after what was pushed.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._after = _FIRST
        self._pause_ends = 0.0

    async def ask(self) -> int | None:
        """Ask for descriptions among the next manifests; return for how many, None behind the last one. Raise Unavailable."""
        if time.monotonic() < self._pause_ends:
            return None
        after = self._after

        async def ask(conn: Connection) -> tuple[int, tuple[int, bytes]] | None:
            return await outbox.ask_of_outdated(
                conn, after, record_version=RECORD_VERSION, readers_version=READERS_VERSION, limit=_BATCH
            )

        found = await self._db.transaction("ask_for_outdated", ask)
        if found is None:
            self._after, self._pause_ends = _FIRST, time.monotonic() + _PAUSE
            return None
        asked, self._after = found
        return asked
