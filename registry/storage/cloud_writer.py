"""An upload to Azure or Google Cloud Storage: segments that are sent while the next one is gathered."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Final

import msgspec

from registry.storage.base import ObjectExists, ObjectMissing, StorageError
from registry.storage.cloud_place import Place
from registry.storage.cloud_segments import Description, Run, append, name_of, size_of, sizes_of
from registry.storage.threads import ended

_SEGMENT: Final = 8 << 20  # bytes; two of them are in memory during an upload
_LARGEST_END: Final = 256 << 10  # bytes after the last segment that a state holds itself


class WriterState(msgspec.Struct, array_like=True):
    """What a writer needs to go on where another stopped; a row's `writer_state`.

    Nodes of other versions read it: fields are only ever added, at the end and with a default.
    """

    epoch: int = 0  # of the writer that saved this, and
    is_last: bool = True  # whether it did nothing more
    is_contested: bool = False  # whether there may be something of writers that were overtaken
    runs: list[Run] = []
    end: bytes = b""  # the bytes after the segments

    @classmethod
    def decode(cls, saved: bytes, offset: int) -> WriterState:
        """Return that which was saved at `offset`. Raise ObjectMissing where it wasn't, StorageError where it can't be read."""
        if not saved:
            raise ObjectMissing(f"nothing is known of the {offset} bytes that were saved")
        try:
            known = msgspec.msgpack.decode(saved, type=cls)
        except msgspec.DecodeError as error:
            raise StorageError("the state of an unfinished upload is of another version of Blacklake") from error
        if size_of(known.runs) + len(known.end) != offset:
            raise ObjectMissing(f"what was saved is not {offset} bytes")
        return known


class CloudWriter:
    """A BlobWriter that makes segments, and at last the object that names them."""

    def __init__(self, place: Place, state: WriterState, *, epoch: int, let_go: Callable[[], object]) -> None:
        """Go on with `state`; `let_go` is called once, when the writer has ended."""
        self._place = place
        self._state = state
        state.is_contested = state.is_contested or epoch > state.epoch + state.is_last
        state.epoch, state.is_last = epoch, False
        self._name = secrets.token_bytes(8)  # no other writer's segments are called so
        self._begun = 0  # segments of its own
        self._saved = 0  # of these, what the last state names, and
        self._kept = 0  # the one before it, which was kept
        self._gathered = bytearray(state.end)
        self._offset = size_of(state.runs) + len(state.end)
        self._sending: asyncio.Task[None] | None = None
        self._let_go = let_go
        self._made: Description | None = None  # the blob, where it was there already
        self._is_named = False  # whether the blob may be of this writer's segments
        self._is_open = True
        self._is_abandoned = False

    @property
    def offset(self) -> int:
        """See BlobWriter."""
        return self._offset

    def part_end(self, position: int) -> int | None:
        """See BlobWriter: what ends with a segment leaves nothing for the state to hold."""
        return position + _SEGMENT - position % _SEGMENT

    async def write(self, *pieces: bytes | bytearray | memoryview) -> None:
        """See BlobWriter."""
        self._require_open()
        for piece in pieces:
            left = memoryview(piece)
            while left:
                taken = left[: _SEGMENT - self._offset % _SEGMENT]
                self._gathered += taken
                self._offset += len(taken)
                left = left[len(taken) :]
                if self._offset % _SEGMENT == 0:
                    await self._send_segment()

    async def save(self, *, last: bool = False) -> bytes:
        """See BlobWriter. A short end is durable with the state, a longer one as a segment."""
        self._require_open()
        if len(self._gathered) > _LARGEST_END:
            await self._send_segment()
        await self._sent()
        self._kept, self._saved = self._saved, self._begun
        self._state.end, self._state.is_last = bytes(self._gathered), last
        return msgspec.msgpack.encode(self._state)

    async def commit(self) -> bool:
        """See BlobWriter. Of all who may try, the first makes the blob's object: it is never replaced."""
        self._require_open()
        await self._sent()
        description = Description(self._name, tuple(self._state.runs), len(self._gathered))
        if description.runs and not self._is_abandoned and not await self._place.has(description.runs):
            raise ObjectMissing("the storage has lost segments of an unfinished upload")
        self._sending = asyncio.create_task(self._create(description))
        try:
            await self._sent()
        except ObjectExists:
            try:
                self._made = await self._place.describe()
            except ObjectMissing as error:  # a conflict of another kind, which may pass
                raise StorageError("the storage makes no object of a blob, and has none") from error
            self._is_named = self._made == description
            if self._made.size != self._offset:
                raise ObjectMissing("another writer has made the object, with other bytes") from None
        await self.close()
        # What this writer made itself is known, also where the answer to its first attempt was lost.
        return self._made is None or self._is_named

    async def tidy(self) -> None:
        """See BlobWriter."""
        if self._state.is_contested or self._made is not None:
            runs = self._state.runs if self._made is None else self._made.runs
            await self._place.delete(keep=sizes_of(runs))

    async def withdraw(self) -> None:
        """See BlobWriter."""
        if self._sending is not None:
            await ended(self._sending)
        if not self._is_named:
            await self._place.delete_objects([name_of(self._name, number) for number in range(self._kept, self._begun)])

    async def close(self) -> None:
        """See BlobWriter."""
        if self._is_open:
            self._is_open = False
            self._let_go()
            if self._sending is not None:
                await ended(self._sending)

    async def abandon(self) -> None:
        """Send nothing more, since the key is being deleted. Return when nothing is on its way."""
        self._is_abandoned = True
        if self._sending is not None:
            await ended(self._sending)

    def _require_open(self) -> None:
        if not self._is_open:
            raise ValueError("the writer is closed")

    async def _send_segment(self) -> None:
        """Send what is gathered while the next segment comes; wait first for the one before it."""
        await self._sent()
        content, self._gathered = self._gathered, bytearray()
        self._sending = asyncio.create_task(self._put(self._begun, content))
        self._begun += 1

    async def _put(self, number: int, content: bytearray) -> None:
        if not self._is_abandoned:
            await self._place.put_segment(name_of(self._name, number), content)
        append(self._state.runs, self._name, number, len(content))

    async def _create(self, description: Description) -> None:
        if not self._is_abandoned:
            self._is_named = True
            await self._place.create_blob(description, self._gathered)

    async def _sent(self) -> None:
        """Wait until nothing is on its way. Raise what sending it raised."""
        if self._sending is not None:
            await asyncio.shield(self._sending)
            self._sending = None
