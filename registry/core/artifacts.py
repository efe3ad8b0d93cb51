"""Artifacts as people see them: what each is, whence that is known, and what was read of its files."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from mediatypes.digest import Digest, InvalidDigest
from mediatypes.documents import MAX_SIZE, parsed
from mediatypes.models.artifact import parse_artifact
from mediatypes.names import RepositoryName, Tag
from registry.core.access import Caller, reach_of
from registry.core.admission import Admission
from registry.core.blobs import Blobs
from registry.core.configs import ConfigTooLarge, read_config
from registry.core.pages import Page, page_of
from registry.db import described, manifests, references, tags
from registry.db.described import DescribedRow, FindingRow, ListedRow
from registry.db.pool import Connection, Database
from registry.db.references import ReferencedRow
from registry.errors import BlobUnknown, ManifestUnknown, NameUnknown, NotDescribed, PageInvalid

_MOST_TAGS: Final = 100
_MOST_FINDINGS: Final = 100


@dataclass(frozen=True, slots=True)
class ArtifactSeen:
    """A manifest and what it is; `described` is None until that is found out."""

    digest: Digest
    media_type: str
    artifact_type: str | None
    subject: Digest | None
    size: int
    pushed_at: datetime
    tags: list[str]
    described: DescribedRow | None
    findings: list[FindingRow]


@dataclass(frozen=True, slots=True)
class RawMetadata:
    """What was pushed and read, as it stands: the manifest, the config where that is JSON, and by path what files say."""

    digest: Digest
    manifest: Any
    config: Any
    files: Page[tuple[str, dict[str, Any] | None]]


class Artifacts:
    """The verbs of those who look at artifacts. Nobody sees what he may not pull: it is as if it weren't there."""

    def __init__(self, db: Database, blobs: Blobs, admission: Admission) -> None:
        self._db = db
        self._admission = admission
        self._blobs = blobs

    async def page(self, name: RepositoryName, *, after: str, limit: int, caller: Caller) -> Page[ListedRow]:
        """Return up to `limit` manifests of a repository by digest. Raise NameUnknown, PageInvalid."""
        try:
            place = Digest.parse(after).to_bytes() if after else b""
        except InvalidDigest:
            raise PageInvalid("after", after, "is no digest") from None

        async def find(conn: Connection) -> list[ListedRow]:
            repository_id = await references.repository(conn, name, reach=reach_of(caller))
            if repository_id is None:
                raise NameUnknown(name)
            return await described.page(conn, repository_id=repository_id, after=place, limit=limit + 1)

        rows = await self._db.read("list_artifacts", find)
        return page_of(rows, limit, key=lambda row: str(Digest.from_bytes(row.digest)))

    async def find(self, name: RepositoryName, reference: Tag | Digest, caller: Caller) -> ArtifactSeen:
        """Return what a reference names. Raise ManifestUnknown."""

        async def find(conn: Connection) -> ArtifactSeen:
            row = await referenced(conn, name, reference, caller)
            found = await described.find(conn, repository_id=row.repository_id, digest=row.digest)
            has_findings = found is not None and found.finding is not None
            return ArtifactSeen(
                Digest.from_bytes(row.digest),
                row.media_type,
                row.artifact_type,
                Digest.from_bytes(row.subject) if row.subject is not None else None,
                found.size if found is not None else row.size,
                row.pushed_at,
                await tags.names_of(conn, repository_id=row.repository_id, digest=row.digest, limit=_MOST_TAGS),
                found,
                await described.findings(conn, repository_id=row.repository_id, digest=row.digest, limit=_MOST_FINDINGS)
                if has_findings
                else [],
            )

        return await self._db.read("show_artifact", find)

    async def raw(
        self, name: RepositoryName, reference: Tag | Digest, *, after: str, limit: int, caller: Caller
    ) -> RawMetadata:
        """Return what was pushed and read, of up to `limit` files, those after a path, where policies let the caller have it.

        Raise ManifestUnknown, StorageError, NotAdmitted, NotAdmittedYet, Unavailable.
        """

        async def find(
            conn: Connection,
        ) -> tuple[ReferencedRow, bytes | None, list[tuple[str, dict[str, Any] | None]]]:
            row = await referenced(conn, name, reference, caller)
            files = await described.read_of_files(
                conn, repository_id=row.repository_id, digest=row.digest, after=after, limit=limit + 1
            )
            return row, await manifests.content(conn, repository_id=row.repository_id, digest=row.digest), list(files)

        row, content, files = await self._db.read("show_raw_metadata", find)
        if content is None:
            raise ManifestUnknown(name, str(reference))
        await self._admission.require(name, Digest.from_bytes(row.digest), caller)
        return RawMetadata(
            Digest.from_bytes(row.digest),
            await asyncio.to_thread(parsed, content),
            await self._config(name, content),
            page_of(files, limit, key=lambda item: item[0]),
        )

    async def _config(self, name: RepositoryName, content: bytes) -> Any:
        config = (await asyncio.to_thread(parse_artifact, content, None)).config
        if config is None:
            return None
        try:
            text = await read_config(self._blobs, name, Digest.parse(config.digest), most=MAX_SIZE)
        except (BlobUnknown, ConfigTooLarge):
            return None
        return await asyncio.to_thread(parsed, text)


async def referenced(conn: Connection, name: RepositoryName, reference: Tag | Digest, caller: Caller) -> ReferencedRow:
    """Return the manifest that a reference names, for a caller who may pull it. Raise ManifestUnknown."""
    row = await references.find(conn, name, reference, reach=reach_of(caller))
    if row is None:
        raise ManifestUnknown(name, str(reference))
    return row


async def described_one(
    conn: Connection, name: RepositoryName, reference: Tag | Digest, caller: Caller
) -> tuple[ReferencedRow, DescribedRow]:
    """Return the manifest that a reference names, and what it is. Raise ManifestUnknown, NotDescribed."""
    row = await referenced(conn, name, reference, caller)
    found = await described.find(conn, repository_id=row.repository_id, digest=row.digest)
    if found is None:
        raise NotDescribed(name, str(reference))
    return row, found
