"""Signed URLs: S3's own, on the servers that can be started here, and CloudFront's, verified as CloudFront does."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from boto3.session import Session
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from registry.storage import s3_bucket
from registry.storage.base import URL_SECONDS, BlobStore, StorageKey, new_key
from registry.storage.s3 import S3Store
from registry.storage.s3_urls import new_signer
from registry.storage_url import CloudFront, S3Location
from tests.s3_servers import S3Server

CONTENT = b"0123456789"


@pytest.fixture
def location(s3_server: S3Server) -> S3Location:
    return s3_server.make_bucket()


@pytest.fixture
async def store(location: S3Location) -> AsyncIterator[BlobStore]:
    made = S3Store(location)
    yield made
    await made.close()


@pytest.fixture
async def blob(store: BlobStore) -> StorageKey:
    key = new_key()
    writer = await store.open_writer(key)
    await writer.write(CONTENT)
    await writer.commit()
    return key


async def ask(method: str, url: str, **more: Any) -> requests.Response:
    return await asyncio.to_thread(requests.request, method, url, **more)


async def signed(store: BlobStore, key: StorageKey) -> str:
    url = await store.signed_url(key)
    assert url is not None
    return url


async def test_a_signed_url_gives_whoever_has_it_the_blob(store: BlobStore, blob: StorageKey) -> None:
    url = await signed(store, blob)
    assert (await ask("get", url)).content == CONTENT
    part = await ask("get", url, headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"234")
    assert dict(parse_qsl(urlsplit(url).query))["X-Amz-Expires"] == str(URL_SECONDS)


async def test_a_signed_url_is_of_one_blob_and_of_reading_alone(store: BlobStore, blob: StorageKey) -> None:
    url = await signed(store, blob)
    other = new_key()
    assert (await ask("get", url.replace(blob, other))).status_code == 403
    assert (await ask("put", url, data=b"other")).status_code == 403
    assert (await ask("delete", url)).status_code == 403
    assert (await ask("get", url)).content == CONTENT


async def test_a_public_endpoint_is_where_clients_are_sent(location: S3Location) -> None:
    store = S3Store(replace(location, public_endpoint="https://objects.example"))
    assert (await signed(store, new_key())).startswith(f"https://objects.example/{location.bucket}/")
    await store.close()


@pytest.mark.parametrize("ahead", [-3600, 3600])
async def test_nothing_is_signed_by_a_clock_that_s3_would_not_believe(
    store: BlobStore, blob: StorageKey, ahead: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = time.time
    with monkeypatch.context() as patch:
        patch.setattr(s3_bucket.time, "time", lambda: right() + ahead)
        assert await store.holds(blob, len(CONTENT))  # S3's answer says what time it is there
        assert await store.signed_url(blob) is None
    assert await store.holds(blob, len(CONTENT))
    assert (await ask("get", await signed(store, blob))).content == CONTENT


async def test_s3_is_asked_what_time_it_is_where_nothing_else_was_asked(
    location: S3Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = time.time
    monkeypatch.setattr(s3_bucket.time, "time", lambda: right() + 3600)
    store = S3Store(location)
    assert await store.signed_url(new_key()) is None
    await store.close()


def write_key(path: Path, key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> Path:
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


def at_cloudfront(key_file: Path) -> S3Location:
    return S3Location("bucket", "", cloudfront=CloudFront("https://d1.cloudfront.example", "K2JCJMDEHXQW5F", key_file))


def test_cloudfront_gets_a_policy_that_its_key_has_signed(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    url = new_signer(Session(), at_cloudfront(write_key(tmp_path / "key", key))).url("some/prefix/ab cd")
    address, _, query = url.partition("?")
    assert address == "https://d1.cloudfront.example/some/prefix/ab%20cd"
    given = dict(parse_qsl(query))
    assert given["Key-Pair-Id"] == "K2JCJMDEHXQW5F"
    assert 0 < int(given["Expires"]) - time.time() <= URL_SECONDS
    condition = {"DateLessThan": {"AWS:EpochTime": int(given["Expires"])}}
    policy = json.dumps({"Statement": [{"Resource": address, "Condition": condition}]}, separators=(",", ":"))
    signature = base64.b64decode(given["Signature"].translate(str.maketrans("-_~", "+=/")))
    key.public_key().verify(signature, policy.encode(), padding.PKCS1v15(), hashes.SHA1())


def test_a_key_that_cloudfront_does_not_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="can't be read: No such file"):
        new_signer(Session(), at_cloudfront(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="no RSA key"):
        new_signer(Session(), at_cloudfront(write_key(tmp_path / "key", ed25519.Ed25519PrivateKey.generate())))
