"""The driver of Azure Blob Storage and Google Cloud Storage keeps the contract, against their emulators."""

from __future__ import annotations

import obstore
import pytest
from obstore.store import MemoryStore

from registry.storage import cloud_place, cloud_writer
from registry.storage.cloud import CloudStore
from tests.cloud_servers import CloudServer
from tests.contract.blobstore import BlobStoreContract, Driver


@pytest.fixture(scope="module", autouse=True)
def runtime() -> None:
    """Start what the library keeps for the life of the process, so that it is not taken for something left open."""
    obstore.put(MemoryStore(), "anything", b"")


class TestCloudStore(BlobStoreContract):
    """A blob is one object, or that and a few segments."""

    @pytest.fixture
    def driver(self, cloud_server: CloudServer) -> Driver:
        location = cloud_server.make_location()
        return Driver(CloudStore(location), lambda: cloud_server.contents(location))


class TestCloudStoreOfSmallSegments(TestCloudStore):
    """Whatever is longer is in segments, goes on in the midst of one, and has a description that is read in two requests."""

    @pytest.fixture(autouse=True)
    def small_segments(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cloud_writer, "_SEGMENT", 300_000)
        monkeypatch.setattr(cloud_writer, "_LARGEST_END", 3)
        monkeypatch.setattr(cloud_place, "_FIRST", 10)
