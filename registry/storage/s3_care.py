"""A bucket in an operator's hands: whether it does all that the driver needs, and the rules that it should have."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import math
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import urllib3

from registry.storage.base import ObjectExists, StorageError
from registry.storage.s3_bucket import CLOCK_AHEAD, Bucket, spool_of
from registry.storage.s3_client import NO_CREDENTIALS, Refused
from registry.storage.s3_urls import Signer, new_signer
from registry.storage_url import S3Location

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import CompletedPartTypeDef

RULE: Final = "blacklake-abort-incomplete-uploads"
"""What the id of our lifecycle rule begins with, before the prefix; rules with other ids are left as they are."""

_LONGEST_ID: Final = 255  # characters of a rule's id
_LEAST_DAYS: Final = 30  # S3 counts from an upload's begin, we from its last byte, and we end it long before that
_PART: Final = 5 << 20  # bytes, the least that S3 takes of a part that isn't the last
_SECONDS: Final = 10.0  # for a signed URL to answer
_NO_REDIRECTS: Final = "Clients can't be redirected there: mend that, or set BLACKLAKE_REDIRECT=never"
# What servers answer to settings of Amazon's that they haven't got: MinIO the third, versitygw the first and the last.
_UNKNOWN: Final = ("NotImplemented", "MalformedXML", "InvalidArgument", "VersioningNotConfigured")


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one step: `text` says what was found, or what is wrong and what to do."""

    step: str
    is_well: bool
    text: str


async def check_bucket(location: S3Location) -> AsyncGenerator[Finding, None]:
    """Try on the bucket all that the driver does there; yield what came of each step. What was put is deleted again."""
    try:
        bucket = Bucket(location)
    except StorageError as error:
        yield Finding("credentials", is_well=False, text=str(error))
        return
    try:
        signer = new_signer(bucket.session, location)
        try:
            async for finding in _Check(bucket, signer).run():
                yield finding
        finally:
            signer.close()
    except ValueError as error:  # CloudFront's key
        yield Finding("signed URLs", is_well=False, text=str(error))
    finally:
        bucket.close()


async def set_up_bucket(location: S3Location, *, upload_ttl: float, versioning: bool) -> AsyncGenerator[Finding, None]:
    """Let the bucket end multipart uploads that are old, and keep old versions where `versioning` asks for it.

    `upload_ttl` is in seconds. No rule of ours expires an object, and the rules of others stay.
    """
    try:
        bucket = Bucket(location)
    except StorageError as error:
        yield Finding("credentials", is_well=False, text=str(error))
        return
    steps: list[tuple[str, Callable[[], Awaitable[str]]]] = [("lifecycle", lambda: _set_lifecycle(bucket, upload_ttl))]
    if versioning:
        steps.append(("versioning", lambda: _set_versioning(bucket)))
    try:
        for step, work in steps:
            try:
                yield Finding(step, is_well=True, text=await work())
            except StorageError as error:
                is_unknown = isinstance(error, Refused) and error.code in _UNKNOWN and location.endpoint is not None
                unknown = f"this server knows no such setting ({error}): see to it by a setting of its own"
                yield Finding(step, is_well=is_unknown, text=unknown if is_unknown else str(error))
    finally:
        bucket.close()


class _Check:
    def __init__(self, bucket: Bucket, signer: Signer) -> None:
        self._bucket = bucket
        self._signer = signer
        self._name = f"{bucket.location.prefix}check.{secrets.token_hex(8)}"
        self._content = secrets.token_bytes(1000)

    async def run(self) -> AsyncGenerator[Finding, None]:
        steps: list[tuple[str, Callable[[], Awaitable[str]]]] = [
            ("credentials", self._credentials),
            ("bucket", self._reach),
            ("clock", self._clock),
            ("write", self._write),
            ("write once", self._write_once),
            ("checksums", self._checksums),
            ("read", self._read),
            ("signed URLs", self._signed_url),
            ("multipart", self._multipart),
            ("abort", self._abort),
            ("delete", self._delete),
        ]
        for name, step in steps:
            try:
                yield Finding(name, is_well=True, text=await step())
            except StorageError as error:
                yield Finding(name, is_well=False, text=str(error))
                if name in ("credentials", "bucket"):
                    return  # nothing else can be tried

    async def _credentials(self) -> str:
        found = await self._bucket.run(self._bucket.session.get_credentials)
        if found is None:
            raise StorageError(NO_CREDENTIALS)
        return f"found ({found.method})"

    async def _reach(self) -> str:
        await self._bucket.call("list_objects_v2", Prefix=self._name, MaxKeys=1)
        return f"{self._bucket.location.bucket} can be listed"

    async def _clock(self) -> str:
        ahead = self._bucket.clock_ahead
        if abs(ahead) >= CLOCK_AHEAD:
            raise StorageError(
                f"S3's clock is {ahead:+.0f} s from this machine's: signed URLs would not hold; set the time"
            )
        return f"{abs(ahead):.0f} s apart"

    async def _write(self) -> str:
        with spool_of(self._content) as spool:
            await self._bucket.put(self._name, spool)
        return "an object was put with its checksum"

    async def _write_once(self) -> str:
        with spool_of(b"other") as spool:
            try:
                await self._bucket.put(self._name, spool, IfNoneMatch="*")
            except ObjectExists:
                return "an object that exists is not replaced"
        raise StorageError("the server ignores If-None-Match: two nodes that write one blob could spoil it")

    async def _checksums(self) -> str:
        wrong = base64.b64encode(bytes(4)).decode()
        try:
            await self._bucket.call("put_object", Key=f"{self._name}.wrong", Body=self._content, ChecksumCRC32=wrong)
        except StorageError:
            return "bytes that don't fit their checksum are refused"
        await self._bucket.delete(f"{self._name}.wrong")
        raise StorageError(
            "the server takes bytes that don't fit their CRC-32: what is spoiled on the way would be kept"
        )

    async def _read(self) -> str:
        with contextlib.closing(await self._bucket.opened(self._name, 10, 20)) as body:
            if await self._bucket.read(body, 11) != self._content[10:20]:
                raise StorageError("a range of the object has other bytes than were put")
        return "a range has the bytes that were put"

    async def _signed_url(self) -> str:
        url = await self._bucket.run(self._signer.url, self._name)
        where, _, _ = url.partition("?")
        try:
            answer = await asyncio.to_thread(urllib3.request, "GET", url, timeout=_SECONDS, retries=False)
        except urllib3.exceptions.HTTPError as error:
            raise StorageError(f"{where} can't be reached from here: {error}. {_NO_REDIRECTS}") from error
        if answer.status != 200 or answer.data != self._content:
            raise StorageError(f"{where} answers {answer.status}. {_NO_REDIRECTS}")
        return f"{where} serves whoever has the signature"

    async def _multipart(self) -> str:
        name = f"{self._name}.parts"
        upload_id = await self._bucket.begin_upload(name)
        parts: list[CompletedPartTypeDef] = []
        for number, content in enumerate((bytes(_PART), b"end"), 1):
            with spool_of(content) as spool:
                etag, crc32 = await self._bucket.put_part(name, upload_id, number, spool)
            parts.append({"PartNumber": number, "ETag": etag, "ChecksumCRC32": crc32})
        await self._bucket.finish_upload(name, upload_id, parts, size=_PART + len(b"end"))
        return "an object was assembled of parts"

    async def _abort(self) -> str:
        name = f"{self._name}.aborted"
        upload_id = await self._bucket.begin_upload(name)
        listed = await self._bucket.call("list_multipart_uploads", Prefix=name)
        await self._bucket.end_upload(name, upload_id)
        if upload_id not in [upload["UploadId"] for upload in listed.get("Uploads", [])]:
            raise StorageError("the server doesn't list unfinished uploads: what deleted uploads leave stays there")
        return "unfinished uploads can be listed and ended"

    async def _delete(self) -> str:
        await self._bucket.end_uploads(f"{self._name}.parts")
        await self._bucket.delete_all(self._name)
        if await self._bucket.holds(self._name, len(self._content)):
            raise StorageError("the object is still there after it was deleted")
        return "what was put is gone"


async def _set_lifecycle(bucket: Bucket, upload_ttl: float) -> str:
    days = max(_LEAST_DAYS, math.ceil(2 * upload_ttl / 86400))
    name = f"{RULE}:{bucket.location.prefix}"[:_LONGEST_ID]
    rule = {
        "ID": name,
        "Status": "Enabled",
        "Filter": {"Prefix": bucket.location.prefix},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": days},
    }
    found: dict[str, Any] = {"Rules": []}
    try:
        found = await bucket.call("get_bucket_lifecycle_configuration")
    except Refused as error:
        if error.code != "NoSuchLifecycleConfiguration":
            raise
    others = [other for other in found["Rules"] if other.get("ID") != name]
    settings = {key: found[key] for key in ("TransitionDefaultMinimumObjectSize",) if key in found}
    await bucket.call(
        "put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": [*others, rule]}, **settings
    )
    return f"S3 ends uploads that were begun {days} days ago; {len(others)} other rules stay as they are"


async def _set_versioning(bucket: Bucket) -> str:
    await bucket.call("put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"})
    return "old versions are kept: what Blacklake deletes stays in S3 until a rule of yours expires old versions"
