"""Descriptions that somebody asks for again: those made by an older version of the readers, say."""

from __future__ import annotations

from typing import Final, NamedTuple

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName
from registry.db import outbox, repositories
from registry.db.pool import Connection, Database
from registry.errors import ManifestUnknown, NameUnknown

_BATCH: Final = 1000  # manifests that are asked for in one transaction


class Target(NamedTuple):
    """Of what: the repository `name` or one manifest of it, repositories whose names begin with `prefix`, or all of them."""

    name: RepositoryName | None = None
    prefix: str = ""
    digest: Digest | None = None


class Descriptions:
    """Asks by way of the outbox, as a push does."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def ask(self, target: Target) -> int:
        """Ask, and return for how many manifests. Raise NameUnknown, ManifestUnknown where one is named that isn't there."""
        found = await self._db.read(
            "find_repositories", lambda conn: repositories.matching(conn, name=target.name, prefix=target.prefix)
        )
        if target.name is not None and not found:
            raise NameUnknown(target.name)
        digest = target.digest.to_bytes() if target.digest is not None else None
        total = 0
        for repository_id in found:
            total += await self._ask_of(repository_id, digest)
        if target.name is not None and target.digest is not None and total == 0:
            raise ManifestUnknown(target.name, str(target.digest))
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
