"""What is in the layers of artifacts: each blob is read once, in the sandbox and by ranges, for all artifacts that have it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from mediatypes.digest import Digest
from mediatypes.files import tensor_index
from mediatypes.models.artifact import Layer, Packing
from mediatypes.ranges import ByteRange
from mediatypes.record import storable
from registry.core.described import ReadLayer, inner_path
from registry.core.room import MOST_BYTES, Room
from registry.db import artifacts, readings
from registry.db.artifacts import HeldRow
from registry.db.pool import Database
from registry.db.readings import FoundReading, ReadingRow, TensorIndexRow
from registry.sandbox import Refused, Sandbox
from registry.storage.base import BlobStore, StorageKey

READERS_VERSION: Final = 3
"""Of the readers of files. Raise it when they say more or otherwise of a file: blobs are read again then.

What they said at each version is noted in tests/core/test_readers_version.py.
"""

_HEADERS: Final = 256 << 20  # bytes that are read of a file, at most
_BEGINNING: Final = 1 << 20  # bytes likewise where it is only asked which readers read it
_LARGEST_COMPRESSED: Final = 8 << 30  # bytes of a compressed archive, all of which are read
_MOST_NAMES: Final = 16  # of a blob, which is read by each; of more, those that choose one reader share its reading
_LONGEST_NAME: Final = 1000  # bytes of a file's path, of which the end says what is in it

Tell = Callable[[int, int], Awaitable[None]]
"""Is told how many bytes are to be looked through, and through how many that has been done."""


class LayerReadings:
    """Reads what is in layers, and keeps it."""

    def __init__(self, db: Database, store: BlobStore, sandbox: Sandbox) -> None:
        self._db = db
        self._store = store
        self._sandbox = sandbox

    async def read(
        self, repository_id: int, layers: Sequence[Layer], problems: list[str], tell: Tell
    ) -> list[ReadLayer]:
        """Return what is in layers, as far as there is room for it; those are read that nobody has read yet.

        What is left out, or unread, is added to `problems`. Raise Unavailable, StorageError.
        """
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

    async def _fetched(self, blob: HeldRow, start: int, stop: int) -> bytes:
        async with contextlib.aclosing(
            self._store.read(StorageKey(blob.storage_key), ByteRange(start, stop))
        ) as pieces:
            return b"".join([piece async for piece in pieces])


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
