"""Lists by keyset: tags, repositories, referrers. A page is as many as asked for, and whether more follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName, Tag
from registry.core.policy import DeletionRule
from registry.db import manifests, repositories, tags
from registry.db.pool import Connection, Database
from registry.errors import ManifestUnknown, NameUnknown

MAX_PAGE: Final = 10_000
REFERRERS_PAGE: Final = 500
REFERRERS_BYTES: Final = 3 << 20
"""A page of referrers stays below 4 MiB, the size that clients accept of an index (spec: Listing Referrers)."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Items, and the key after which the next page begins; None where this is the last."""

    items: list[Item]
    next_after: str | None


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
        return _cut(found, limit)


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

        return _cut(await self._db.read("list_tags", find), limit)

    async def delete(self, name: RepositoryName, tag: Tag) -> None:
        """Delete a tag; its manifest stays (end-9). Raise ManifestUnknown, DeletionDisabled."""
        self._deletion.permit()

        async def remove(conn: Connection) -> None:
            repository_id = await repositories.find(conn, name)
            if repository_id is None or not await tags.delete(conn, tag, repository_id=repository_id):
                raise ManifestUnknown(name, tag)

        await self._db.transaction("delete_tag", remove)


class Referrers:
    """The verb of end-12: manifests whose subject is a given digest."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def page(
        self,
        name: RepositoryName,
        subject: Digest,
        *,
        artifact_type: str | None,
        after: Digest | None,
        limit: int | None,
    ) -> Page[bytes]:
        """Return descriptors (JSON) of the referrers in the order of their digests; an unknown subject has none."""
        limit = REFERRERS_PAGE if limit is None else min(limit, REFERRERS_PAGE)

        async def find(conn: Connection) -> tuple[list[tuple[bytes, bytes]], bool]:
            repository_id = await repositories.find(conn, name)
            if repository_id is None or limit == 0:
                return [], False
            return await manifests.referrers(
                conn,
                subject,
                repository_id=repository_id,
                artifact_type=artifact_type,
                after=after.to_bytes() if after else b"",
                limit=limit,
                max_bytes=REFERRERS_BYTES,
            )

        found, more = await self._db.read("list_referrers", find)
        last = str(Digest.from_bytes(found[-1][0])) if more else None
        return Page([descriptor for _, descriptor in found], last)


def _cut(found: list[str], limit: int) -> Page[str]:
    more = len(found) > limit
    return Page(found[:limit], found[limit - 1] if more and limit else None)
