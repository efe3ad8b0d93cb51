"""Real S3 servers for tests: versitygw and MinIO where they are built, moto's where they aren't."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

import botocore.session

from conformance import s3
from conformance.s3 import CREDENTIALS, REGION
from conformance.tools import ToolMissing, path_of
from registry.storage_url import S3Location

__all__ = ["CREDENTIALS", "REGION", "S3Server", "available", "running"]

# Each store of a test has a session of its own; of what all S3 is, which fills megabytes of JSON, they read one copy.
botocore.session.create_loader = cache(botocore.session.create_loader)

_BUILT: Final = ("versitygw", "minio")


def available() -> list[str]:
    """Return the names of the servers that can be started here."""
    return [name for name in _BUILT if _is_built(name)] or ["moto"]


class S3Server(s3.S3Server):
    """A server that runs, and what lies in it."""

    def make_bucket(self) -> S3Location:
        """Return a place in a bucket of its own."""
        return S3Location(self.create_bucket(), "some/prefix/", endpoint=self.endpoint, region=REGION, path_style=True)

    def contents(self, location: S3Location) -> list[int]:
        """Return the sizes of all objects and, as -1, the multipart uploads that nobody ended.

        MinIO lists those only of an object that is named, so what a driver leaves of them is seen on the others.
        """
        client = self.client
        found = client.list_objects_v2(Bucket=location.bucket).get("Contents", [])
        uploads = client.list_multipart_uploads(Bucket=location.bucket, Prefix=location.prefix).get("Uploads", [])
        client.close()  # a test may count open connections
        return [item["Size"] for item in found] + [-1] * len(uploads)


@contextmanager
def running(name: str, directory: Path) -> Iterator[S3Server]:
    """Run a server that keeps what it stores in `directory`."""
    with s3.running(name, directory) as server:
        yield S3Server(server.name, server.endpoint, server.log)


def _is_built(name: str) -> bool:
    try:
        path_of(name)
    except ToolMissing:
        return False
    return True
