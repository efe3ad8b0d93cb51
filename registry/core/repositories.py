"""Repositories: the catalog."""

from __future__ import annotations

from registry.core.access import EVERYONE, Caller
from registry.core.pages import MAX_PAGE, Page, page_of
from registry.db import repositories
from registry.db.pool import Connection, Database
from registry.db.replicas import Replicas
from registry.errors import CatalogDenied


class Repositories:
    """The catalog of Docker's API."""

    def __init__(self, db: Database, replicas: Replicas) -> None:
        self._db = db
        self._replicas = replicas

    async def page(self, *, after: str, limit: int, max_stale: float = 0.0, caller: Caller = EVERYONE) -> Page[str]:
        """Return up to `limit` names of repositories that hold a manifest, in byte order, `max_stale` seconds old at most.

        There are none but those that the caller may pull from, and none where its credential doesn't permit the catalog.
        """
        if caller.bound is not None and not caller.bound.catalog:
            raise CatalogDenied
        limit = min(limit, MAX_PAGE)

        async def find(conn: Connection) -> list[str]:
            return await repositories.page(conn, after=after, limit=limit + 1, principal_id=caller.principal_id)

        if max_stale and caller.principal_id is None:  # rights are never stale
            found, age = await self._replicas.stale("list_repositories", find, within=max_stale)
            return page_of(found, limit, age=age)
        return page_of(await self._db.read("list_repositories", find), limit)
