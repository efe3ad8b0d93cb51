"""The memory driver keeps the contract."""

from __future__ import annotations

import pytest

from registry.storage.memory import MemoryStore
from tests.contract.blobstore import BlobStoreContract, Driver


class TestMemoryStore(BlobStoreContract):
    @pytest.fixture
    def driver(self) -> Driver:
        store = MemoryStore()
        return Driver(store, lambda: [len(content) for content in store._objects.values()])
