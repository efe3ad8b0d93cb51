"""Repositories: the catalog."""

from __future__ import annotations

from registry.core.pages import MAX_PAGE, Page, page_of
from registry.db import repositories
from registry.db.pool import Connection, Database
from registry.db.replicas import Replicas


class Repositories:
    """The catalog of Docker's API."""

    def __init__(self, db: Database, replicas: Replicas) -> None:
        self._db = db
        self._replicas = replicas

    async def page(self, *, after: str, limit: int, max_stale: float = 0.0) -> Page[str]:
        """Return up to `limit` names of repositories that hold a manifest, in byte order, `max_stale` seconds old at most."""
        limit = min(limit, MAX_PAGE)

        async def find(conn: Connection) -> list[str]:
            return await repositories.page(conn, after=after, limit=limit + 1)

        if max_stale:
            found, age = await self._replicas.stale("list_repositories", find, within=max_stale)
            return page_of(found, limit, age)
        return page_of(await self._db.read("list_repositories", find), limit)
