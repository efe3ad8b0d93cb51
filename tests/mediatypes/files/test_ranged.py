"""Sources of bytes give exactly what they are asked for, and the ways to read one give what the file holds."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatypes.files.ranged import Counted, Cursor, InMemory, Part
from mediatypes.files.reading import Malformed, Source, TooMuch
from mediatypes.files.seekable import SeekableFile

CONTENT = bytes(range(256)) * 300


@pytest.mark.parametrize(
    "source", [InMemory(CONTENT), Counted(InMemory(CONTENT), 1 << 20), Part(InMemory(b"x" + CONTENT), 1, 76801)]
)
def test_a_source_gives_what_it_is_asked_for_or_refuses(source: Source) -> None:
    assert source.size == len(CONTENT)
    assert source.read(250, 260) == CONTENT[250:260]
    assert source.read(5, 5) == b""
    for start, stop in [(0, len(CONTENT) + 1), (-1, 4), (8, 4), (len(CONTENT) + 1, len(CONTENT) + 2)]:
        with pytest.raises(Malformed):
            source.read(start, stop)


def test_counted_bytes_end() -> None:
    source = Counted(InMemory(CONTENT), 100)
    source.read(0, 60)
    with pytest.raises(TooMuch, match="more than 100 bytes"):
        source.read(0, 41)
    source.read(0, 40)
    assert (source.taken, source.reads) == (100, 2)


@given(st.lists(st.tuples(st.sampled_from(["read", "set", "current", "end"]), st.integers(-5000, 70_000)), max_size=20))
def test_a_ranged_file_does_what_a_file_does(steps: list[tuple[str, int]]) -> None:
    ours, known = SeekableFile(InMemory(CONTENT), 512), io.BytesIO(CONTENT)
    for step, number in steps:
        if step == "read":
            assert ours.read(number) == known.read(number)
        else:
            whence = {"set": 0, "current": 1, "end": 2}[step]
            if {0: 0, 1: known.tell(), 2: len(CONTENT)}[whence] + number < 0:
                with pytest.raises(Malformed):
                    ours.seek(number, whence)
            else:
                assert ours.seek(number, whence) == known.seek(number, whence)
        assert ours.tell() == known.tell()
    buffer = bytearray(10)
    assert ours.readinto(buffer) == len(known.read(10))


@given(st.lists(st.tuples(st.sampled_from(["take", "skip", "peek"]), st.integers(0, 30_000)), max_size=20))
def test_a_cursor_goes_on(steps: list[tuple[str, int]]) -> None:
    cursor, known = Cursor(InMemory(CONTENT), 1 << 20), io.BytesIO(CONTENT)
    for step, number in steps:
        if number > cursor.remaining or (step == "peek" and not cursor.remaining):
            with pytest.raises(Malformed):
                cursor.take(cursor.remaining + 1)
            continue
        if step == "take":
            assert cursor.take(number) == known.read(number)
        elif step == "skip":
            cursor.skip(number)
            known.seek(number, 1)
        else:
            assert cursor.peek() == CONTENT[known.tell()]
        assert cursor.position == known.tell()


def test_a_cursor_takes_no_more_than_its_limit() -> None:
    cursor = Cursor(InMemory(CONTENT), 100)
    cursor.take(60)
    cursor.skip(1000)
    with pytest.raises(TooMuch, match="more than 100 bytes"):
        cursor.take(41)


def test_a_cursor_asks_for_more_the_longer_it_goes_on() -> None:
    source = Counted(InMemory(bytes(4 << 20)), 8 << 20)
    cursor = Cursor(source, 8 << 20)
    for _ in range(4 << 10):
        cursor.take(1 << 10)
    assert source.reads < 12
    assert source.taken == 4 << 20


def test_lines_end_with_a_newline() -> None:
    cursor = Cursor(InMemory(b"a" * 1000 + b"\nb\n" + b"c" * 500), 1 << 20)
    assert cursor.line(2000) == b"a" * 1000
    assert cursor.line(2000) == b"b"
    with pytest.raises(Malformed, match="no end of a line"):
        cursor.line(2000)
