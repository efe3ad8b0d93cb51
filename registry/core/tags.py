"""Tags: listed and deleted."""

from __future__ import annotations

from mediatypes.names import RepositoryName, Tag
from registry.core.attachments import attached_to
from registry.core.audit import Action, Actor, Event, record, target_of
from registry.core.pages import MAX_PAGE, Page, page_of
from registry.core.policy import DeletionRule
from registry.db import evidence, repositories, tags
from registry.db.pool import Connection, Database
from registry.errors import ManifestUnknown, NameUnknown


class Tags:
    """The verbs of end-8 (list) and of end-9 for tags."""

    def __init__(self, db: Database, deletion: DeletionRule) -> None:
        self._db = db
        self._deletion = deletion

    async def page(self, name: RepositoryName, *, after: str, limit: int | None) -> Page[str]:
        """Return up to `limit` tags in byte order (end-8). Raise NameUnknown."""
        limit = MAX_PAGE if limit is None else min(limit, MAX_PAGE)

        async def find(conn: Connection) -> list[str]:
            repository_id = await repositories.find(conn, name)
            if repository_id is None:
                raise NameUnknown(name)
            return await tags.page(conn, repository_id=repository_id, after=after, limit=limit + 1)

        return page_of(await self._db.read("list_tags", find), limit)

    async def delete(self, name: RepositoryName, tag: Tag, *, actor: Actor | None = None) -> None:
        """Delete a tag; its manifest stays (end-9). Raise ManifestUnknown, DeletionDisabled."""
        self._deletion.permit()

        async def remove(conn: Connection) -> None:
            repository_id = await repositories.find(conn, name)
            by = actor.principal if actor is not None else None
            digest = (
                await tags.delete(conn, tag, repository_id=repository_id, by=by) if repository_id is not None else None
            )
            if digest is None:
                raise ManifestUnknown(name, tag)
            about = attached_to(tag)
            if about is not None and repository_id is not None:
                await evidence.raise_for(conn, [about.to_bytes()], repository_id=repository_id)
            if actor is not None:
                event = Event(actor, Action.TAG_DELETE, target_of(name, tag), detail={"digest": str(digest)})
                await record(conn, event)

        await self._db.transaction("delete_tag", remove)
