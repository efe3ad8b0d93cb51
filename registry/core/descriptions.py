"""Descriptions that somebody asks for again: those made by an older version of the readers, say."""

from __future__ import annotations

from typing import Final

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName
from registry.core.subjects import Target
from registry.db import outbox, repositories
from registry.db.pool import Connection, Database
from registry.errors import ManifestUnknown, NameUnknown

_BATCH: Final = 1000  # manifests that are asked for in one transaction


class Descriptions:
    """Asks by way of the outbox, as a push does."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def ask(self, target: Target | None, digest: Digest | None = None) -> int:
        """Ask for those of a target, or for that of one manifest of it, or for all, and return for how many manifests.

        Raise NameUnknown, ManifestUnknown where a repository or a manifest is named that isn't there.
        """
        path, is_prefix = (target.path, target.is_prefix) if target is not None else ("", True)
        found = await self._db.read(
            "find_repositories", lambda conn: repositories.matching(conn, path, is_prefix=is_prefix)
        )
        if not is_prefix and not found:
            raise NameUnknown(RepositoryName(path))
        packed = digest.to_bytes() if digest is not None else None
        total = sum([await self._ask_of(repository_id, packed) for repository_id in found])
        if digest is not None and total == 0:
            raise ManifestUnknown(RepositoryName(path), str(digest))
        return total

    async def _ask_of(self, repository_id: int, digest: bytes | None) -> int:
        after, total = b"", 0
        while True:

            async def ask(conn: Connection, after: bytes = after) -> list[bytes]:
                return await outbox.ask(conn, repository_id=repository_id, after=after, digest=digest, limit=_BATCH)

            asked = await self._db.transaction("ask_for_descriptions", ask)
            total += len(asked)
            if len(asked) < _BATCH:
                return total
            after = asked[-1]
