"""A bucket of S3 as the driver sees it: requests in threads, StorageErrors instead of boto3's, and nothing of blobs."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import email.utils
import time
import zlib
from collections.abc import Callable, Sequence
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from registry.storage.base import CHUNK_SIZE, ObjectExists, ObjectMissing, StorageError
from registry.storage.s3_client import new_client, new_session, refuse_cut, translated_errors
from registry.storage.threads import Threads, alone, ended
from registry.storage_url import S3Location

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from types_boto3_s3.type_defs import CompletedPartTypeDef

_REQUESTS: Final = 16  # requests of one process at a time that send and fetch little, and
_PARTS: Final = 16  # those that send a part: none of the others waits for these
_DISK: Final = 4  # threads that gather parts
_ASSEMBLIES: Final = 16  # multipart uploads that end
_ASSEMBLY_SECONDS: Final = 600  # for an answer to the end of a multipart upload: some servers copy all parts then
_LOOK_SECONDS: Final = 5  # between looks whether the object is there before that answer
_CLOCK_SECONDS: Final = 60.0  # after which S3 is asked again what time it is
CLOCK_AHEAD: Final = 300.0  # seconds; S3 itself refuses from 900 on
_IN_MEMORY: Final = 1 << 20  # bytes of a spool; more go to a file, which is mostly gone before the kernel writes it

T = TypeVar("T")
Spool = SpooledTemporaryFile[bytes]


def new_spool() -> Spool:
    """Return a place for the bytes of one part."""
    return SpooledTemporaryFile(_IN_MEMORY)


def spool_of(content: bytes) -> Spool:
    """Return what holds the bytes of one part."""
    spool = new_spool()
    spool.write(content)
    return spool


class Bucket:
    """Requests to one bucket. Each raises ObjectMissing for what isn't there, else StorageError."""

    def __init__(self, location: S3Location) -> None:
        self.location = location
        self.session = new_session()
        self._client = new_client(self.session, location)
        self._client.meta.events.register("after-call.s3", self._note_clock)
        self._client.meta.events.register("after-call.s3", refuse_cut)
        self._client.meta.events.register("needs-retry.s3", self._forget_silent)
        # Tried once: a second attempt while S3 is at the first would get an answer that says nothing.
        self._assembler = new_client(self.session, location, read_seconds=_ASSEMBLY_SECONDS, attempts=1)
        self._requests = Threads(_REQUESTS, "s3", translated_errors)
        self._parts = Threads(_PARTS, "s3-part", translated_errors)
        self._disk = Threads(_DISK, "s3-spool", translated_errors)
        self._assemblies = asyncio.Semaphore(_ASSEMBLIES)
        self.clock_ahead = 0.0  # seconds by which S3's clock is ahead of ours, as its last answer says
        self._clock_asked = -_CLOCK_SECONDS

    async def run(self, call: Callable[..., T], *args: object) -> T:
        """Return what a call returns that may block."""
        return await self._requests.run(call, *args)

    async def call(self, operation: str, **parameters: Any) -> Any:
        """Return S3's answer to an operation on the bucket."""
        method = getattr(self._client, operation)
        return await self._requests.run(lambda: method(Bucket=self.location.bucket, **parameters))

    async def put(self, name: str, content: Spool, **parameters: Any) -> str:
        """Make an object of what was gathered; return its checksum."""
        threads = self._requests if content.tell() <= _IN_MEMORY else self._parts
        try:
            _, crc32 = await self._send(threads, "put_object", content, Key=name, **parameters, **self.encryption)
        except StorageError as error:
            # versitygw may refuse an object that is there by ending the connection while its bytes still come.
            if "IfNoneMatch" in parameters and isinstance(error.__cause__, ConnectionClosedError):
                with contextlib.suppress(ObjectMissing):
                    await self.call("head_object", Key=name)
                    raise ObjectExists("another writer has made the object") from error
            raise
        return crc32

    async def begin_upload(self, name: str) -> str:
        """Begin a multipart upload and return its id."""
        made = await self.call("create_multipart_upload", Key=name, ChecksumAlgorithm="CRC32", **self.encryption)
        return str(made["UploadId"])

    async def put_part(self, name: str, upload_id: str, number: int, content: Spool) -> tuple[str, str]:
        """Send a part; return its ETag and its checksum."""
        where = {"Key": name, "UploadId": upload_id, "PartNumber": number}
        return await self._send(self._parts, "upload_part", content, **where)

    async def finish_upload(
        self, name: str, upload_id: str, parts: Sequence[CompletedPartTypeDef], *, size: int
    ) -> None:
        """Make an object of `size` bytes of the parts. Raise ObjectExists where one is there that may be another.

        What S3 answers is not believed: to who assembles what is assembled already, or just being assembled, versitygw says
        that all is well, whatever the parts are.
        """

        def finish() -> str:
            self._assembler.close()  # A connection that is idle may be a dead one, which would be waited for.
            made = self._assembler.complete_multipart_upload(
                Bucket=self.location.bucket,
                Key=name,
                UploadId=upload_id,
                MultipartUpload={"Parts": parts},
                IfNoneMatch="*",
            )
            return made.get("ETag", "")

        async with self._assemblies:
            etag = await self._assembled(finish, name, size)
        try:
            found = await self.call("head_object", Key=name)
        except ObjectMissing:
            raise StorageError("S3 is still assembling an object") from None
        if (found.get("ETag"), found["ContentLength"]) != (etag, size):
            raise ObjectExists("another writer has made the object")

    async def _assembled(self, finish: Callable[[], str], name: str, size: int) -> str:
        """Return the ETag of an object when S3 says that it is made. Raise ObjectExists where S3 is silent and it is there.

        The machine may have vanished with its answer. Of whose bytes the object is made shows when they are read again.
        """
        answer = alone(finish, "s3-assembly", translated_errors)
        try:
            while not (await asyncio.wait([answer], timeout=_LOOK_SECONDS))[0]:
                if await self._is_there(name, size):
                    raise ObjectExists("an object is there, and nobody has said who made it")
        except asyncio.CancelledError:
            await ended(answer)
            raise
        return await answer

    async def gather(self, spool: Spool, pieces: list[memoryview]) -> None:
        """Append pieces to what is gathered."""
        await self._disk.run(spool.writelines, pieces)

    async def fetch(self, name: str, spool: Spool, size: int, crc32: str) -> None:
        """Append an object of `size` bytes to what is gathered. Raise ObjectMissing where it has fewer or others."""
        left, found = size, 0
        with contextlib.closing(await self.opened(name, 0, size)) as body:
            while left and (piece := await self.read(body, min(CHUNK_SIZE, left))):
                await self._disk.run(spool.write, piece)
                left -= len(piece)
                found = zlib.crc32(piece, found)
        if left or (crc32 and _encoded(found) != crc32):
            raise ObjectMissing("the end of an unfinished upload is not what was saved of it")

    async def opened(self, name: str, start: int, stop: int) -> StreamingBody:
        """Return the bytes from `start` up to `stop` of an object, to be read and closed."""
        opened: list[StreamingBody] = []

        def get() -> None:
            answer = self._client.get_object(Bucket=self.location.bucket, Key=name, Range=f"bytes={start}-{stop - 1}")
            opened.append(answer["Body"])
            if not answer.get("ContentRange", "").startswith(f"bytes {start}-"):
                raise StorageError("S3, or what is before it, ignores ranges")

        try:
            await self._requests.run(get)
        except BaseException:
            for body in opened:  # cancelled: nobody is left who would
                body.close()
            raise
        return opened[0]

    async def read(self, body: StreamingBody, size: int) -> bytes:
        """Return the next `size` bytes of what was opened, fewer where it ends."""
        try:
            return await self.run(body.read, size)
        except StorageError as error:
            self._forget_silent(error.__cause__)
            raise

    async def holds(self, name: str, size: int) -> bool:
        """Say whether an object of exactly `size` bytes is there."""
        try:
            found = await self.call("head_object", Key=name)
        except ObjectMissing:
            try:  # in S3's own words, which an answer to HEAD has none of
                (await self.opened(name, 0, 1)).close()
            except ObjectMissing:
                return False
            raise StorageError("S3 answered 404 to HEAD of an object that it has") from None
        return bool(found["ContentLength"] == size) or await self._size(name) == size

    async def _is_there(self, name: str, size: int) -> bool:
        with contextlib.suppress(StorageError):
            return await self._size(name) == size
        return False

    async def _size(self, name: str) -> int:
        """Return an object's size, -1 where it is empty or missing: with a byte of it, which shows that the head was whole."""

        def size() -> int:
            answer = self._client.get_object(Bucket=self.location.bucket, Key=name, Range="bytes=0-0")
            with contextlib.closing(answer["Body"]) as body:
                body.read()
            return int(answer["ContentRange"].rpartition("/")[2])

        try:
            return await self.run(size)
        except ObjectMissing:
            return -1

    async def delete(self, name: str) -> None:
        """Delete an object, if it is there."""
        await self.call("delete_object", Key=name)

    async def delete_all(self, prefix: str) -> None:
        """Delete every object whose name begins with `prefix`."""
        for found in await self._listed("list_objects_v2", "Contents", prefix):
            await self.delete(found["Key"])

    async def end_upload(self, name: str, upload_id: str) -> None:
        """End a multipart upload, if it is there."""
        with contextlib.suppress(ObjectMissing):
            await self.call("abort_multipart_upload", Key=name, UploadId=upload_id)

    async def end_uploads(self, name: str) -> None:
        """End every multipart upload of an object."""
        for upload in await self._listed("list_multipart_uploads", "Uploads", name):
            await self.end_upload(upload["Key"], upload["UploadId"])

    async def clock_agrees(self) -> bool:
        """Say whether S3's clock and ours are near enough for what is signed here to hold there."""
        if time.monotonic() - self._clock_asked > _CLOCK_SECONDS:
            self._clock_asked = time.monotonic()
            with contextlib.suppress(StorageError):  # its refusal has a date too
                await self.call("head_bucket")
        return abs(self.clock_ahead) < CLOCK_AHEAD

    @property
    def encryption(self) -> dict[str, str]:
        """The parameters of a request that makes an object."""
        given = {"ServerSideEncryption": self.location.encryption, "SSEKMSKeyId": self.location.kms_key}
        return {name: value for name, value in given.items() if value is not None}

    def close(self) -> None:
        """End the threads when their calls have ended, and the connections."""
        for threads in (self._requests, self._parts, self._disk):
            threads.close()
        self._client.close()
        self._assembler.close()

    async def _listed(
        self, operation: Literal["list_objects_v2", "list_multipart_uploads"], what: str, prefix: str
    ) -> list[Any]:
        """Return `what` of all pages of a list of names that begin with `prefix`."""

        def listed() -> list[Any]:
            paginator: Any = self._client.get_paginator(operation)
            pages = paginator.paginate(Bucket=self.location.bucket, Prefix=prefix)
            return [found for page in pages for found in page.get(what, [])]

        return await self.run(listed)

    async def _send(self, threads: Threads, operation: str, content: Spool, **parameters: Any) -> tuple[str, str]:
        method = getattr(self._client, operation)

        def send() -> tuple[str, str]:
            crc32 = _crc32(content)
            answer = method(Bucket=self.location.bucket, Body=content, ChecksumCRC32=crc32, **parameters)
            etag: str = answer["ETag"]
            if etag.startswith('"') and (len(etag) < 2 or not etag.endswith('"')):
                raise StorageError("S3's answer was cut off")
            return etag, crc32

        return await threads.run(send)

    def _forget_silent(self, caught_exception: BaseException | None = None, **_: Any) -> None:
        """After an answer that never came, use no idle connection again: their machine may have vanished, too."""
        if isinstance(caught_exception, ReadTimeoutError):
            self._client.close()

    def _note_clock(self, parsed: dict[str, Any], **_: Any) -> None:
        with contextlib.suppress(KeyError, TypeError, ValueError):  # an answer without a date says nothing
            told = email.utils.parsedate_to_datetime(parsed["ResponseMetadata"]["HTTPHeaders"]["date"])
            self.clock_ahead = told.timestamp() - time.time()


def _crc32(content: Spool) -> str:
    content.seek(0)
    checksum = 0
    while piece := content.read(1 << 20):
        checksum = zlib.crc32(piece, checksum)
    content.seek(0)
    return _encoded(checksum)


def _encoded(crc32: int) -> str:
    return base64.b64encode(crc32.to_bytes(4, "big")).decode()
