"""How S3 is spoken to: clients of boto3, and StorageErrors instead of what those raise."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Literal

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError
from botocore.handlers import add_expect_header
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from registry.storage.base import ObjectExists, ObjectMissing, StorageError
from registry.storage_url import S3Location

if TYPE_CHECKING:
    from botocore.model import OperationModel
    from types_boto3_s3 import S3Client

ATTEMPTS: Final = 4
_CONNECTIONS: Final = 64  # that are kept open; a read under way has one of its own
_CONNECT_SECONDS: Final = 5
_READ_SECONDS: Final = 10  # for an answer to begin or to go on
NO_CREDENTIALS: Final = (
    "there are no credentials for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile or role"
)
_PROOF: Final = {
    "CreateMultipartUpload": "UploadId",
    "GetObject": "ContentLength",
    "HeadObject": "ContentLength",
    "ListMultipartUploads": "IsTruncated",
    "ListObjectsV2": "IsTruncated",
    "PutObject": "ETag",
    "UploadPart": "ETag",
}
"""What a whole answer has. Python takes a connection that ends inside an answer's head for the end of the head."""
_MISSING: Final = ("NoSuchKey", "NoSuchUpload", "InvalidRange", "InvalidPart")


class Refused(StorageError):
    """S3 answered with an error of its own, `code`."""

    def __init__(self, operation: str, code: str) -> None:
        super().__init__(f"S3 refused {operation}: {code}")
        self.code = code


def new_session() -> Session:
    """Return what finds credentials, and what clients share. Raise StorageError where a profile isn't there."""
    with _usable():
        return Session()


def new_client(
    session: Session,
    location: S3Location,
    *,
    endpoint: str | None = None,
    read_seconds: float = _READ_SECONDS,
    attempts: int = ATTEMPTS,
) -> S3Client:
    """Return a client for the location, or for another `endpoint` of it, that waits `read_seconds` for bytes.

    Raise StorageError where the location or the environment's credentials can't be used.
    """
    styles: dict[bool | None, Literal["path", "virtual", "auto"]] = {True: "path", False: "virtual", None: "auto"}
    with _usable():
        client = session.client(
            "s3",
            endpoint_url=endpoint or location.endpoint,
            region_name=location.region,
            config=Config(
                signature_version="s3v4",
                # Every body has a checksum of our own; to sign it as well would hash it once more.
                s3={"addressing_style": styles[location.path_style], "payload_signing_enabled": False},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                retries={"mode": "standard", "max_attempts": attempts},
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=read_seconds,
                max_pool_connections=_CONNECTIONS,
            ),
        )
    # A connection that ends inside `100 Continue` would keep a thread busy in botocore for ever.
    client.meta.events.unregister("before-call.s3", add_expect_header)
    return client


@contextlib.contextmanager
def _usable() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ValueError) as error:  # a profile that isn't there, half a key, a URL that is none
        raise StorageError(f"S3 can't be spoken to: {error}") from error


def refuse_cut(parsed: dict[str, Any], model: OperationModel, **_: Any) -> None:
    """Raise StorageError for an answer without what every whole one has."""
    if parsed["ResponseMetadata"]["HTTPStatusCode"] < 300 and _PROOF.get(model.name, "ResponseMetadata") not in parsed:
        if "Body" in parsed:
            parsed["Body"].close()
        raise StorageError("S3's answer was cut off")


@contextlib.contextmanager
def translated_errors() -> Iterator[None]:
    """Raise ObjectMissing, ObjectExists or StorageError for what boto3 or a file raises in the block."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        # An answer to HEAD has no body, hence no code of S3's own; any other bare 404 is of something in between.
        if code in _MISSING or (code == "404" and error.operation_name == "HeadObject"):
            raise ObjectMissing("an object or an unfinished upload is missing in S3") from error
        if code == "NoSuchBucket":
            raise StorageError("there is no such bucket in S3: make it first") from error
        if code == "PreconditionFailed":
            raise ObjectExists("another writer has made the object") from error
        raise Refused(error.operation_name, code) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise StorageError(NO_CREDENTIALS) from error
    except (BotoCoreError, ResponseParserError, HTTPError, ValueError) as error:  # ValueError: of half a number or date
        raise StorageError(f"S3 doesn't answer: {type(error).__name__}") from error
    except OSError as error:
        raise StorageError(f"a part could not be gathered or sent: {error.strerror or error}") from error
