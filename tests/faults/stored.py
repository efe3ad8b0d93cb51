"""What lies in a storage, seen without the registry."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from registry.storage_url import S3Location

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


class Found(NamedTuple):
    """Bytes by storage key: of what lies there as a blob does, and of the pieces that an unfinished upload has."""

    whole: dict[str, int]
    pieces: dict[str, int]


class Stored(Protocol):
    """Looks into a storage."""

    def found(self) -> Found:
        """Return what is there now."""


class Directory:
    """The filesystem driver's: an unfinished upload is a file as a blob is one."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def found(self) -> Found:
        """See Stored."""
        files = {path.name: path.stat().st_size for path in list(self._root.rglob("*")) if path.is_file()}
        return Found(files, files)


class Objects:
    """The S3 driver's: an unfinished upload is parts of a multipart upload and an object beside the blob's."""

    def __init__(self, client: S3Client, location: S3Location) -> None:
        self._client = client
        self._location = location

    def found(self) -> Found:
        """See Stored."""
        place = {"Bucket": self._location.bucket, "Prefix": self._location.prefix}
        whole: dict[str, int] = {}
        pieces: Counter[str] = Counter()
        for page in self._client.get_paginator("list_objects_v2").paginate(**place):
            for found in page.get("Contents", []):
                key, _, piece = found["Key"].rpartition("/")[2].partition(".")
                if piece:
                    pieces[key] += found["Size"]
                else:
                    whole[key] = found["Size"]
        for uploads in self._client.get_paginator("list_multipart_uploads").paginate(**place):
            for upload in uploads.get("Uploads", []):
                key = upload["Key"].rpartition("/")[2]
                parts = self._client.list_parts(Bucket=place["Bucket"], Key=upload["Key"], UploadId=upload["UploadId"])
                pieces[key] += sum(part["Size"] for part in parts.get("Parts", []))
        return Found(whole, pieces)
