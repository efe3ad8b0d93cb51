"""What BLACKLAKE_STORAGE may be, and what is said of what it may not be."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.storage_url import FileLocation, MemoryLocation, S3Location, StorageLocation, parse_storage


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("memory:", MemoryLocation()),
        ("file:///var/lib/blobs", FileLocation(Path("/var/lib/blobs"))),
        ("file:///with%20space", FileLocation(Path("/with space"))),
        ("s3://models", S3Location("models", "")),
        ("s3://models/", S3Location("models", "")),
        ("s3://models/a/b/", S3Location("models", "a/b/")),
        (
            "s3://models/a?endpoint=http://127.0.0.1:7070&region=eu-west-1&path_style=true",
            S3Location("models", "a/", "http://127.0.0.1:7070", "eu-west-1", True),
        ),
        (
            "s3://models?path_style=false&encryption=aws:kms&kms_key=alias/models",
            S3Location("models", "", None, None, False, "aws:kms", "alias/models"),
        ),
    ],
)
def test_a_location_is_read(text: str, location: StorageLocation) -> None:
    assert parse_storage(text) == location


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "none of file:///path"),
        ("/var/lib/blobs", "none of file:///path"),
        ("file://host/path", "none of file:///path"),
        ("file:relative", "none of file:///path"),
        ("s3://", "is no bucket's name"),
        ("s3://UPPER", "is no bucket's name"),
        ("s3://KEY:secret@models", "credentials don't belong into the URL"),
        ("s3://models?endpoint=http://user:secret@127.0.0.1:7070", "credentials don't belong into the URL"),
        ("s3://models?endpoint=127.0.0.1:7070", "neither http:// nor https://"),
        ("s3://models?path_style=yes", "path_style is true or false"),
        ("s3://models?encryption=rot13", "encryption is one of AES256"),
        ("s3://models?kms_key=k", "kms_key needs encryption=aws:kms"),
        ("s3://models?encryption=AES256&kms_key=k", "kms_key needs encryption=aws:kms"),
        ("s3://models?regoin=x", "regoin is no parameter of s3://; those are endpoint, region"),
    ],
)
def test_what_is_no_location_is_refused_with_what_it_may_be(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_storage(text)
