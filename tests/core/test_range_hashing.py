"""Ranges that are hashed while their bytes come by once."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core import range_hashing
from registry.core.range_hashing import Range, RangeHashing, deepest

CONTENT = bytes(range(256)) * 4
RANGES = st.lists(
    st.tuples(st.integers(0, len(CONTENT)), st.integers(0, 300)).map(
        lambda one: (one[0], min(one[0] + one[1], len(CONTENT)))
    )
)


def hashed(ranges: list[Range], piece: int) -> tuple[dict[Range, bytes], int]:
    """Return the digests, and how many bytes were read for them."""
    hashing = RangeHashing(ranges)
    read = 0
    for span in list(hashing.spans()):
        for at in range(span.start, span.stop, piece):
            part = CONTENT[at : min(at + piece, span.stop)]
            hashing.take(at, part)
            read += len(part)
    return hashing.digests, read


@given(RANGES, st.integers(1, 400), st.integers(0, 64))
def test_every_range_has_the_digest_of_its_bytes_however_they_overlap_and_come(
    ranges: list[Range], piece: int, gap: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(range_hashing, "_GAP", gap)
        digests, read = hashed(ranges, piece)
    assert digests == {one: hashlib.sha256(CONTENT[one[0] : one[1]]).digest() for one in ranges}
    assert read <= len(CONTENT)


def test_what_lies_far_from_all_ranges_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(range_hashing, "_GAP", 10)
    _, read = hashed([(0, 10), (15, 30), (500, 510)], 100)
    assert read == 30 + 10


@given(RANGES)
def test_the_deepest_place_is_that_of_the_most_ranges(ranges: list[Range]) -> None:
    different = set(ranges)
    expected = max((sum(start <= at < stop for start, stop in different) for at in range(len(CONTENT))), default=0)
    assert deepest(ranges) == expected
