"""What an operator is told of a bucket, and what is set there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from registry.storage import s3_bucket, s3_care
from registry.storage.s3_bucket import Bucket
from registry.storage.s3_care import RULE, Finding, check_bucket, set_up_bucket
from registry.storage_url import S3Location
from tests import s3_servers
from tests.s3_servers import S3Server

WEEK = 7 * 86400


async def found(location: S3Location) -> dict[str, Finding]:
    return {finding.step: finding async for finding in check_bucket(location)}


async def failed(location: S3Location) -> dict[str, str]:
    return {step: finding.text for step, finding in (await found(location)).items() if not finding.is_well}


async def test_a_good_bucket_passes_every_step_and_nothing_stays_in_it(s3_server: S3Server) -> None:
    location = s3_server.make_bucket()
    findings = await found(location)
    assert [finding.text for finding in findings.values() if not finding.is_well] == []
    assert list(findings) == [
        "credentials",
        "bucket",
        "clock",
        "write",
        "write once",
        "checksums",
        "read",
        "signed URLs",
        "multipart",
        "abort",
        "delete",
    ]
    assert s3_server.contents(location) == []


async def test_credentials_that_are_missing_or_wrong_end_the_check(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = s3_server.make_bucket()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other")
    if s3_server.name != "moto":  # which looks at no signature
        assert await failed(location) == {"bucket": "S3 refused ListObjectsV2: SignatureDoesNotMatch"}
    for name in s3_servers.CREDENTIALS:
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert list(await failed(location)) == ["credentials"]


async def test_a_bucket_that_is_not_there_is_named(s3_server: S3Server) -> None:
    location = replace(s3_server.make_bucket(), bucket="not-there")
    assert await failed(location) == {"bucket": "there is no such bucket in S3: make it first"}


async def test_a_clock_that_is_wrong_is_told(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    right = s3_bucket.time.time
    monkeypatch.setattr(s3_bucket.time, "time", lambda: right() + 3600)
    assert re.match(r"S3's clock is -360\d s from", (await failed(s3_server.make_bucket()))["clock"])


async def test_a_server_that_replaces_what_is_there_is_told(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = Bucket.put

    async def careless(bucket: Bucket, name: str, content: Any, **parameters: str) -> None:
        parameters.pop("IfNoneMatch", None)
        await put(bucket, name, content, **parameters)

    monkeypatch.setattr(Bucket, "put", careless)
    assert "ignores If-None-Match" in (await failed(s3_server.make_bucket()))["write once"]


async def test_a_public_endpoint_that_does_not_answer_is_told(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_care, "_SECONDS", 1.0)
    location = replace(s3_server.make_bucket(), public_endpoint="http://127.0.0.1:1")
    told = (await failed(location))["signed URLs"]
    assert told.startswith(f"http://127.0.0.1:1/{location.bucket}/")
    assert told.endswith("or set BLACKLAKE_REDIRECT=never")
    assert s3_server.contents(location) == []


@pytest.fixture
def moto(tmp_path: Path) -> Iterator[S3Server]:
    """Return the one server here that knows Amazon's lifecycle rules."""
    with s3_servers.running("moto", tmp_path / "moto") as server:
        yield server


async def test_setting_up_ends_stale_uploads_and_leaves_the_rules_of_others(moto: S3Server) -> None:
    location, client = moto.make_bucket(), moto.client
    beside = replace(location, prefix="beside/")
    _ = [finding async for finding in set_up_bucket(beside, upload_ttl=60, versioning=False)]
    before = client.get_bucket_lifecycle_configuration(Bucket=location.bucket)["Rules"]
    theirs = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 3}}
    client.put_bucket_lifecycle_configuration(
        Bucket=location.bucket, LifecycleConfiguration={"Rules": [*before, theirs]}
    )
    for _ in range(2):  # the second time changes nothing
        findings = [finding async for finding in set_up_bucket(location, upload_ttl=WEEK, versioning=True)]
        assert [finding.is_well for finding in findings] == [True, True]
    rules = {rule["ID"]: rule for rule in client.get_bucket_lifecycle_configuration(Bucket=location.bucket)["Rules"]}
    ours = f"{RULE}:{location.prefix}"
    assert rules.keys() == {"theirs", ours, f"{RULE}:beside/"}
    assert rules["theirs"]["Expiration"] == {"Days": 3}
    assert rules[ours]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 30}
    assert rules[ours]["Filter"] == {"Prefix": location.prefix}
    assert "Expiration" not in rules[ours]
    assert client.get_bucket_versioning(Bucket=location.bucket)["Status"] == "Enabled"
    client.close()


async def test_versions_are_left_alone_where_nobody_asks_for_them(moto: S3Server) -> None:
    location, client = moto.make_bucket(), moto.client
    findings = [finding async for finding in set_up_bucket(location, upload_ttl=60, versioning=False)]
    assert [finding.step for finding in findings] == ["lifecycle"]
    assert "Status" not in client.get_bucket_versioning(Bucket=location.bucket)
    client.close()


async def test_uploads_may_go_on_for_longer_than_s3_lets_them_lie(moto: S3Server) -> None:
    location, client = moto.make_bucket(), moto.client
    _ = [finding async for finding in set_up_bucket(location, upload_ttl=100 * 86400, versioning=False)]
    (rule,) = client.get_bucket_lifecycle_configuration(Bucket=location.bucket)["Rules"]
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 200}
    client.close()


@pytest.mark.parametrize(
    ("environment", "endpoint"),
    [({"AWS_PROFILE": "nowhere"}, "http://127.0.0.1:1"), ({}, "http://")],
    ids=["profile", "endpoint"],
)
async def test_what_boto3_does_not_take_is_told(
    environment: dict[str, str], endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    location = S3Location("bucket", "", endpoint=endpoint)
    assert list(await failed(location)) == ["credentials"]
    findings = [finding async for finding in set_up_bucket(location, upload_ttl=60, versioning=True)]
    assert [(finding.step, finding.is_well) for finding in findings] == [("credentials", False)]


async def test_amazon_is_expected_to_know_its_own_settings(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an endpoint it is Amazon's, and a setting that is refused is not set."""
    location = s3_server.make_bucket()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", location.endpoint or "")
    findings = set_up_bucket(replace(location, endpoint=None), upload_ttl=60, versioning=False)
    assert [finding.is_well async for finding in findings] == [s3_server.name == "moto"]


async def test_a_server_without_such_settings_is_no_failure(s3_server: S3Server) -> None:
    findings = [finding async for finding in set_up_bucket(s3_server.make_bucket(), upload_ttl=60, versioning=True)]
    assert [finding.is_well for finding in findings] == [True, True]
