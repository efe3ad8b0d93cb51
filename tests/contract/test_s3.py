"""The S3 driver keeps the contract, against every S3 server that can be started here."""

from __future__ import annotations

import pytest

from registry.storage import s3
from registry.storage.s3 import S3Store
from tests.contract.blobstore import BlobStoreContract, Driver
from tests.s3_servers import S3Server


class TestS3Store(BlobStoreContract):
    @pytest.fixture(params=[False, True], ids=["one part", "many parts"])
    def driver(self, s3_server: S3Server, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Driver:
        if request.param:
            monkeypatch.setattr(s3, "_PART", 5 << 20)
        location = s3_server.make_bucket()
        return Driver(S3Store(location), lambda: s3_server.contents(location))
