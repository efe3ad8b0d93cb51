"""Artifacts copied within the registry: no byte of a blob is moved, and each manifest is pushed as a client would push it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Final

from mediatypes.digest import Digest
from mediatypes.documents import at, objects, parsed
from mediatypes.names import RepositoryName, Tag
from registry.core.audit import Actor
from registry.core.manifests import Manifests, TagsMoved
from registry.db import copies, manifests, repositories
from registry.db.copies import CopiedRow
from registry.db.pool import Connection, Database
from registry.errors import ManifestUnknown, PromotionRefused

MOST_COPIED: Final = 2000
"""Manifests that go with one: children, and what refers to any of them."""


class Copying:
    """The verb that takes an artifact into another repository: who may, the caller has found out."""

    def __init__(self, db: Database, manifests: Manifests) -> None:
        self._db = db
        self._manifests = manifests

    async def copy(
        self, source: RepositoryName, target: RepositoryName, digest: Digest, *, actor: Actor | None
    ) -> None:
        """Let a repository hold a manifest of another one with its blobs, its children and their referrers and signature tags.

        What is there stays; a signature tag moves only from what it named in the source before. Raise ManifestUnknown,
        PromotionRefused, and what a push raises: then some of it may be there, by digest only.
        """
        source_id, rows = await self._found(source, digest)
        for row in _in_order(rows):
            await self._copy(source, target, row, source_id=source_id, actor=actor)

    async def _found(self, source: RepositoryName, digest: Digest) -> tuple[int, Mapping[Digest, CopiedRow]]:
        async def find(conn: Connection) -> tuple[int, list[CopiedRow]]:
            source_id = await repositories.find(conn, source)
            if source_id is None:
                raise ManifestUnknown(source, str(digest))
            return source_id, await copies.closure(conn, digest, repository_id=source_id, limit=MOST_COPIED + 1)

        source_id, rows = await self._db.read("find_copied", find)
        if len(rows) > MOST_COPIED:
            raise PromotionRefused(
                f"{digest} of {source} has more than {MOST_COPIED} children and referrers, which are the most that are copied;"
                " delete referrers that nobody needs"
            )
        by_digest = {row.digest: row for row in rows}
        if digest not in by_digest:
            raise ManifestUnknown(source, str(digest))
        return source_id, by_digest

    async def _copy(
        self, source: RepositoryName, target: RepositoryName, row: CopiedRow, *, source_id: int, actor: Actor | None
    ) -> None:
        async def prepare(conn: Connection) -> tuple[bytes | None, dict[Tag, Digest], set[Digest], bool]:
            target_id = await repositories.find_or_create(conn, target)
            await copies.link_blobs(conn, row.digest, source_id=source_id, target_id=target_id)
            content = await manifests.content(conn, repository_id=source_id, digest=row.digest.to_bytes())
            named = await copies.named(conn, row.tags, repository_id=target_id) if row.tags else {}
            over = set()
            for other in {*named.values()} - {row.digest}:
                old = await manifests.content(conn, repository_id=target_id, digest=other.to_bytes())
                if content is not None and old is not None and await asyncio.to_thread(_holds, content, old):
                    over.add(other)
            is_there = bool(await manifests.held(conn, [row.digest], repository_id=target_id))
            return content, named, over, is_there

        while True:
            content, named, over, is_there = await self._db.transaction("copy_blobs", prepare)
            if content is None:
                raise ManifestUnknown(source, str(row.digest))
            tags = [tag for tag in row.tags if tag not in named or named[tag] in over]
            if is_there and not tags:
                return
            with contextlib.suppress(TagsMoved):
                await self._manifests.push(
                    target,
                    content,
                    media_type=row.media_type,
                    reference=row.digest,
                    extra_tags=dict.fromkeys(tags, over),
                    actor=actor,
                )
                return


def _holds(new: bytes, old: bytes) -> bool:
    """Say whether a manifest holds all signatures of another one: its layers, or an index its manifests."""
    held = _listed(old)
    return bool(held) and held <= _listed(new)


def _listed(content: bytes) -> set[str]:
    document = parsed(content)
    listed = [*objects(at(document, "/layers")), *objects(at(document, "/manifests"))]
    return {json.dumps(one, sort_keys=True) for one in listed}


def _in_order(rows: Mapping[Digest, CopiedRow]) -> Sequence[CopiedRow]:
    """Return manifests behind those that they name: an index is pushed when its children are there."""
    done: dict[Digest, CopiedRow] = {}
    waiting = list(rows.values())
    while waiting:
        row = waiting[-1]
        missing = [rows[child] for child in row.children if child in rows and child not in done]
        if row.digest in done or not missing:
            done[waiting.pop().digest] = row
        else:
            waiting += missing
    return list(done.values())
