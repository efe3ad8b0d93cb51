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
from mediatypes.files import tensor_index
from mediatypes.models.artifact import Artifact, Description, Layer, Packing, parse_artifact
from mediatypes.models.formats import recognise
from mediatypes.names import RepositoryName
from mediatypes.ranges import ByteRange
from mediatypes.record import Kind, storable
from registry.core.blobs import Blobs
from registry.core.configs import ConfigTooLarge, read_config
from registry.core.conformance import Conformance, is_attached
from registry.core.described import Described, ReadLayer, describe, inner_path, newest
from registry.core.room import MOST_BYTES, Room
from registry.db import artifacts, outbox, readings
from registry.db.artifacts import HeldRow, SubjectRow
from registry.db.pool import Connection, Database
from registry.db.readings import FoundReading, ReadingRow, TensorIndexRow
from registry.errors import BlobUnknown, ManifestUnknown
from registry.sandbox import Refused, Sandbox
from registry.storage.base import BlobStore, StorageKey

READERS_VERSION: Final = 3
"""Of the readers of files. Raise it when they say more or otherwise of a file: blobs are read again then.

What they said at each version is noted in tests/core/test_readers_version.py.
"""

_HEADERS: Final = 256 << 20  # bytes that are read of a file, at most
_BEGINNING: Final = 1 << 20  # bytes likewise where it is only asked which readers read it
_LARGEST_COMPRESSED: Final = 8 << 30  # bytes of a compressed archive, all of which are read
_MOST_NAMES: Final = (
    16  # of one blob by which it is read as often; of more, names that choose one reader share its reading
)
_LONGEST_NAME: Final = 1000  # bytes of a file's path, of which the end says what is in it
_MOST_CHILDREN: Final = 100
_DEEPEST: Final = 3  # indexes in indexes

_log = structlog.get_logger("registry.extraction")

Tell = Callable[[int, int], Awaitable[None]]
"""Is told how many bytes are to be looked through, and through how many that has been done."""

Also = Callable[[Connection], Awaitable[None]]
"""What is done in the transaction that writes."""


class Extraction:
    """The verb that describes artifacts."""

    def __init__(
        self, db: Database, store: BlobStore, sandbox: Sandbox, conformance: Conformance, blobs: Blobs
    ) -> None:
        self._db = db
        self._blobs = blobs
        self._store = store
        self._sandbox = sandbox
        self._conformance = conformance

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
        read = await self._read(repository_id, _readable(description), problems, tell)
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

    async def _read(
        self, repository_id: int, layers: Sequence[Layer], problems: list[str], tell: Tell
    ) -> list[ReadLayer]:
        """Return what is in layers, as far as there is room for it; those are read that nobody has read yet."""
        found = [_unread_layer(layer) for layer in layers]
        held = await self._held(repository_id, [one.digest for one in found])
        await self._share_readings(found, held, problems)
        room = Room()
        keys = [(one.digest, one.manner) for one in found]
        known = await self._known(list(dict.fromkeys(key for key in keys if key[0] in held)))
        total = sum(row.size for row in held.values())
        progress = 0
        for key, one in zip(keys, found, strict=True):
            blob = held.get(one.digest)
            if blob is None:
                one.problem = "is not in the repository"
                continue
            if room.is_full:
                room.leave_out(one)
                continue
            if key not in known:
                known[key] = await self._read_or_refused(one, blob)
            room.take(one, known[key])
            progress = min(total, progress + blob.size)
            await tell(total, progress)
        problems += room.problems()
        return found

    async def _share_readings(
        self, layers: Sequence[ReadLayer], held: dict[bytes, HeldRow], problems: list[str]
    ) -> None:
        """Let names of a blob that has very many share a reading where they choose the same reader: that of the first.

        Readers are chosen by names, too: none of them may be kept from a blob by names that others are chosen by.
        """
        by_manner: dict[bytes, dict[str, list[ReadLayer]]] = {}
        for one in layers:
            if one.layer.packing is Packing.RAW and one.digest in held:
                by_manner.setdefault(one.digest, {}).setdefault(one.manner, []).append(one)
        for digest, manners in by_manner.items():
            if len(manners) <= _MOST_NAMES:
                continue
            firsts: dict[str, str] = {}
            names = [same[0].layer.path for same in manners.values()]
            for reader, same in zip(await self._readers(held[digest], names, problems), manners.values(), strict=True):
                for one in same:
                    one.manner = firsts.setdefault(reader, same[0].manner)

    async def _readers(self, blob: HeldRow, names: list[str], problems: list[str]) -> list[str]:
        """Return which reader each name of a blob chooses; where that can't be found out, all are said to choose one."""
        try:
            found: list[str] = await self._sandbox.run(
                {"names": names},
                lambda start, stop: self._fetched(blob, start, stop),
                size=blob.size,
                budget=_BEGINNING,
            )
            return found
        except Refused as refusal:
            problems.append(storable(f"the file {names[0]} is read by this one of its names: it {refusal}"))
            return [""] * len(names)

    async def _read_or_refused(self, layer: ReadLayer, blob: HeldRow) -> FoundReading:
        """Read a blob; what can't be read is one file that has a problem."""
        try:
            return await self._read_blob(layer, blob)
        except Refused as refusal:
            reading = {"files": [_unread(layer.layer, blob)], "problem": storable(str(refusal))}
            if refusal.is_final:  # so that it isn't tried at each push; the next version of the readers tries
                return await self._keep(ReadingRow(blob.digest, layer.manner, reading), {})
            return FoundReading(0, reading)

    async def _read_blob(self, read: ReadLayer, blob: HeldRow) -> FoundReading:
        """Read a blob in the sandbox and keep what it says. Raise Refused."""
        layer = read.layer
        is_compressed = layer.packing in (Packing.TAR_GZIP, Packing.TAR_ZSTD)
        if is_compressed and blob.size > _LARGEST_COMPRESSED:
            raise Refused(f"is a compressed archive of more than {_LARGEST_COMPRESSED} bytes")
        task = {"packing": str(layer.packing), "path": layer.path if layer.packing is Packing.RAW else ""}
        reading: dict[str, Any] = await self._sandbox.run(
            task,
            lambda start, stop: self._fetched(blob, start, stop),
            size=blob.size,
            budget=2 * blob.size + (1 << 20) if is_compressed else _HEADERS,
        )
        indexes = {}
        for file in reading["files"]:
            content = file.pop("tensors", None)
            if content:
                file["tensors"] = await asyncio.to_thread(_counted, content)
                indexes[inner_path(layer, file["path"])] = TensorIndexRow(file["tensors"], content)
        return await self._keep(ReadingRow(blob.digest, read.manner, reading), indexes)

    async def _keep(self, row: ReadingRow, indexes: dict[str, TensorIndexRow]) -> FoundReading:
        return await self._db.transaction(
            "keep_reading",
            lambda conn: readings.put(conn, row, version=READERS_VERSION, tensor_indexes=indexes),
        )

    async def _known(self, wanted: Sequence[tuple[bytes, str]]) -> dict[tuple[bytes, str], FoundReading]:
        return await self._db.read(
            "find_readings", lambda conn: readings.find(conn, wanted, version=READERS_VERSION, most=MOST_BYTES)
        )

    async def _held(self, repository_id: int, digests: Sequence[bytes]) -> dict[bytes, HeldRow]:
        return await self._db.read(
            "find_layers", lambda conn: artifacts.held(conn, digests, repository_id=repository_id)
        )

    async def _records(self, repository_id: int, digests: Sequence[bytes]) -> dict[bytes, tuple[str, dict[str, Any]]]:
        return await self._db.read(
            "find_records", lambda conn: artifacts.records(conn, digests, repository_id=repository_id)
        )

    async def _fetched(self, blob: HeldRow, start: int, stop: int) -> bytes:
        async with contextlib.aclosing(
            self._store.read(StorageKey(blob.storage_key), ByteRange(start, stop))
        ) as pieces:
            return b"".join([piece async for piece in pieces])


def _readable(description: Description) -> Sequence[Layer]:
    """Return the layers that are read: what programs run is not ours to describe, and often large."""
    return [] if description.kind is Kind.IMAGE else description.layers


def _unread_layer(layer: Layer) -> ReadLayer:
    manner = str(layer.packing)
    if layer.packing is Packing.RAW:  # readers go by the name, too
        manner += ":" + storable(layer.path).encode()[-_LONGEST_NAME:].decode(errors="ignore")
    return ReadLayer(layer, Digest.parse(layer.descriptor.digest).to_bytes(), manner, None)


def _counted(content: bytes) -> int:
    """Return how many tensors an index has. Raise Refused where it is none: it comes from where others' files are read."""
    try:
        return len(tensor_index.unpacked(content))
    except (ValueError, TypeError):
        raise Refused("made its reader say what makes no sense") from None


def _unread(layer: Layer, blob: HeldRow) -> dict[str, Any]:
    """Return a blob that could not be read as the one file that it is."""
    return {"path": storable(layer.path), "size": blob.size, "start": 0 if layer.packing is Packing.RAW else None}


async def _nobody(_total: int, _progress: int) -> None:
    """Be told of a child's progress, which is not the index's."""


async def _nothing(_conn: Connection) -> None:
    """Do nothing beside."""
