"""The bytes of manifests by digest, from where they are nearest. That a repository holds one is for the primary to say."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mediatypes.digest import Digest
from registry.core.cache import ByteCache
from registry.db import manifests
from registry.db.manifests import ManifestRow
from registry.db.replicas import Replicas

if TYPE_CHECKING:  # without Redis nothing of it is loaded
    from registry.db.redis import RedisContents


class Contents:
    """Keeps contents in up to `cache_bytes` of memory; `shared` keeps large ones for all nodes.

    Digests are packed (Digest.to_bytes).
    """

    def __init__(self, replicas: Replicas, *, cache_bytes: int, shared: RedisContents | None = None) -> None:
        self._replicas = replicas
        self._kept = ByteCache(cache_bytes)
        self._shared = shared

    def __contains__(self, digest: bytes | None) -> bool:
        return digest in self._kept

    async def of(self, row: ManifestRow) -> bytes | None:
        """Return the content of a manifest that was just looked up; None where it is gone by now."""
        content = row.content if row.content is not None else self._kept.get(row.digest)
        if content is None:
            content = await self._large(row)
        if content is not None:
            self._kept.put(row.digest, content)
        return content

    async def _large(self, row: ManifestRow) -> bytes | None:
        if self._shared is None:
            return await self._stored(row)
        content = await self._shared.get(row.digest)
        if content is not None and await _is_of(row.digest, content):
            return content
        content = await self._stored(row)
        if content is not None:
            await self._shared.put(row.digest, content)
        return content

    async def _stored(self, row: ManifestRow) -> bytes | None:
        return await self._replicas.immutable(
            "read_large_manifest",
            lambda conn: manifests.content(conn, repository_id=row.repository_id, digest=row.digest),
            is_right=lambda content: _is_of(row.digest, content),
        )


async def _is_of(digest: bytes, content: bytes) -> bool:
    """Say whether a content that somebody else kept is the one of a digest."""
    wanted = Digest.from_bytes(digest)
    return await asyncio.to_thread(Digest.of, content, wanted.algorithm) == wanted
