"""BLACKLAKE_STORAGE as a value: where blobs lie, and how the server there wants to be spoken to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_GOOGLE_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_CONTAINER: Final = re.compile(r"(?=.{3,63}$)[a-z0-9]+(?:-[a-z0-9]+)*")
_ACCOUNT: Final = re.compile(r"[a-z0-9]{3,24}")
_TRUE: Final = {"true": True, "false": False}
_PART_SIZES: Final = {"equal": False, "growing": True}
_ENCRYPTIONS: Final = ("AES256", "aws:kms", "aws:kms:dsse")
_CLOUDFRONT: Final = ("cloudfront_url", "cloudfront_key_id", "cloudfront_key_file")
_URLS: Final = ("endpoint", "public_endpoint", "cloudfront_url")
_PARAMETERS: Final = (
    "endpoint",
    "region",
    "path_style",
    "encryption",
    "kms_key",
    "part_sizes",
    "public_endpoint",
    *_CLOUDFRONT,
)


@dataclass(frozen=True, slots=True)
class MemoryLocation:
    """The memory of one process."""


@dataclass(frozen=True, slots=True)
class FileLocation:
    """A directory that all nodes see."""

    root: Path


@dataclass(frozen=True, slots=True)
class CloudFront:
    """A distribution of the bucket's, and the key whose signatures it accepts: its id, and the file of the private one."""

    url: str
    key_id: str
    key_file: Path


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
    growing_parts: bool = False
    public_endpoint: str | None = None
    cloudfront: CloudFront | None = None


@dataclass(frozen=True, slots=True)
class AzureLocation:
    """A container of Azure Blob Storage, and the prefix of every name in it ("" or ending with `/`).

    Credentials are none of this: the AZURE_… variables hold them, or the machine's identity is used. So may the account.
    """

    container: str
    prefix: str
    account: str | None = None
    endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class GoogleLocation:
    """A bucket of Google Cloud Storage, and the prefix of every name in it ("" or ending with `/`).

    Credentials are none of this: the GOOGLE_… variables or gcloud's file hold them, or the machine's identity is used.
    """

    bucket: str
    prefix: str
    endpoint: str | None = None


StorageLocation: TypeAlias = MemoryLocation | FileLocation | S3Location | AzureLocation | GoogleLocation


def parse_storage(text: str) -> StorageLocation:
    """Return what `memory:`, `file:///path`, `s3://bucket/prefix?…`, `azure://container/prefix?…` or `gs://…` means.

    Raise ValueError, which says what it may be.
    """
    url = urlsplit(text)
    if url.scheme == "memory":
        return MemoryLocation()
    if url.scheme == "file" and not url.netloc and url.path.startswith("/"):
        return FileLocation(Path(unquote(url.path)))
    if url.scheme == "s3":
        return _s3(url.netloc, unquote(url.path), url.query)
    if url.scheme == "azure":
        return _azure(url.netloc, unquote(url.path), url.query)
    if url.scheme == "gs":
        return _google(url.netloc, unquote(url.path), url.query)
    raise ValueError(
        "this is none of file:///path, s3://bucket/prefix, azure://container/prefix, gs://bucket/prefix and memory:"
    )


def _s3(bucket: str, path: str, query: str) -> S3Location:
    held = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile or role,"
    given = _parameters("s3", bucket, query, _PARAMETERS, held)
    if _BUCKET.fullmatch(bucket) is None:
        raise ValueError(f"{bucket!r} is no bucket's name: s3://bucket/prefix")
    if given.get("path_style", "true") not in _TRUE:
        raise ValueError("path_style is true or false")
    if given.get("part_sizes", "equal") not in _PART_SIZES:
        raise ValueError("part_sizes is equal or growing")
    encryption, kms_key = given.get("encryption"), given.get("kms_key")
    if encryption is not None and encryption not in _ENCRYPTIONS:
        raise ValueError(f"encryption is one of {', '.join(_ENCRYPTIONS)}")
    if kms_key is not None and encryption in (None, "AES256"):
        raise ValueError("kms_key needs encryption=aws:kms")
    return S3Location(
        bucket,
        _prefix(path),
        endpoint=given.get("endpoint"),
        region=given.get("region"),
        path_style=_TRUE[given["path_style"]] if "path_style" in given else None,
        encryption=encryption,
        kms_key=kms_key,
        growing_parts=_PART_SIZES[given.get("part_sizes", "equal")],
        public_endpoint=given.get("public_endpoint"),
        cloudfront=_cloudfront(given),
    )


def _cloudfront(given: dict[str, str]) -> CloudFront | None:
    values = [given[name] for name in _CLOUDFRONT if name in given]
    if not values:
        return None
    if len(values) < len(_CLOUDFRONT):
        raise ValueError(f"CloudFront needs all of {', '.join(_CLOUDFRONT)}")
    url, key_id, key_file = values
    return CloudFront(url.rstrip("/"), key_id, Path(key_file))


def _azure(container: str, path: str, query: str) -> AzureLocation:
    held = "AZURE_STORAGE_ACCOUNT_KEY, or another AZURE_… variable"
    given = _parameters("azure", container, query, ("account", "endpoint"), held)
    if _CONTAINER.fullmatch(container) is None:
        raise ValueError(f"{container!r} is no container's name: azure://container/prefix")
    account = given.get("account")
    if account is not None and _ACCOUNT.fullmatch(account) is None:
        raise ValueError(f"{account!r} is no storage account's name")
    return AzureLocation(container, _prefix(path), account=account, endpoint=given.get("endpoint"))


def _google(bucket: str, path: str, query: str) -> GoogleLocation:
    given = _parameters(
        "gs", bucket, query, ("endpoint",), "GOOGLE_APPLICATION_CREDENTIALS, or another GOOGLE_… variable"
    )
    if _GOOGLE_BUCKET.fullmatch(bucket) is None:
        raise ValueError(f"{bucket!r} is no bucket's name: gs://bucket/prefix")
    return GoogleLocation(bucket, _prefix(path), endpoint=given.get("endpoint"))


def _parameters(scheme: str, place: str, query: str, known: tuple[str, ...], held: str) -> dict[str, str]:
    given = dict(parse_qsl(query, keep_blank_values=True))
    unknown = given.keys() - set(known)
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))} is no parameter of {scheme}://; those are {', '.join(known)}")
    urls = {name: urlsplit(given[name]) for name in _URLS if name in given}
    if "@" in place or any("@" in url.netloc for url in urls.values()):
        raise ValueError(f"credentials don't belong into the URL: {held} holds them")
    for name, url in urls.items():
        if url.scheme not in ("http", "https") or not url.netloc:
            raise ValueError(f"the {name} {given[name]!r} is neither http:// nor https:// and a host")
    return given


def _prefix(path: str) -> str:
    names = path.strip("/")
    if not names:
        return ""
    if not all(re.fullmatch(r"[A-Za-z0-9._-]+", name) and name.strip(".") for name in names.split("/")):
        raise ValueError(
            f"the prefix {names!r} has other characters than letters, digits, `.`, `_` and `-` between its `/`"
        )
    return f"{names}/"
