"""The S3 driver keeps the contract, against every S3 server that can be started here."""

from __future__ import annotations

import pytest

from registry.storage.s3 import S3Store
from tests.contract.blobstore import BlobStoreContract, Driver
from tests.s3_servers import S3Server


class TestS3Store(BlobStoreContract):
    """Its contents are smaller than a part; tests/core/test_s3_uploads.py has larger ones."""

    @pytest.fixture
    def driver(self, s3_server: S3Server) -> Driver:
        location = s3_server.make_bucket()
        return Driver(S3Store(location), lambda: s3_server.contents(location))
