"""An upload to S3: parts that are sent while the next one is gathered, and an object beside for what is no whole part yet."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from registry.storage.base import MAX_UNSAVED_PARTS, ObjectExists, ObjectMissing, ObjectTooLarge, StorageError
from registry.storage.s3_bucket import Bucket, Spool, new_spool
from registry.storage.threads import ended

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import CompletedPartTypeDef

_PARTS: Final = 10_000  # of a multipart upload (S3's limit)
_PART: Final = 64 << 20  # bytes of one where the blob's size is not known: 640 GB then
_SMALL_PART: Final = 8 << 20  # bytes of one where it is, at least, and
_FEW: Final = 32  # parts, unless they would be larger than _PART: each costs S3 about as much as some MiB
_LARGEST_PART: Final = 1 << 30  # bytes; two of them lie in temporary files during an upload
_GROWS_AFTER: Final = 1000  # parts, each time to the double: 6.8 TB where they may
_OVERTAKEN: Final = 8  # writers in a row; a part number used twice costs the upload, never a wrong byte


class Part(msgspec.Struct, array_like=True, frozen=True):
    """A part that S3 has."""

    number: int
    etag: str
    crc32: str


class UploadState(msgspec.Struct, array_like=True):
    """What a writer needs to go on where another stopped; a row's `writer_state`.

    Nodes of other versions read it: fields are only ever added, at the end and with a default.
    """

    part_size: int
    epoch: int = 0  # of the writer that saved this, and
    is_last: bool = True  # whether it did nothing more
    is_contested: bool = False  # whether there may be something of writers that were overtaken
    upload_id: str = ""
    next_number: int = 1
    parts: list[Part] = []
    tail: str = ""  # names of objects beside the blob's, without the key: the bytes after the last part, and
    stale: list[str] = []  # those that were replaced
    grows: bool = False  # whether later parts are larger
    saved: int = 0  # bytes, in parts and tail
    tail_crc32: str = ""

    @classmethod
    def new(cls, size: int | None, *, grows: bool) -> UploadState:
        """Return that of a blob of `size` bytes. Raise ObjectTooLarge."""
        if size is None:
            return cls(_PART, grows=grows)
        if size > _PARTS // 2 * _LARGEST_PART:
            raise ObjectTooLarge(_PARTS // 2 * _LARGEST_PART)
        # A multiple of 1 MiB with which the blob stays far below the limit of parts.
        wanted = max(_SMALL_PART, min(size // _FEW, _PART), size // (_PARTS // 2))
        return cls(-(-wanted // (1 << 20)) << 20)

    @classmethod
    def decode(cls, saved: bytes, offset: int) -> UploadState:
        """Return that which was saved at `offset`. Raise ObjectMissing where it wasn't, StorageError where it can't be read."""
        if not saved:
            raise ObjectMissing(f"nothing is known of the {offset} bytes that were saved")
        try:
            known = msgspec.msgpack.decode(saved, type=cls)
        except msgspec.DecodeError as error:
            raise StorageError("the state of an unfinished upload is of another version of Blacklake") from error
        if known.saved != offset:
            raise ObjectMissing(f"{known.saved} bytes were saved, not {offset}")
        return known

    def size_of(self, index: int) -> int:
        """Return the bytes of the part that comes after `index` others."""
        return min(self.part_size << index // _GROWS_AFTER, _LARGEST_PART) if self.grows else self.part_size

    def start_of(self, index: int) -> int:
        """Return where the part that comes after `index` others begins."""
        whole, rest = divmod(index, _GROWS_AFTER)
        return sum(self.size_of(n * _GROWS_AFTER) for n in range(whole)) * _GROWS_AFTER + rest * self.size_of(index)

    def part_end(self, position: int) -> int:
        """Return where the part ends that holds the byte at `position`."""
        index = 0
        while self.grows and self.start_of(index + _GROWS_AFTER) <= position:
            index += _GROWS_AFTER
        size = self.size_of(index)
        return position + size - (position - self.start_of(index)) % size


class S3Writer:
    """A BlobWriter that gathers parts and sends each while the next one comes."""

    def __init__(
        self, bucket: Bucket, name: str, state: UploadState, *, offset: int, epoch: int, let_go: Callable[[], object]
    ) -> None:
        """Go on at `offset` with `state`; `let_go` is called once, when the writer has ended."""
        self._bucket = bucket
        self._name = name
        self._state = state
        # An overtaken holder may still send parts, at most MAX_UNSAVED_PARTS: their numbers are not used again.
        overtaken = max(0, epoch - state.epoch - state.is_last)
        state.is_contested = state.is_contested or overtaken > 0
        state.next_number += MAX_UNSAVED_PARTS * min(overtaken, _OVERTAKEN)
        state.epoch, state.is_last = epoch, False
        self._offset = offset
        self._begun = len(state.parts)
        self._spool = new_spool()
        self._spooled = 0
        self._tail_size = offset - state.start_of(self._begun)  # bytes that lie beside and are not in the spool yet
        self._first_tail = state.tail
        self._saved_upload_id = state.upload_id  # what the last state names, and
        self._kept_upload_id = state.upload_id  # the one before it, which was kept
        self._sending: asyncio.Task[None] | None = None
        self._let_go = let_go
        self._is_open = True
        self._is_abandoned = False  # the key was deleted: nothing more is sent
        self._is_ended = False  # S3 has no such multipart upload any more: it was assembled, or aborted

    @property
    def offset(self) -> int:
        """See BlobWriter."""
        return self._offset

    def part_end(self, position: int) -> int | None:
        """See BlobWriter: what ends with a part needs no object beside the parts."""
        return self._state.part_end(position)

    async def forget_stale(self) -> None:
        """Delete the ends that were replaced: the state that no longer names them was kept."""
        for stale in self._state.stale:
            await self._bucket.delete(self._name + stale)
        self._state.stale = []

    async def write(self, *pieces: bytes | bytearray | memoryview) -> None:
        """See BlobWriter."""
        self._require_open()
        left = [memoryview(piece) for piece in pieces if len(piece)]
        if left:
            await self._fetch_tail()
        while left:
            room = self._state.size_of(self._begun) - self._spooled
            taken: list[memoryview] = []
            while left and room:
                piece = left.pop(0)
                if len(piece) > room:
                    left.insert(0, piece[room:])
                    piece = piece[:room]
                taken.append(piece)
                room -= len(piece)
            await self._bucket.gather(self._spool, taken)
            size = sum(map(len, taken))
            self._spooled += size
            self._offset += size
            if room == 0:
                await self._send_part()

    async def save(self, *, last: bool = False) -> bytes:
        """See BlobWriter. Whole parts are in S3 already; what follows them becomes an object of its own."""
        self._require_open()
        await self._sent()
        self._require_upload()
        state = self._state
        self._kept_upload_id = self._saved_upload_id
        if not self._is_abandoned and not self._tail_size:
            state.stale += [state.tail] if state.tail else []
            state.tail = ""
            if self._spooled:
                state.tail = f".{secrets.token_hex(8)}"
                state.tail_crc32 = await self._bucket.put(self._name + state.tail, self._spool)
        state.saved, state.is_last = self._offset, last
        self._saved_upload_id = state.upload_id
        return msgspec.msgpack.encode(state)

    async def commit(self) -> bool:
        """See BlobWriter. Of all who may try, the first makes the object: S3 refuses to replace it."""
        self._require_open()
        is_ours = True
        try:
            await self._sent()
            self._require_upload()
            await self._fetch_tail()
            if not self._is_abandoned:
                await self._make_object()
        except (ObjectExists, ObjectMissing):
            if not await self._bucket.holds(self._name, self._offset):
                raise ObjectMissing("another writer has made the object, or S3 has lost parts of it") from None
            is_ours = False
        await self.close()
        return is_ours

    async def tidy(self) -> None:
        """See BlobWriter."""
        if self._state.is_contested:
            await self._bucket.end_uploads(self._name)
            await self._bucket.delete_all(f"{self._name}.")
        else:
            for name in filter(None, [*self._state.stale, self._state.tail]):
                await self._bucket.delete(self._name + name)

    async def withdraw(self) -> None:
        """See BlobWriter."""
        if self._sending is not None:
            await ended(self._sending)
        if self._state.tail not in ("", self._first_tail):
            await self._bucket.delete(self._name + self._state.tail)
        if self._state.upload_id not in ("", self._kept_upload_id):
            await self._bucket.end_upload(self._name, self._state.upload_id)

    async def close(self) -> None:
        """See BlobWriter."""
        if self._is_open:
            self._is_open = False
            self._let_go()
            try:
                if self._sending is not None:
                    await ended(self._sending)
            finally:
                self._spool.close()

    async def abandon(self) -> None:
        """Send nothing more; return when nothing is on its way, since S3 may keep a part that comes after the deletion."""
        self._is_abandoned = True
        if self._sending is not None:
            await ended(self._sending)

    def _require_open(self) -> None:
        if not self._is_open:
            raise ValueError("the writer is closed")

    def _require_upload(self) -> None:
        if self._is_ended:
            raise ObjectMissing("the multipart upload has ended in S3")

    async def _fetch_tail(self) -> None:
        """Gather again what lies beside, before something is appended to it."""
        if self._tail_size and not self._is_abandoned:
            tail = self._name + self._state.tail
            await self._bucket.fetch(tail, self._spool, self._tail_size, self._state.tail_crc32)
            self._spooled, self._tail_size = self._tail_size, 0

    async def _send_part(self) -> None:
        """Send what is gathered while the next part comes; wait first for the one before it."""
        await self._sent()
        state = self._state
        if state.next_number > _PARTS:
            raise ObjectTooLarge(state.start_of(self._begun))
        if not state.upload_id and not self._is_abandoned:
            state.upload_id = await self._bucket.begin_upload(self._name)
        spool, self._spool, self._spooled = self._spool, new_spool(), 0
        self._sending = asyncio.create_task(self._upload(spool, state.next_number))
        self._begun += 1
        state.next_number += 1

    async def _upload(self, spool: Spool, number: int) -> None:
        etag, crc32 = "", ""
        with spool:
            if not self._is_abandoned and not self._is_ended:
                try:
                    etag, crc32 = await self._bucket.put_part(self._name, self._state.upload_id, number, spool)
                except ObjectMissing:  # `save` can't go on then; `commit` can, where an earlier one has made the object
                    self._is_ended = not self._is_abandoned
        self._state.parts.append(Part(number, etag, crc32))

    async def _sent(self) -> None:
        """Wait until no part is on its way. Raise what sending it raised."""
        if self._sending is not None:
            await asyncio.shield(self._sending)
            self._sending = None

    async def _make_object(self) -> None:
        state = self._state
        if not state.upload_id:
            await self._bucket.put(self._name, self._spool, IfNoneMatch="*")
            return
        if self._spooled:
            await self._send_part()
            await self._sent()
            self._require_upload()
        parts: list[CompletedPartTypeDef] = [
            {"PartNumber": part.number, "ETag": part.etag, "ChecksumCRC32": part.crc32} for part in state.parts
        ]
        await self._bucket.finish_upload(self._name, state.upload_id, parts, size=self._offset)
