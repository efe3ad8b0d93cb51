"""Repositories: the catalog, and how much each holds."""

from __future__ import annotations

from mediatypes.names import RepositoryName
from registry.core.access import EVERYONE, Caller, reach_of
from registry.core.pages import MAX_PAGE, Page, page_of
from registry.db import references, repositories
from registry.db.pool import Connection, Database
from registry.db.replicas import Replicas
from registry.db.repositories import SummaryRow
from registry.errors import CatalogDenied, NameUnknown


class Repositories:
    """The catalog of Docker's API, and summaries of what repositories hold."""

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

    async def summaries(self, *, after: str, limit: int, caller: Caller) -> Page[SummaryRow]:
        """Return up to `limit` repositories that hold a manifest, by name; those that the caller may pull from."""
        found = await self._db.read(
            "summarise_repositories",
            lambda conn: repositories.summaries(conn, after=after, limit=limit + 1, reach=reach_of(caller)),
        )
        return page_of(found, limit, key=lambda row: row.name)

    async def summary(self, name: RepositoryName, caller: Caller) -> SummaryRow:
        """Return a repository that the caller may pull from. Raise NameUnknown."""

        async def find(conn: Connection) -> SummaryRow | None:
            repository_id = await references.repository(conn, name, reach=reach_of(caller))
            return await repositories.summary(conn, repository_id=repository_id) if repository_id is not None else None

        found = await self._db.read("summarise_repository", find)
        if found is None:
            raise NameUnknown(name)
        return found
