"""Tags as people see them: what each names, and which manifests it has named."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from mediatypes.names import RepositoryName, Tag
from registry.core.access import Caller, reach_of
from registry.core.pages import Page, after_of, page_of, place_of
from registry.db import references, tags
from registry.db.pool import Connection, Database
from registry.db.tags import MoveRow, TagRow
from registry.errors import NameUnknown

_BIGGEST: Final = (1 << 63) - 1

Found = TypeVar("Found")


class History:
    """The verbs of those who look at a repository's tags. Nobody sees what he may not pull."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def tags(self, name: RepositoryName, *, after: str, limit: int, caller: Caller) -> Page[TagRow]:
        """Return up to `limit` tags in byte order, with what they name. Raise NameUnknown."""
        found = await self._of(
            name,
            caller,
            "list_tags_with_kinds",
            lambda conn, number: tags.listed(conn, repository_id=number, after=after, limit=limit + 1),
        )
        return page_of(found, limit, key=lambda row: row.name)

    async def moves(
        self, name: RepositoryName, *, tag: Tag | None, after: str, limit: int, caller: Caller
    ) -> Page[MoveRow]:
        """Return up to `limit` moves of a tag, or of all by tag, of each the newest first. Raise NameUnknown, PageInvalid."""
        place = place_of(after, tuple[str, int]) if after else ("" if tag is None else tag, _BIGGEST)
        place = (place[0].replace("\0", ""), max(0, min(place[1], _BIGGEST)))
        found = await self._of(
            name,
            caller,
            "list_tag_moves",
            lambda conn, number: tags.moves(conn, repository_id=number, tag=tag, after=place, limit=limit + 1),
        )
        return page_of(found, limit, key=lambda row: after_of(row.tag, row.id))

    async def _of(
        self,
        name: RepositoryName,
        caller: Caller,
        what: str,
        find: Callable[[Connection, int], Awaitable[list[Found]]],
    ) -> list[Found]:
        async def work(conn: Connection) -> list[Found]:
            repository_id = await references.repository(conn, name, reach=reach_of(caller))
            if repository_id is None:
                raise NameUnknown(name)
            return await find(conn, repository_id)

        return await self._db.read(what, work)
