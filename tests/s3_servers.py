"""Real S3 servers for tests: versitygw and MinIO where they are built, moto's where they aren't."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config

from conformance.tools import ToolMissing, path_of
from registry.storage_url import S3Location

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

ACCESS_KEY: Final = "admin"
SECRET_KEY: Final = "adminsecret"
CREDENTIALS: Final = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
REGION: Final = "us-east-1"
_BUILT: Final = ("versitygw", "minio")
_READY_SECONDS: Final = 60.0


def available() -> list[str]:
    """Return the names of the servers that can be started here."""
    return [name for name in _BUILT if _is_built(name)] or ["moto"]


@dataclass(frozen=True)
class S3Server:
    """A server that runs, and what lies in it."""

    name: str
    endpoint: str

    def make_bucket(self) -> S3Location:
        """Return a place in a bucket of its own."""
        bucket = f"test-{secrets.token_hex(6)}"
        self.client().create_bucket(Bucket=bucket)
        return S3Location(bucket, "some/prefix/", endpoint=self.endpoint, region=REGION, path_style=True)

    def client(self) -> S3Client:
        """Return a client that shares nothing with the driver."""
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(
                s3={"addressing_style": "path"},
                signature_version="s3v4",
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def contents(self, location: S3Location) -> list[int]:
        """Return the sizes of all objects and, as -1, the multipart uploads that nobody ended.

        MinIO lists those only of an object that is named, so what a driver leaves of them is seen on the others.
        """
        client = self.client()
        try:
            found = client.list_objects_v2(Bucket=location.bucket).get("Contents", [])
            uploads = client.list_multipart_uploads(Bucket=location.bucket, Prefix=location.prefix).get("Uploads", [])
            return [item["Size"] for item in found] + [-1] * len(uploads)
        finally:
            client.close()


@contextmanager
def running(name: str, directory: Path) -> Iterator[S3Server]:
    """Run a server that keeps what it stores in `directory`."""
    port = _free_port()
    environment: dict[str, str] = {}
    command: list[str | Path]
    match name:
        case "versitygw":
            command = [path_of(name), "--port", f"127.0.0.1:{port}", "--region", REGION, "posix", directory]
            environment = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
        case "minio":
            command = [path_of(name), "server", "--quiet", "--address", f"127.0.0.1:{port}", directory]
            environment = {"MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY, "MINIO_BROWSER": "off"}
        case _:
            command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (directory.parent / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
    try:
        server = S3Server(name, f"http://127.0.0.1:{port}")
        _wait(server, process)
        yield server
    finally:
        process.terminate()
        process.wait(30)


def _wait(server: S3Server, process: subprocess.Popen[Any]) -> None:
    until = time.monotonic() + _READY_SECONDS
    while True:
        client = server.client()
        try:
            client.list_buckets()
            return
        except Exception:
            if process.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.1)
        finally:
            client.close()


def _is_built(name: str) -> bool:
    try:
        path_of(name)
    except ToolMissing:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
