"""What was described by an older version, or by nobody: a newer version asks for it, so that nobody else needs to."""

from __future__ import annotations

from typing import Final

from registry.core.described import RECORD_VERSION
from registry.core.layer_readings import READERS_VERSION
from registry.db import outbox
from registry.db.pool import Connection, Database

_BATCH: Final = 1000  # manifests that are looked at in one transaction, and asked for at most


class Outdated:
    """Goes through all manifests once, as long as it lives: while it does, nothing becomes outdated.

    Several nodes may do so at once: what is asked for twice is one job. What is asked for so is done after what was pushed.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._after: tuple[int, bytes] | None = (0, b"")

    async def ask(self) -> int | None:
        """Ask for descriptions among the next manifests; return for how many, None behind the last one. Raise Unavailable."""
        after = self._after
        if after is None:
            return None

        async def ask(conn: Connection) -> tuple[int, tuple[int, bytes]] | None:
            return await outbox.ask_of_outdated(
                conn, after, record_version=RECORD_VERSION, readers_version=READERS_VERSION, limit=_BATCH
            )

        found = await self._db.transaction("ask_for_outdated", ask)
        self._after = found[1] if found is not None else None
        return found[0] if found is not None else None
