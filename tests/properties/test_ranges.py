"""Ranges: a Range selects what slicing selects, and a Content-Range that is written is read back."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mediatypes.ranges import (
    ByteRange,
    InvalidContentRange,
    UnsatisfiableRange,
    parse_content_range,
    parse_range,
)

POSITIONS = st.integers(0, 10**19 - 1)
NEAR = st.text("bytes= 0123456789-,/*\t\n٣", max_size=20)


@given(st.binary(max_size=50), st.integers(0, 60), st.integers(0, 60))
def test_first_and_last_select_what_lies_between(content: bytes, first: int, last: int) -> None:
    assume(first <= last)
    expected = content[first : last + 1]
    try:
        span = parse_range(f"bytes={first}-{last}", len(content))
    except UnsatisfiableRange:
        assert expected == b""
    else:
        assert span is not None
        assert content[span.start : span.stop] == expected != b""
        assert len(span) == len(expected)


@given(st.binary(max_size=50), st.integers(0, 60))
def test_an_open_range_selects_the_rest(content: bytes, first: int) -> None:
    expected = content[first:]
    try:
        span = parse_range(f"bytes={first}-", len(content))
    except UnsatisfiableRange:
        assert expected == b""
    else:
        assert span is not None
        assert content[span.start : span.stop] == expected != b""


@given(st.binary(max_size=50), st.integers(0, 60))
def test_a_suffix_selects_the_end(content: bytes, length: int) -> None:
    expected = content[-length:] if length else b""
    try:
        span = parse_range(f"bytes=-{length}", len(content))
    except UnsatisfiableRange:
        assert expected == b""
    else:
        assert span is not None
        assert content[span.start : span.stop] == expected != b""


@given(POSITIONS, POSITIONS, st.integers(0, 1 << 62))
def test_what_is_selected_is_never_empty_and_lies_inside(first: int, last: int, size: int) -> None:
    for text in (f"bytes={first}-{last}", f"bytes={first}-", f"bytes=-{last}"):
        try:
            span = parse_range(text, size)
        except UnsatisfiableRange:
            continue
        assert span is not None
        assert 0 <= span.start < span.stop <= size


@given(POSITIONS, POSITIONS)
def test_a_range_that_ends_before_it_begins_selects_nothing(first: int, last: int) -> None:
    assume(last < first)
    with pytest.raises(UnsatisfiableRange):
        parse_range(f"bytes={first}-{last}", 1 << 62)


@given(st.lists(st.from_regex(r"\A[0-9]{1,3}-[0-9]{0,3}\Z"), min_size=2, max_size=4))
def test_several_ranges_are_ignored(parts: list[str]) -> None:
    assert parse_range("bytes=" + ",".join(parts), 100) is None


@given(st.text() | NEAR, st.integers(0, 100))
def test_any_text_is_a_range_or_ignored_or_selects_nothing(text: str, size: int) -> None:
    try:
        span = parse_range(text, size)
    except UnsatisfiableRange:
        return
    assert span is None or 0 <= span.start < span.stop <= size


@given(POSITIONS, st.integers(1, 1 << 62))
def test_a_content_range_that_is_written_is_read_back(start: int, length: int) -> None:
    stop = min(start + length, 10**19)
    assume(start < stop)
    assert parse_content_range(f"{start}-{stop - 1}") == ByteRange(start, stop)


@given(st.integers(0, 1000), st.integers(1, 1000), st.sampled_from(["{}", "bytes {}", "bytes={}", " {} "]))
@pytest.mark.parametrize("total", ["", "/*", "/5000"])
def test_the_forms_that_clients_send_mean_the_same(total: str, start: int, length: int, form: str) -> None:
    text = form.format(f"{start}-{start + length - 1}{total}")
    assert parse_content_range(text) == ByteRange(start, start + length)


@given(POSITIONS, POSITIONS)
def test_a_content_range_that_ends_before_it_begins_is_refused(first: int, last: int) -> None:
    assume(last < first)
    with pytest.raises(InvalidContentRange):
        parse_content_range(f"{first}-{last}")


@given(st.text() | NEAR)
def test_any_text_is_a_content_range_or_refused(text: str) -> None:
    try:
        span = parse_content_range(text)
    except InvalidContentRange:
        return
    assert 0 <= span.start < span.stop


@pytest.mark.parametrize(
    "text", ["٠-٩", "0-٩", "0--1", "+0-1", "0-1-", "0 - 1", "0-1/x", "1" * 20 + "-2", "", "-", "0", "0-"]
)
def test_what_only_resembles_a_content_range_is_refused(text: str) -> None:
    with pytest.raises(InvalidContentRange):
        parse_content_range(text)
