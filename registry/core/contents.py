"""The bytes of manifests by digest, from where they are nearest. That a repository holds one is for the primary to say."""

from __future__ import annotations

import asyncio

from mediatypes.digest import Digest
from registry.core.cache import ByteCache
from registry.db import manifests
from registry.db.manifests import ManifestRow
from registry.db.replicas import Replicas


class Contents:
    """Keeps contents in up to `cache_bytes` of memory. Digests are packed (Digest.to_bytes)."""

    def __init__(self, replicas: Replicas, *, cache_bytes: int) -> None:
        self._replicas = replicas
        self._kept = ByteCache(cache_bytes)

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
        digest = Digest.from_bytes(row.digest)

        async def is_right(content: bytes) -> bool:
            return await asyncio.to_thread(Digest.of, content, digest.algorithm) == digest

        return await self._replicas.immutable(
            "read_large_manifest",
            lambda conn: manifests.content(conn, repository_id=row.repository_id, digest=row.digest),
            is_right=is_right,
        )
