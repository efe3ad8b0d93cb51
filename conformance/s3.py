"""Real S3 servers: each runs for as long as it is needed and keeps what it stores in a directory."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from conformance import tether
from conformance.ports import free_port
from conformance.tools import path_of

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

ACCESS_KEY: Final = "admin"
SECRET_KEY: Final = "adminsecret"  # noqa: S105 - of a server on the loopback address that lives for minutes
CREDENTIALS: Final = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
REGION: Final = "us-east-1"

_START: Final = 60.0  # seconds until the server answers
_POLL: Final = 0.1  # seconds between two looks


class S3Failed(Exception):
    """A server didn't start; the message ends with its log's end."""


@dataclass(frozen=True)
class S3Server:
    """A server that runs: its name, its URL, and the file with everything that it says."""

    name: str
    endpoint: str
    log: Path

    @cached_property
    def client(self) -> S3Client:
        """A client that shares nothing with Blacklake's driver; closed, it opens new connections when it is used again."""
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

    def create_bucket(self) -> str:
        """Make a bucket and return its name."""
        bucket = f"test-{secrets.token_hex(6)}"
        self.client.create_bucket(Bucket=bucket)
        self.client.close()
        return bucket

    def storage(self, prefix: str) -> str:
        """Return what BLACKLAKE_STORAGE is for a prefix in a bucket of its own."""
        how = urlencode({"endpoint": self.endpoint, "region": REGION, "path_style": "true"}, safe=":/")
        return f"s3://{self.create_bucket()}/{prefix}?{how}"


@contextmanager
def running(name: str, directory: Path) -> Iterator[S3Server]:
    """Run versitygw, minio or moto's server (`moto`), which keeps what it stores in `directory`, its log beside that.

    Raise ToolMissing or S3Failed.
    """
    port = free_port()
    command, environment = program(name, port, directory)
    server = S3Server(name, f"http://127.0.0.1:{port}", directory.parent / f"{name}.log")
    with tether.running(command, server.log, env=os.environ | environment) as process:
        _wait(server, process)
        yield server


def program(name: str, port: int, directory: Path) -> tuple[list[str | Path], dict[str, str]]:
    """Return the command that runs a server, and what its environment has beside ours. Raise ToolMissing."""
    command: list[str | Path]
    match name:
        case "versitygw":
            command = [path_of(name), "--port", f"127.0.0.1:{port}", "--region", REGION, "posix", directory]
            return command, {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
        case "minio":
            command = [path_of(name), "server", "--quiet", "--address", f"127.0.0.1:{port}", directory]
            return command, {"MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY, "MINIO_BROWSER": "off"}
        case _:
            return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], {}


def _wait(server: S3Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START
    while True:
        try:
            server.client.list_buckets()
            return
        except (BotoCoreError, ClientError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                said = server.log.read_text(errors="replace")[-3000:]
                raise S3Failed(f"{server.name} did not start: {error}. Its log ends:\n{said}") from error
            time.sleep(_POLL)
