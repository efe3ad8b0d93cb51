"""Repositories: the catalog."""

from __future__ import annotations

from registry.core.pages import MAX_PAGE, Page, page_of
from registry.db import repositories
from registry.db.pool import Database


class Repositories:
    """The catalog of Docker's API."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def page(self, *, after: str, limit: int) -> Page[str]:
        """Return up to `limit` names of repositories that hold a manifest, in byte order."""
        limit = min(limit, MAX_PAGE)
        found = await self._db.read(
            "list_repositories", lambda conn: repositories.page(conn, after=after, limit=limit + 1)
        )
        return page_of(found, limit)
