"""How large the parts of an upload to S3 are."""

from __future__ import annotations

import pytest

from registry.storage.base import ObjectTooLarge
from registry.storage.s3_writer import UploadState

MIB = 1 << 20
TIB = 1 << 40


@pytest.mark.parametrize(
    ("size", "part"),
    [
        (0, 8 * MIB),
        (256 * MIB, 8 * MIB),
        (256 * MIB + 32, 9 * MIB),
        (1024 * MIB, 32 * MIB),
        (2048 * MIB, 64 * MIB),
        (300 * 1024 * MIB, 64 * MIB),
        (TIB, 210 * MIB),
        (None, 64 * MIB),
    ],
)
def test_parts_are_few_and_neither_small_nor_large(size: int | None, part: int) -> None:
    assert UploadState.new(size, grows=False).part_size == part


def test_a_blob_beyond_every_part_is_refused() -> None:
    with pytest.raises(ObjectTooLarge):
        UploadState.new(5 * TIB, grows=False)
