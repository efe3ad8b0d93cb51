"""Referrers: the manifests whose subject is a given one."""

from __future__ import annotations

from typing import Final

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName
from registry.core.pages import Page
from registry.db import manifests, repositories
from registry.db.pool import Connection, Database

REFERRERS_PAGE: Final = 500
REFERRERS_BYTES: Final = 3 << 20
"""A page of referrers stays below 4 MiB, the size that clients accept of an index (spec: Listing Referrers)."""


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
