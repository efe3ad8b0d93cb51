"""Whatever bytes a file has, it is read, or refused with a reason: no other error, nothing that can't be stored."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import tarfile

import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mediatypes.files.archives import members
from mediatypes.files.ranged import Counted, InMemory
from mediatypes.files.readers import READERS, reader_of
from mediatypes.files.reading import HEAD, LIMITS, Limits, Unreadable
from mediatypes.models.artifact import Packing
from mediatypes.record import is_plain
from tests.mediatypes.files.seeds import SEEDS, WEIGHT_FILES

SMALL = Limits(header=1 << 20, entries=1000, depth=20, expanded=8 << 20, buffered=1 << 20)


def archive() -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT) as made:
        for name in ("config.json", "directory/" * 20 + "größe.csv", "empty"):
            info = tarfile.TarInfo(name)
            info.size = 100 if name != "empty" else 0
            made.addfile(info, io.BytesIO(b"x" * 100))
    return sink.getvalue()[:6144]


ARCHIVES = {
    Packing.TAR: archive(),
    Packing.TAR_GZIP: gzip.compress(archive(), mtime=0),
    Packing.TAR_ZSTD: zstandard.compress(archive()),
}

# pyfive warns of an attribute whose type it doesn't know.
pytestmark = pytest.mark.filterwarnings("ignore:Attribute:UserWarning")

Edits = list[tuple[float, str, bytes]]
PIECES = (
    b"\xff" * 4,
    b"\0" * 8,
    b"\x7f" + b"\xff" * 7,
    b"9" * 20,
    b"[[[[",
    b"{",
    b"&a *a",
    b"\x80",
    b".",
    bytes(7) + b"\x80",
)
edits = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.sampled_from(("replace", "insert", "delete", "double")),
        st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from(PIECES)),
    ),
    min_size=1,
    max_size=6,
)
NUMBERS = (b"\xff" * 12, b"\x80" + b"\xff" * 11, b"\x80" + bytes(10) + b"\1")
RECORDS = (b"20 GNU.sparse.map=1,\n", b"99 path=x\n", b"9 size=-1\n", b"0 a=b\n", b"12 size=1e9\n")


def mutated(content: bytes, changes: Edits) -> bytes:
    found = bytearray(content)
    for place, kind, piece in changes:
        at = int(place * (len(found) + 1))
        match kind:
            case "replace":
                found[at : at + len(piece)] = piece
            case "insert":
                found[at:at] = piece
            case "delete":
                del found[at : at + len(piece)]
            case _:
                found[at:at] = found[at : at + 512]
    return bytes(found)


def read_or_refused(path: str, content: bytes) -> bool:
    """Read a file, or have it refused, for little work; say whether it was read. Any other error is the test's."""
    reader = reader_of(path, content[:HEAD])
    if reader is None:
        return False
    source = Counted(InMemory(content), 8 * len(content) + (1 << 20))
    try:
        reading = reader.read(path, source, SMALL)
    except Unreadable:
        return False
    assert is_plain(reading.raw)
    for tensor in reading.tensors:
        assert tensor.size >= 0
        assert tensor.offset is None or 0 <= tensor.offset <= tensor.offset + tensor.size <= len(content)
    assert all(is_plain(finding.message) for finding in reading.findings)
    json.dumps(reading.raw, allow_nan=False).encode()
    return True


def listed_or_refused(packing: Packing, content: bytes) -> None:
    """List an archive and read how its members begin, up to where it is refused. Any other error is the test's."""
    with contextlib.suppress(Unreadable):
        for member in members(InMemory(content), packing, SMALL):
            member.path.encode()
            assert (member.source is None) == (member.refused is not None)
            if member.source is not None:
                member.source.read(0, min(member.size, HEAD))


def test_every_reader_has_a_file_that_is_changed_here() -> None:
    recognised = {path: reader_of(path, content[:HEAD]) for path, content in SEEDS.items()}
    assert {reader.name for reader in READERS} == {found.name for found in recognised.values() if found is not None}
    assert all(read_or_refused(path, content) for path, content in SEEDS.items())


@pytest.mark.parametrize("path", sorted(SEEDS))
def test_a_file_that_is_cut_off_anywhere_is_read_or_refused(path: str) -> None:
    content = SEEDS[path]
    size = len(content)
    # Many lengths of the beginning and of the end, where most headers are, and some between them.
    begin, step = (600, 2) if path in WEIGHT_FILES else (60, 10)
    lengths = {*range(0, min(size, begin), step), *range(0, size, max(1, size // 60)), *range(max(0, size - 60), size)}
    for length in lengths:
        read_or_refused(path, content[:length])


@pytest.mark.parametrize("path", sorted(SEEDS))
@settings(max_examples=40, deadline=None)
@given(changes=edits)
def test_a_file_that_is_changed_anyhow_is_read_or_refused(path: str, changes: Edits) -> None:
    read_or_refused(path, mutated(SEEDS[path], changes))


@settings(max_examples=300, deadline=None)
@given(path=st.sampled_from(sorted(SEEDS)), content=st.binary(max_size=200))
def test_any_bytes_under_any_name_are_read_or_refused(path: str, content: bytes) -> None:
    read_or_refused(path, content)


@settings(max_examples=700, deadline=None)
@given(packing=st.sampled_from(sorted(ARCHIVES)), changes=edits)
@example(packing=Packing.TAR, changes=[(0.0, "replace", b"")])
def test_an_archive_that_is_changed_anyhow_is_listed_or_refused(
    packing: Packing, changes: list[tuple[float, str, bytes]]
) -> None:
    listed_or_refused(packing, mutated(ARCHIVES[packing], changes))


def with_checksum(header: bytes) -> bytes:
    found = bytearray(header)
    found[148:156] = b" " * 8
    found[148:156] = b"%06o\0 " % sum(found)
    return bytes(found)


@settings(max_examples=500, deadline=None)
@given(
    place=st.integers(0, 511),
    piece=st.one_of(st.binary(min_size=1, max_size=24), st.sampled_from(NUMBERS)),
    kind=st.sampled_from(b"01234567LKSxgXDMNV\0"),
    body=st.one_of(st.binary(max_size=600), st.sampled_from(RECORDS)),
)
def test_a_header_with_a_right_checksum_may_say_anything(place: int, piece: bytes, kind: int, body: bytes) -> None:
    info = tarfile.TarInfo("x")
    info.size = len(body)
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[156] = kind
    header[place : place + len(piece)] = piece
    blob = with_checksum(bytes(header[:512])) + body + bytes(-len(body) % 512) + archive()
    listed_or_refused(Packing.TAR, blob)
    listed_or_refused(Packing.TAR_GZIP, gzip.compress(blob, 1))


def test_the_limits_of_these_tests_are_below_those_in_use() -> None:
    assert SMALL.header < LIMITS.header
