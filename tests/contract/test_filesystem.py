"""The filesystem driver keeps the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.storage.filesystem import FilesystemStore
from tests.contract.blobstore import BlobStoreContract, Driver


class TestFilesystemStore(BlobStoreContract):
    @pytest.fixture
    def driver(self, tmp_path: Path) -> Driver:
        root = tmp_path / "blobs"
        return Driver(
            FilesystemStore(root), lambda: [path.stat().st_size for path in root.rglob("*") if path.is_file()]
        )
