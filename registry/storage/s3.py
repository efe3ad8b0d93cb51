"""Blobs as objects of an S3 bucket (DESIGN, decisions 5 to 7).

    prefix/ab/cd/abcd…            a blob, put at once or assembled by S3 of the parts of a multipart upload
    prefix/ab/cd/abcd….12ef…      the end of an unfinished upload that is no whole part yet

A blob's bytes are sent to S3 once and never copied there; only the end of an unfinished upload, less than a part, is put beside
it whenever a request ends, and sent again with what follows.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import secrets
import zlib
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, Final, Literal

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from mediatypes.ranges import ByteRange
from registry.storage.base import (
    CHUNK_SIZE,
    MAX_UNSAVED_PARTS,
    ObjectExists,
    ObjectMissing,
    ObjectTooLarge,
    StorageError,
    StorageKey,
    WriterBusy,
    place_of,
)
from registry.storage.threads import Threads
from registry.storage_url import S3Location

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef

_THREADS: Final = 16  # requests to S3 of one process at a time
_ATTEMPTS: Final = 4
_CONNECT_SECONDS: Final = 5
_READ_SECONDS: Final = 60
_PARTS: Final = 10_000  # of a multipart upload (S3's limit)
_PART: Final = 64 << 20  # bytes of one where the blob's size is not known: 640 GB then
_SMALL_PART: Final = 8 << 20  # bytes of one where it is, at least
_LARGEST_PART: Final = 1 << 30  # bytes; two of them lie in temporary files during an upload
_IN_MEMORY: Final = 8 << 20  # bytes of a part being gathered; more go to a file
_OVERTAKEN: Final = 8  # writers in a row; a part number used twice costs the upload, never a wrong byte
_MISSING: Final = ("NoSuchKey", "NoSuchUpload", "InvalidRange", "InvalidPart")


class _Part(msgspec.Struct, array_like=True, frozen=True):
    number: int
    etag: str
    crc32: str


class _State(msgspec.Struct, array_like=True):
    """What a writer needs to go on where another stopped; a row's `writer_state`."""

    part_size: int
    epoch: int = 0  # of the writer that saved this, and
    is_last: bool = True  # whether it did nothing more
    is_contested: bool = False  # whether there may be something of writers that were overtaken
    upload_id: str = ""
    next_number: int = 1
    parts: list[_Part] = []
    tail: str = ""  # names of objects beside the blob's, without the key: the bytes after the last part, and
    stale: list[str] = []  # those that were replaced

    @property
    def assembled(self) -> int:
        return len(self.parts) * self.part_size


class S3Store:
    """A BlobStore in a bucket, which any number of nodes share."""

    def __init__(self, location: S3Location) -> None:
        self._location = location
        self._client = _client(location)
        self._threads = Threads(_THREADS, "s3", _translated_errors)
        self._writing: dict[StorageKey, S3Writer] = {}

    async def open_writer(
        self, key: StorageKey, *, offset: int = 0, state: bytes = b"", size: int | None = None, epoch: int = 1
    ) -> S3Writer:
        """See BlobStore. Writers of other processes are not seen: their lease keeps them off."""
        name = self._name(key)
        if key in self._writing:
            raise WriterBusy("another request is writing the object")
        known = _decoded(state, offset) if offset else _State(_part_size(size))
        writer = S3Writer(self, key, name, known, epoch)
        self._writing[key] = writer
        try:
            await writer.resume(offset)
        except BaseException:
            await writer.close()
            raise
        return writer

    async def read(self, key: StorageKey, span: ByteRange) -> AsyncGenerator[bytes, None]:
        """See BlobStore. A connection that breaks is replaced by one that goes on where it stopped."""
        name, position, failures = self._name(key), span.start, 0
        if not span:
            await self.call("head_object", Key=name)
        while position < span.stop:
            body = await self._opened(name, position, span.stop)
            try:
                while position < span.stop:
                    wanted = min(CHUNK_SIZE, span.stop - position)
                    piece = await self._threads.run(body.read, wanted)
                    if not piece:
                        raise ObjectMissing(f"an object ends at byte {position}, before its recorded size")
                    position += len(piece)
                    failures = 0
                    yield piece
            except ObjectMissing:
                raise
            except StorageError:
                failures += 1
                if failures == _ATTEMPTS:
                    raise
            finally:
                body.close()

    async def holds(self, key: StorageKey, size: int) -> bool:
        """See BlobStore."""
        name = self._name(key)
        try:
            found = await self.call("head_object", Key=name)
        except ObjectMissing:
            try:  # in S3's own words, which an answer to HEAD has none of
                (await self._opened(name, 0, 1)).close()
            except ObjectMissing:
                return False
            raise StorageError("S3 answered 404 to HEAD of an object that it has") from None
        return bool(found["ContentLength"] == size)

    def local_path(self, key: StorageKey, size: int) -> Path | None:
        """See BlobStore."""
        del key, size
        return None

    async def delete(self, key: StorageKey) -> None:
        """See BlobStore. Of the storage only what begins with this one key is listed."""
        name = self._name(key)
        if key in self._writing:
            self._writing[key].abandon()
        await self.end_uploads(name)
        await self.delete_all(name)

    async def check(self) -> None:
        """See BlobStore."""
        name, content = f"{self._location.prefix}check.{secrets.token_hex(8)}", secrets.token_bytes(16)
        try:
            await self.call("put_object", Key=name, Body=content, **self.encryption)
            body = await self._opened(name, 0, len(content))
            try:
                if await self._threads.run(body.read) != content:
                    raise StorageError("S3 returned other bytes than were put a moment ago")
            finally:
                body.close()
        finally:
            await self.call("delete_object", Key=name)

    async def close(self) -> None:
        """See BlobStore."""
        self._threads.close()
        self._client.close()

    async def call(self, operation: str, **parameters: Any) -> Any:
        """Return S3's answer to an operation on the bucket. Raise ObjectMissing for 404, else StorageError."""
        method = getattr(self._client, operation)
        return await self._threads.run(lambda: method(Bucket=self._location.bucket, **parameters))

    @property
    def encryption(self) -> dict[str, str]:
        """The parameters of a request that makes an object."""
        given = {"ServerSideEncryption": self._location.encryption, "SSEKMSKeyId": self._location.kms_key}
        return {name: value for name, value in given.items() if value is not None}

    async def send(self, operation: str, content: SpooledTemporaryFile[bytes], **parameters: Any) -> tuple[str, str]:
        """Send an object or a part with its checksum, and return its ETag and that checksum."""
        method = getattr(self._client, operation)

        def send() -> tuple[str, str]:
            crc32 = _crc32(content)
            answer = method(Bucket=self._location.bucket, Body=content, ChecksumCRC32=crc32, **parameters)
            return answer["ETag"], crc32

        return await self._threads.run(send)

    async def spool(self, spool: SpooledTemporaryFile[bytes], pieces: list[memoryview]) -> None:
        """Append pieces to what is gathered of a part."""
        await self._threads.run(spool.writelines, pieces)

    async def fetch(self, name: str, spool: SpooledTemporaryFile[bytes], size: int) -> None:
        """Append an object of `size` bytes to what is gathered of a part. Raise ObjectMissing where it has others."""
        body = await self._opened(name, 0, size)
        try:
            left = size
            while left and (piece := await self._threads.run(body.read, min(CHUNK_SIZE, left))):
                await self._threads.run(spool.write, piece)
                left -= len(piece)
        finally:
            body.close()
        if left:
            raise ObjectMissing("the end of an unfinished upload is shorter than what was saved of it")

    async def end_uploads(self, name: str) -> None:
        """End every multipart upload to an object."""
        uploads = await self.call("list_multipart_uploads", Prefix=name)
        for upload in uploads.get("Uploads", []):
            with contextlib.suppress(ObjectMissing):
                await self.call("abort_multipart_upload", Key=upload["Key"], UploadId=upload["UploadId"])

    async def delete_all(self, prefix: str) -> None:
        """Delete the objects of one key that begin with `prefix`."""
        objects = await self.call("list_objects_v2", Prefix=prefix)
        for found in objects.get("Contents", []):
            await self.call("delete_object", Key=found["Key"])

    def forget(self, key: StorageKey) -> None:
        """Let a key's writer go."""
        self._writing.pop(key, None)

    async def _opened(self, name: str, start: int, stop: int) -> StreamingBody:
        opened: list[StreamingBody] = []

        def get() -> None:
            answer = self._client.get_object(Bucket=self._location.bucket, Key=name, Range=f"bytes={start}-{stop - 1}")
            opened.append(answer["Body"])

        try:
            await self._threads.run(get)
        except BaseException:
            for body in opened:  # cancelled: nobody is left who would
                body.close()
            raise
        return opened[0]

    def _name(self, key: StorageKey) -> str:
        return self._location.prefix + place_of(key)


class S3Writer:
    """A BlobWriter that gathers parts and sends each while the next one comes."""

    def __init__(self, store: S3Store, key: StorageKey, name: str, state: _State, epoch: int) -> None:
        self._store = store
        self._key = key
        self._name = name
        self._state = state
        # An overtaken holder may still send parts, at most MAX_UNSAVED_PARTS: their numbers are not used again.
        overtaken = max(0, epoch - state.epoch - state.is_last)
        state.is_contested = state.is_contested or overtaken > 0
        state.next_number += MAX_UNSAVED_PARTS * min(overtaken, _OVERTAKEN)
        state.epoch, state.is_last = epoch, False
        self._spool = _new_spool()
        self._spooled = 0
        self._offset = 0
        self._sending: asyncio.Task[None] | None = None
        self._is_assembled = False
        self._is_open = True
        self._is_abandoned = False

    @property
    def offset(self) -> int:
        """See BlobWriter."""
        return self._offset

    @property
    def part_size(self) -> int | None:
        """See BlobWriter: what ends with a part needs no object beside the parts."""
        return self._state.part_size

    async def resume(self, offset: int) -> None:
        """Go on at `offset`, with what the state says. Raise ObjectMissing where S3 hasn't got that any more."""
        state = self._state
        self._offset = offset
        try:
            if state.upload_id:
                await self._store.call("list_parts", Key=self._name, UploadId=state.upload_id, MaxParts=1)
            if state.tail:
                self._spooled = offset - state.assembled
                await self._store.fetch(self._name + state.tail, self._spool, self._spooled)
        except ObjectMissing:
            if offset == 0 or not await self._store.holds(self._key, offset):
                raise
            self._is_assembled = True  # by an earlier commit, which could not be recorded
        for stale in state.stale:  # the state that no longer names them was kept
            await self._store.call("delete_object", Key=self._name + stale)
        state.stale = []

    async def write(self, *pieces: bytes | bytearray | memoryview) -> None:
        """See BlobWriter."""
        self._require_open()
        left = [memoryview(piece) for piece in pieces if len(piece)]
        if left and self._is_assembled:
            raise ObjectMissing("the object is assembled already")
        while left:
            room = self._state.part_size - self._spooled
            taken: list[memoryview] = []
            while left and room:
                piece = left.pop(0)
                if len(piece) > room:
                    left.insert(0, piece[room:])
                    piece = piece[:room]
                taken.append(piece)
                room -= len(piece)
            await self._store.spool(self._spool, taken)
            size = sum(map(len, taken))
            self._spooled += size
            self._offset += size
            if room == 0:
                await self._send_part()

    async def save(self, *, last: bool = False) -> bytes:
        """See BlobWriter. Whole parts are in S3 already; what follows them becomes an object of its own."""
        self._require_open()
        await self._sent()
        state = self._state
        if not self._is_abandoned and not self._is_assembled:
            state.stale += [state.tail] if state.tail else []
            state.tail = ""
            if self._spooled:
                state.tail = f".{secrets.token_hex(8)}"
                await self._store.send("put_object", self._spool, Key=self._name + state.tail, **self._store.encryption)
        state.is_last = last
        return msgspec.msgpack.encode(state)

    async def commit(self) -> bool:
        """See BlobWriter. Of all who may try, the first makes the object: S3 refuses to replace it."""
        self._require_open()
        await self._sent()
        is_ours = not self._is_assembled
        if is_ours and not self._is_abandoned:
            try:
                await self._make_object()
            except (ObjectExists, ObjectMissing):
                if not await self._store.holds(self._key, self._offset):
                    raise ObjectMissing("another writer has made the object, or S3 has lost parts of it") from None
                is_ours = False
        await self.close()
        return is_ours

    async def tidy(self) -> None:
        """See BlobWriter."""
        if self._state.is_contested:
            await self._store.end_uploads(self._name)
            await self._store.delete_all(f"{self._name}.")
        else:
            for name in filter(None, [*self._state.stale, self._state.tail]):
                await self._store.call("delete_object", Key=self._name + name)

    async def withdraw(self) -> None:
        """See BlobWriter."""
        if self._state.tail:
            await self._store.call("delete_object", Key=self._name + self._state.tail)

    async def close(self) -> None:
        """See BlobWriter."""
        if self._is_open:
            self._is_open = False
            self._store.forget(self._key)
            if self._sending is not None:
                await _ended(self._sending)
            self._spool.close()

    def abandon(self) -> None:
        """Note that the key was deleted: nothing more is sent."""
        self._is_abandoned = True

    def _require_open(self) -> None:
        if not self._is_open:
            raise ValueError("the writer is closed")

    async def _send_part(self) -> None:
        """Send what is gathered while the next part comes; wait first for the one before it."""
        await self._sent()
        state = self._state
        if state.next_number > _PARTS:
            raise ObjectTooLarge(state.assembled)
        if not state.upload_id and not self._is_abandoned:
            made = await self._store.call(
                "create_multipart_upload", Key=self._name, ChecksumAlgorithm="CRC32", **self._store.encryption
            )
            state.upload_id = made["UploadId"]
        spool, self._spool, self._spooled = self._spool, _new_spool(), 0
        self._sending = asyncio.create_task(self._upload(spool, state.next_number))
        state.next_number += 1

    async def _upload(self, spool: SpooledTemporaryFile[bytes], number: int) -> None:
        with spool:
            etag, crc32 = "", ""
            if not self._is_abandoned:
                etag, crc32 = await self._store.send(
                    "upload_part", spool, Key=self._name, UploadId=self._state.upload_id, PartNumber=number
                )
        self._state.parts.append(_Part(number, etag, crc32))

    async def _sent(self) -> None:
        """Wait until no part is on its way. Raise what sending it raised."""
        if self._sending is not None:
            await asyncio.shield(self._sending)
            self._sending = None

    async def _make_object(self) -> None:
        state = self._state
        if not state.upload_id:
            await self._store.send("put_object", self._spool, Key=self._name, IfNoneMatch="*", **self._store.encryption)
            return
        if self._spooled:
            await self._send_part()
            await self._sent()
        parts: list[CompletedPartTypeDef] = [
            {"PartNumber": part.number, "ETag": part.etag, "ChecksumCRC32": part.crc32} for part in state.parts
        ]
        await self._store.call(
            "complete_multipart_upload",
            Key=self._name,
            UploadId=state.upload_id,
            MultipartUpload={"Parts": parts},
            IfNoneMatch="*",
        )


def _client(location: S3Location) -> S3Client:
    styles: dict[bool | None, Literal["path", "virtual", "auto"]] = {True: "path", False: "virtual", None: "auto"}
    return boto3.session.Session().client(
        "s3",
        endpoint_url=location.endpoint,
        region_name=location.region,
        config=Config(
            signature_version="s3v4",
            # Every body has a checksum of our own; to sign it as well would hash it once more.
            s3={"addressing_style": styles[location.path_style], "payload_signing_enabled": False},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"mode": "standard", "max_attempts": _ATTEMPTS},
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            max_pool_connections=_THREADS,
        ),
    )


@contextlib.contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        # An answer to HEAD has no body, hence no code of S3's own; any other bare 404 is of something in between.
        if code in _MISSING or (code == "404" and error.operation_name == "HeadObject"):
            raise ObjectMissing("an object or an unfinished upload is missing in S3") from error
        if code == "PreconditionFailed":
            raise ObjectExists("another writer has made the object") from error
        raise StorageError(f"S3 refused {error.operation_name}: {code}") from error
    except (BotoCoreError, ResponseParserError, HTTPError) as error:
        raise StorageError(f"S3 doesn't answer: {type(error).__name__}") from error
    except OSError as error:
        raise StorageError(f"a part could not be gathered or sent: {error.strerror or error}") from error


async def _ended(task: asyncio.Task[None]) -> None:
    """Wait for the end of a task whose outcome nobody asks for, whatever happens to the one who waits."""
    was_cancelled = False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            was_cancelled = True
    if not task.cancelled():
        task.exception()
    if was_cancelled:
        raise asyncio.CancelledError


def _part_size(size: int | None) -> int:
    """Return the bytes of each part: a multiple of 1 MiB with which the blob stays far below the limit of parts."""
    if size is None:
        return _PART
    if size > _PARTS // 2 * _LARGEST_PART:
        raise ObjectTooLarge(_PARTS // 2 * _LARGEST_PART)
    return max(_SMALL_PART, -(-size // (_PARTS // 2) // (1 << 20)) << 20)


def _decoded(state: bytes, offset: int) -> _State:
    try:
        known = msgspec.msgpack.decode(state, type=_State)
    except msgspec.DecodeError as error:
        raise ObjectMissing(f"nothing is known of the {offset} bytes that were saved") from error
    if not known.assembled <= offset < known.assembled + known.part_size or bool(known.tail) != (
        offset > known.assembled
    ):
        raise ObjectMissing(f"what was saved is not {offset} bytes")
    return known


def _new_spool() -> SpooledTemporaryFile[bytes]:
    return SpooledTemporaryFile(_IN_MEMORY)


def _crc32(content: SpooledTemporaryFile[bytes]) -> str:
    content.seek(0)
    checksum = 0
    while piece := content.read(1 << 20):
        checksum = zlib.crc32(piece, checksum)
    content.seek(0)
    return base64.b64encode(checksum.to_bytes(4, "big")).decode()
