"""BLACKLAKE_STORAGE as a value: where blobs lie, and how the server there wants to be spoken to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_TRUE: Final = {"true": True, "false": False}
_ENCRYPTIONS: Final = ("AES256", "aws:kms", "aws:kms:dsse")


@dataclass(frozen=True, slots=True)
class MemoryLocation:
    """The memory of one process."""


@dataclass(frozen=True, slots=True)
class FileLocation:
    """A directory that all nodes see."""

    root: Path


@dataclass(frozen=True, slots=True)
class S3Location:
    """A bucket, and the prefix of every key in it ("" or ending with `/`).

    Credentials are none of this: boto3 finds them where every AWS client does (variables, files, roles).
    """

    bucket: str
    prefix: str
    endpoint: str | None = None
    region: str | None = None
    path_style: bool | None = None
    encryption: str | None = None
    kms_key: str | None = None


StorageLocation: TypeAlias = MemoryLocation | FileLocation | S3Location


def parse_storage(text: str) -> StorageLocation:
    """Return what `memory:`, `file:///path` or `s3://bucket/prefix?…` means. Raise ValueError, which says what it may be."""
    url = urlsplit(text)
    if url.scheme == "memory":
        return MemoryLocation()
    if url.scheme == "file" and not url.netloc and url.path.startswith("/"):
        return FileLocation(Path(unquote(url.path)))
    if url.scheme == "s3":
        return _s3(url.netloc, unquote(url.path), url.query)
    raise ValueError("this is none of file:///path, s3://bucket/prefix and memory:")


def _s3(bucket: str, path: str, query: str) -> S3Location:
    given = dict(parse_qsl(query, keep_blank_values=True))
    endpoint, region = given.pop("endpoint", None), given.pop("region", None)
    if "@" in bucket or (endpoint is not None and "@" in urlsplit(endpoint).netloc):
        raise ValueError(
            "credentials don't belong into the URL: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile, hold them"
        )
    if _BUCKET.fullmatch(bucket) is None:
        raise ValueError(f"{bucket!r} is no bucket's name: s3://bucket/prefix")
    style, encryption, key = given.pop("path_style", None), given.pop("encryption", None), given.pop("kms_key", None)
    if given:
        known = "endpoint, region, path_style, encryption, kms_key"
        raise ValueError(f"{', '.join(given)} is no parameter of s3://; those are {known}")
    if endpoint is not None and urlsplit(endpoint).scheme not in ("http", "https"):
        raise ValueError(f"the endpoint {endpoint!r} is neither http:// nor https://")
    if style is not None and style not in _TRUE:
        raise ValueError("path_style is true or false")
    if encryption is not None and encryption not in _ENCRYPTIONS:
        raise ValueError(f"encryption is one of {', '.join(_ENCRYPTIONS)}")
    if key is not None and encryption in (None, "AES256"):
        raise ValueError("kms_key needs encryption=aws:kms")
    prefix = path.strip("/")
    return S3Location(
        bucket, f"{prefix}/" if prefix else "", endpoint, region, _TRUE[style] if style else None, encryption, key
    )
