"""Where stored manifests do not conform to the schemas of their repositories (registry.core.conformance), as people see it."""

from __future__ import annotations

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName
from registry.core.access import EVERYONE, Caller, reach_of
from registry.core.pages import Page, page_of
from registry.db import violations
from registry.db.pool import Database
from registry.db.violations import NonconformingRow


class Violations:
    """The verb of those who look at what does not conform. Nobody is told of what he may not pull."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def page(
        self,
        *,
        before: int | None,
        limit: int,
        repository: RepositoryName | None = None,
        digest: Digest | None = None,
        caller: Caller = EVERYONE,
    ) -> Page[NonconformingRow]:
        """Return up to `limit` manifests with a schema that they don't conform to, the newest first, those before an id."""
        packed = digest.to_bytes() if digest is not None else None
        found = await self._db.read(
            "list_violations",
            lambda conn: violations.page(
                conn, before=before, repository=repository, digest=packed, limit=limit + 1, reach=reach_of(caller)
            ),
        )
        return page_of(found, limit, key=lambda row: str(row.id))
