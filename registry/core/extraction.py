"""What an artifact is: found out from its manifest, its config and its files, and kept in rows.

Nothing is held while files are read: blobs are looked up, read in the sandbox by ranges, each once for all artifacts that have
it, and at last all is written in one short transaction. It may be done any number of times, with the same result. What is new
of an artifact is asked for by the indexes that name it: those are described again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import structlog

from mediatypes.digest import Digest
from mediatypes.documents import MAX_SIZE
from mediatypes.models.artifact import Artifact, Description, Layer, parse_artifact
from mediatypes.models.formats import recognise
from mediatypes.names import RepositoryName
from mediatypes.record import Kind
from registry.core.blobs import Blobs
from registry.core.configs import ConfigTooLarge, read_config
from registry.core.conformance import Conformance, is_attached
from registry.core.described import Described, describe, newest
from registry.core.layer_readings import READERS_VERSION, LayerReadings, Tell
from registry.db import artifacts, evidence, outbox
from registry.db.artifacts import SubjectRow
from registry.db.pool import Connection, Database
from registry.errors import BlobUnknown, ManifestUnknown
from registry.sandbox import Sandbox
from registry.storage.base import BlobStore

_MOST_CHILDREN: Final = 100
_DEEPEST: Final = 3  # indexes in indexes

_log = structlog.get_logger("registry.extraction")

Also = Callable[[Connection], Awaitable[None]]
"""What is done in the transaction that writes."""


class Extraction:
    """The verb that describes artifacts."""

    def __init__(
        self, db: Database, store: BlobStore, sandbox: Sandbox, conformance: Conformance, blobs: Blobs
    ) -> None:
        self._db = db
        self._blobs = blobs
        self._conformance = conformance
        self._readings = LayerReadings(db, store, sandbox)

    async def describe(
        self,
        repository_id: int,
        digest: bytes,
        *,
        tell: Tell,
        also: Also,
        depth: int = _DEEPEST,
        asker: bytes | None = None,
    ) -> None:
        """Find out what a manifest is and keep it; one that is gone is nothing. `also` is done in either case.

        `asker` is the index for which that is done, if it is. Raise Unavailable, StorageError.
        """
        subject = await self._subject(repository_id, digest)
        found = None
        if subject is not None:
            found = await self._described(repository_id, digest, subject, tell, depth)
            await self._judge(digest, subject, found)

        async def write(conn: Connection) -> None:
            if found is not None and await artifacts.lock(conn, repository_id=repository_id, digest=digest):
                row = found.row
                if not await artifacts.is_kept(conn, row.kind, row.record, repository_id=repository_id, digest=digest):
                    await outbox.ask_of_indexes(conn, repository_id=repository_id, child=digest, but=asker)
                    await evidence.raise_for(conn, [digest], repository_id=repository_id)
                await artifacts.put(
                    conn, row, repository_id=repository_id, digest=digest, metrics=found.metrics, files=found.files
                )
            await also(conn)

        await self._db.transaction("write_artifact", write)

    async def _subject(self, repository_id: int, digest: bytes) -> SubjectRow | None:
        return await self._db.read(
            "find_subject", lambda conn: artifacts.subject(conn, repository_id=repository_id, digest=digest)
        )

    async def _described(
        self, repository_id: int, digest: bytes, subject: SubjectRow, tell: Tell, depth: int
    ) -> Described:
        problems: list[str] = []
        artifact, packed_as, description = await self._recognised(subject, problems)
        for problem in description.problems:
            _log.warning("a format failed", repository=subject.repository, problem=problem)
        read = await self._readings.read(repository_id, _readable(description), problems, tell)
        children = await self._children(repository_id, digest, artifact, problems, depth)
        return await asyncio.to_thread(
            describe,
            artifact,
            packed_as,
            description,
            read,
            children,
            problems,
            size=len(subject.content),
            readers_version=READERS_VERSION,
        )

    async def _recognised(self, subject: SubjectRow, problems: list[str]) -> tuple[Artifact, str, Description]:
        """Return a manifest as an artifact, as what it is packed, and what that says of it."""
        outline = await asyncio.to_thread(parse_artifact, subject.content, None)
        config = await self._config(RepositoryName(subject.repository), outline, problems)
        artifact = await asyncio.to_thread(parse_artifact, subject.content, config)
        artifact = replace(artifact, config_document=newest(artifact.config_document))
        form, description = await asyncio.to_thread(recognise, artifact)
        return artifact, form.name, description

    async def _judge(self, digest: bytes, subject: SubjectRow, found: Described) -> None:
        """Judge what was found by the schemas that speak of records; before it is kept, which ends the job that does both."""
        with contextlib.suppress(ManifestUnknown):  # it was deleted meanwhile
            await self._conformance.judge_record(
                RepositoryName(subject.repository),
                Digest.from_bytes(digest),
                found.values,
                artifact_type=found.artifact_type,
                is_attached=is_attached(subject.tags, has_subject=found.has_subject),
            )

    async def _config(self, name: RepositoryName, artifact: Artifact, problems: list[str]) -> bytes | None:
        """Return the config's bytes; None where it is absent or large."""
        if artifact.config is None:
            return None
        try:
            return await read_config(self._blobs, name, Digest.parse(artifact.config.digest), most=MAX_SIZE)
        except ConfigTooLarge:
            return None
        except BlobUnknown:
            problems.append(f"the config {artifact.config.digest} is not in the repository")
            return None

    async def _children(
        self, repository_id: int, digest: bytes, artifact: Artifact, problems: list[str], depth: int
    ) -> list[tuple[str, str, dict[str, Any]]]:
        """Return digest, kind and record of an index's children, which are described first where they aren't yet."""
        named = [child.digest for child in artifact.manifests][:_MOST_CHILDREN]
        packed = {name: Digest.parse(name).to_bytes() for name in named}
        known = await self._records(repository_id, [*packed.values()])
        missing = [child for child in packed.values() if child not in known]
        if missing and depth > 0:
            for child in missing:
                await self.describe(repository_id, child, tell=_nobody, also=_nothing, depth=depth - 1, asker=digest)
            known |= await self._records(repository_id, missing)
        problems += [f"the manifest {name} is not in the repository" for name in packed if packed[name] not in known]
        return [(name, *known[child]) for name, child in packed.items() if child in known]

    async def _records(self, repository_id: int, digests: Sequence[bytes]) -> dict[bytes, tuple[str, dict[str, Any]]]:
        return await self._db.read(
            "find_records", lambda conn: artifacts.records(conn, digests, repository_id=repository_id)
        )


def _readable(description: Description) -> Sequence[Layer]:
    """Return the layers that are read: what programs run is not ours to describe, and often large."""
    return [] if description.kind is Kind.IMAGE else description.layers


async def _nobody(_total: int, _progress: int) -> None:
    """Be told of a child's progress, which is not the index's."""


async def _nothing(_conn: Connection) -> None:
    """Do nothing beside."""
