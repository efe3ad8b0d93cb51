"""What BLACKLAKE_STORAGE may be, and what is said of what it may not be."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.storage_url import (
    AzureLocation,
    CloudFront,
    FileLocation,
    GoogleLocation,
    MemoryLocation,
    S3Location,
    StorageLocation,
    parse_storage,
)


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
            "s3://models?part_sizes=growing&public_endpoint=https://objects.example",
            S3Location("models", "", growing_parts=True, public_endpoint="https://objects.example"),
        ),
        (
            "s3://models?cloudfront_url=https://d1.cloudfront.net/&cloudfront_key_id=K2&cloudfront_key_file=/etc/key.pem",
            S3Location("models", "", cloudfront=CloudFront("https://d1.cloudfront.net", "K2", Path("/etc/key.pem"))),
        ),
        (
            "s3://models/a?endpoint=http://127.0.0.1:7070&region=eu-west-1&path_style=true",
            S3Location("models", "a/", "http://127.0.0.1:7070", "eu-west-1", True),
        ),
        (
            "s3://models?path_style=false&encryption=aws:kms&kms_key=alias/models",
            S3Location("models", "", None, None, False, "aws:kms", "alias/models"),
        ),
        ("azure://models", AzureLocation("models", "")),
        ("azure://my-models/a/b/?account=team1", AzureLocation("my-models", "a/b/", "team1")),
        (
            "azure://models?account=team1&endpoint=http://127.0.0.1:10000/team1",
            AzureLocation("models", "", "team1", "http://127.0.0.1:10000/team1"),
        ),
        ("gs://my_models.example.org/", GoogleLocation("my_models.example.org", "")),
        ("gs://models/a?endpoint=http://127.0.0.1:4443", GoogleLocation("models", "a/", "http://127.0.0.1:4443")),
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
        ("s3://models?public_endpoint=objects.example", "the public_endpoint 'objects.example' is neither"),
        ("s3://models?endpoint=http://", "neither http:// nor https:// and a host"),
        (
            "s3://models?cloudfront_url=https://d1.cloudfront.net",
            "CloudFront needs all of cloudfront_url, cloudfront_key_id",
        ),
        ("s3://models?part_sizes=odd", "part_sizes is equal or growing"),
        ("s3://models/a/../b", "has other characters than letters"),
        ("s3://models/a//b", "has other characters than letters"),
        ("s3://models?path_style=yes", "path_style is true or false"),
        ("s3://models?encryption=rot13", "encryption is one of AES256"),
        ("s3://models?kms_key=k", "kms_key needs encryption=aws:kms"),
        ("s3://models?encryption=AES256&kms_key=k", "kms_key needs encryption=aws:kms"),
        ("s3://models?regoin=x", "regoin is no parameter of s3://; those are endpoint, region"),
        ("azure://", "is no container's name"),
        ("azure://two--hyphens", "is no container's name"),
        (f"azure://{'a' * 64}", "is no container's name"),
        ("azure://models?account=Team", "is no storage account's name"),
        ("azure://models?key=secret", "key is no parameter of azure://; those are account, endpoint"),
        ("azure://key@models", "credentials don't belong into the URL: AZURE_STORAGE_ACCOUNT_KEY"),
        ("azure://models/a//b", "the prefix 'a//b' has other characters"),
        ("azure://models/a/../b", "the prefix 'a/../b' has other characters"),
        ("gs://UPPER", "is no bucket's name"),
        ("gs://models?region=x", "region is no parameter of gs://; those are endpoint"),
        ("gs://models?endpoint=http://user:secret@127.0.0.1", "credentials don't belong into the URL: GOOGLE_APPL"),
        ("gs://models?endpoint=ftp://127.0.0.1", "neither http:// nor https://"),
    ],
)
def test_what_is_no_location_is_refused_with_what_it_may_be(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_storage(text)
