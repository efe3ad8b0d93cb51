"""Layers are listed and read in bounded memory, however they are packed; what leads elsewhere is refused, bombs are too."""

from __future__ import annotations

import gzip
import io
import itertools
import subprocess
import tarfile
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from mediatypes.files.archives import Member, members
from mediatypes.files.paths import member_path
from mediatypes.files.readers import reader_of
from mediatypes.files.reading import LIMITS, Limits, Malformed, TooMuch, Unreadable
from mediatypes.models.artifact import Packing
from tests.mediatypes.files.sources import Bytes, OnDisk

FILES = {
    "config.json": b'{"model_type": "bert"}',
    "data/train.csv": b"a,b\n1,2\n" * 500,
    "empty": b"",
    "last.bin": bytes(1000),
}


def tar(files: dict[str, bytes], kind: int = tarfile.PAX_FORMAT) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=kind) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return sink.getvalue()


def special(kind: bytes, name: str = "x", target: str = "/etc/passwd") -> bytes:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        archive.addfile(info)
    return sink.getvalue()


def frames(content: bytes) -> bytes:
    half = len(content) // 2
    return zstandard.compress(content[:half]) + zstandard.compress(content[half:])


def gzips(content: bytes) -> bytes:
    half = len(content) // 2
    return gzip.compress(content[:half]) + gzip.compress(content[half:])


Packer = Callable[[bytes], tuple[Bytes, Packing]]
PACKINGS: dict[str, tuple[Packing, Callable[[bytes], bytes]]] = {
    "tar": (Packing.TAR, bytes),
    "gzip": (Packing.TAR_GZIP, gzip.compress),
    "gzip of two members": (Packing.TAR_GZIP, gzips),
    "zstd": (Packing.TAR_ZSTD, zstandard.compress),
    "zstd of two frames": (Packing.TAR_ZSTD, frames),
}


@pytest.fixture(params=sorted(PACKINGS))
def packed(request: pytest.FixtureRequest) -> Packer:
    packing, pack = PACKINGS[request.param]
    return lambda content: (Bytes(pack(content)), packing)


def contents(found: Iterator[Member]) -> dict[str, bytes]:
    return {member.path: member.source.read(0, member.size) for member in found if member.source is not None}


def refusals(found: Iterator[Member]) -> dict[str, str]:
    return {member.path: member.refused for member in found if member.refused is not None}


# What is read


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_the_files_of_a_layer_are_read_however_it_is_packed(packed: Packer, kind: int) -> None:
    assert contents(members(*packed(tar(FILES, kind)), LIMITS)) == FILES


def test_long_names_are_whole(packed: Packer) -> None:
    files = {"directory/" * 30 + "größe.json": b"{}", "x" * 250: b"1"}
    for kind in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        assert contents(members(*packed(tar(files, kind)), LIMITS)) == files


def test_a_layer_that_is_one_file_is_that_file() -> None:
    (member,) = members(Bytes(b"abc"), Packing.RAW, LIMITS, "model.bin")
    assert (member.path, member.size, member.start, member.refused) == ("model.bin", 3, 0, None)
    assert member.source is not None
    assert member.source.read(1, 3) == b"bc"


def test_in_a_plain_tar_a_member_begins_where_it_says() -> None:
    blob = tar(FILES)
    for member in members(Bytes(blob), Packing.TAR, LIMITS):
        assert member.start is not None
        assert blob[member.start : member.start + member.size] == FILES[member.path]


def test_in_a_plain_tar_members_can_be_read_when_others_were() -> None:
    found = list(members(Bytes(tar(FILES)), Packing.TAR, LIMITS))
    assert contents(iter(found)) == FILES


def test_in_a_compressed_archive_a_member_cannot_be_read_later() -> None:
    first, *_ = list(members(Bytes(gzip.compress(tar(FILES))), Packing.TAR_GZIP, LIMITS))
    assert first.start == 512  # in what the archive becomes
    assert first.source is not None
    with pytest.raises(TooMuch, match="read on meanwhile"):
        first.source.read(0, 1)


def test_members_may_be_passed_over_or_read_in_part(packed: Packer) -> None:
    found = {}
    for member in members(*packed(tar(FILES)), LIMITS):
        if member.path == "data/train.csv":
            assert member.source is not None
            found["middle"] = member.source.read(100, 108)
            found["head"] = member.source.read(0, 4)
        if member.path == "last.bin":
            assert member.source is not None
            found["last"] = member.source.read(999, 1000)
    assert found == {"middle": FILES["data/train.csv"][100:108], "head": b"a,b\n", "last": b"\0"}


def test_readers_read_members_while_the_archive_is_read(packed: Packer) -> None:
    formats = []
    for member in members(*packed(tar(FILES)), LIMITS):
        assert member.source is not None
        reader = reader_of(member.path, member.source.read(0, min(4096, member.size)))
        if reader is not None:
            formats.append(reader.read(member.path, member.source, LIMITS).format)
    assert formats == ["transformers-config", "csv"]


def test_sparse_files_are_read_with_their_holes(tmp_path: Path) -> None:
    sparse = tmp_path / "sparse.bin"
    with sparse.open("wb") as file:
        file.seek(200_000)
        file.write(b"middle")
        file.seek(999_999)
        file.write(b"!")
    (tmp_path / "after.txt").write_bytes(b"after")
    for style in ("--format=gnu", "--sparse-version=0.0", "--sparse-version=0.1", "--sparse-version=1.0"):
        options = [style] if style.startswith("--format") else ["--format=posix", style]
        command = ["tar", *options, "--sparse", "-C", tmp_path, "-cf", "-", "sparse.bin", "after.txt"]
        blob = subprocess.run(command, check=True, capture_output=True).stdout
        assert len(blob) < 100_000
        for source, packing in ((Bytes(blob), Packing.TAR), (Bytes(gzip.compress(blob)), Packing.TAR_GZIP)):
            found = {}
            for member in members(source, packing, LIMITS):
                assert member.source is not None
                found[member.path] = (member.start, member.source.read(0, member.size))
            assert found["sparse.bin"] == (None, sparse.read_bytes())
            start, content = found["after.txt"]
            assert content == b"after" == blob[start : start + 5]


def test_a_path_that_comes_twice_is_yielded_twice() -> None:
    blob = tar({"a": b"1"})[:1024] + tar({"a": b"2"})
    found = [
        member.source.read(0, 1) for member in members(Bytes(blob), Packing.TAR, LIMITS) if member.source is not None
    ]
    assert found == [b"1", b"2"]


def test_directories_are_no_members() -> None:
    assert list(members(Bytes(special(tarfile.DIRTYPE, "folder")), Packing.TAR, LIMITS)) == []


def test_an_empty_archive_has_no_members(packed: Packer) -> None:
    assert list(members(*packed(tar({})), LIMITS)) == []


# What it costs


def test_a_large_plain_tar_costs_its_headers(tmp_path: Path) -> None:
    path = tmp_path / "large.tar"
    with path.open("wb") as file:
        for number in range(20):
            info = tarfile.TarInfo(f"model-{number:05}.safetensors")
            info.size = 64 << 20
            file.write(info.tobuf())
            file.seek(info.size, io.SEEK_CUR)
        file.write(bytes(1024))
    source = OnDisk(path)
    assert source.size > 1 << 30
    heads = [
        member.source.read(0, 4096) for member in members(source, Packing.TAR, LIMITS) if member.source is not None
    ]
    assert heads == [bytes(4096)] * 20
    assert source.taken < 1 << 20


def test_many_small_files_are_read_in_few_ranges() -> None:
    source = Bytes(tar({f"file {number}": b"x" * 100 for number in range(5000)}))
    assert sum(1 for _ in members(source, Packing.TAR, LIMITS)) == 5000
    assert source.reads < 50
    assert source.taken < 1.1 * source.size


def test_a_million_entries_are_too_many_and_take_no_memory() -> None:
    packer = zstandard.ZstdCompressor().compressobj()
    thousand = tarfile.TarInfo("x").tobuf() * 1000
    blob = Bytes(b"".join(packer.compress(thousand) for _ in range(1000)) + packer.flush())
    tracemalloc.start()
    found = members(blob, Packing.TAR_ZSTD, Limits(entries=8000, ratio=100_000))
    assert sum(1 for _ in itertools.islice(found, 8000)) == 8000
    with pytest.raises(TooMuch, match="more than 8000 members"):
        next(found)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 << 20


@pytest.mark.parametrize("packing", [Packing.TAR_GZIP, Packing.TAR_ZSTD])
def test_what_is_passed_over_is_not_kept(packing: Packing) -> None:
    noise = bytes(range(256)) * 4 * 1024
    info = tarfile.TarInfo("weights.bin")
    info.size = 32 << 20
    content = info.tobuf() + noise * 32 + tar({"config.json": b"{}"})
    pack = (lambda found: gzip.compress(found, 1)) if packing is Packing.TAR_GZIP else zstandard.compress
    blob = Bytes(pack(content))
    tracemalloc.start()
    paths = [member.path for member in members(blob, packing, Limits(ratio=100_000))]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert paths == ["weights.bin", "config.json"]
    assert peak < 4 << 20


def test_of_a_compressed_member_no_more_is_kept_than_the_limit() -> None:
    source = Bytes(gzip.compress(tar({"a": bytes(range(256)) * 400, "b": b"after"})))
    found = members(source, Packing.TAR_GZIP, Limits(buffered=10_000))
    first = next(found)
    assert first.source is not None
    assert len(first.source.read(0, 10_000)) == 10_000
    with pytest.raises(TooMuch, match="needs more than its first 10000 bytes"):
        first.source.read(0, 10_001)
    second = next(found)
    assert second.source is not None
    assert second.source.read(0, 5) == b"after"


# What is refused


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/etc/passwd", "absolute"),
        ("../../etc/passwd", "leads out"),
        ("a/../../b", "leads out"),
        ("a\\..\\b", "another place"),
        ("C:/Windows", "another place"),
        ("a\nb", "control characters"),
        ("a\x1b[2Jb", "control characters"),
        ("\udce4", "not UTF-8"),
        ("./", "no path"),
        ("", "no path"),
        ("d/" * 65 + "x", "more than 64 directories"),
        ("x" * 1025, "more than 1024 bytes"),
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(path: str, reason: str) -> None:
    shown, refused = member_path(path)
    assert refused is not None
    assert reason in refused
    shown.encode()


@pytest.mark.parametrize(
    ("path", "plain"), [("./a//b/./c", "a/b/c"), ("a/b/", "a/b"), ("..a/b..", "..a/b.."), ("ä", "ä")]
)
def test_a_path_has_one_spelling(path: str, plain: str) -> None:
    assert member_path(path) == (plain, None)


def test_tricks_of_paths_are_listed_and_what_follows_is_read(packed: Packer) -> None:
    files = {"/absolute": b"1", "../outside": b"2", "fine": b"3"}
    assert set(refusals(members(*packed(tar(files)), LIMITS))) == {"/absolute", "../outside"}
    assert contents(members(*packed(tar(files)), LIMITS)) == {"fine": b"3"}


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (tarfile.SYMTYPE, "symbolic link"),
        (tarfile.LNKTYPE, "hard link"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.BLKTYPE, "device"),
        (tarfile.FIFOTYPE, "pipe"),
    ],
)
def test_what_is_no_file_is_refused(kind: bytes, reason: str) -> None:
    (member,) = members(Bytes(special(kind)), Packing.TAR, LIMITS)
    assert member.source is None
    assert reason in str(member.refused)


@pytest.mark.parametrize(
    ("packing", "pack"),
    [(Packing.TAR_GZIP, lambda found: gzip.compress(found, 9)), (Packing.TAR_ZSTD, zstandard.compress)],
)
def test_a_bomb_is_refused_long_before_it_is_whole(packing: Packing, pack: Callable[[bytes], bytes]) -> None:
    source = Bytes(pack(tar({"zeros": bytes(300 << 20), "after": b""})))
    with pytest.raises(TooMuch, match="as only bombs do"):
        list(members(source, packing, LIMITS))


def test_an_archive_that_becomes_too_large_is_refused() -> None:
    source = Bytes(gzip.compress(tar({"a": bytes(100_000), "b": b""})))
    with pytest.raises(TooMuch, match="becomes more than 50000 bytes"):
        list(members(source, Packing.TAR_GZIP, Limits(expanded=50_000)))


def test_holes_count_as_what_they_become() -> None:
    info = tarfile.TarInfo("holes")
    info.pax_headers = {"GNU.sparse.size": str(1 << 60), "GNU.sparse.map": "0,0", "GNU.sparse.major": "0"}
    blob = info.tobuf(tarfile.PAX_FORMAT) + bytes(1024)
    with pytest.raises(TooMuch, match="by its sparse files"):
        list(members(Bytes(blob), Packing.TAR, LIMITS))


def test_a_zstandard_frame_with_a_huge_window_is_refused() -> None:
    # RFC 8878 §3.1.1.1: magic, a descriptor without content size, and a window of 2^31 bytes.
    frame = bytes.fromhex("28b52ffd") + b"\x00" + bytes([(31 - 10) << 3]) + b"\x01\x00\x00"
    with pytest.raises(TooMuch, match="window"):
        list(members(Bytes(frame), Packing.TAR_ZSTD, LIMITS))


def pax(records: bytes) -> bytes:
    info = tarfile.TarInfo("pax")
    info.type = tarfile.XHDTYPE
    info.size = len(records)
    return info.tobuf() + records + bytes(-len(records) % 512)


def test_a_header_that_goes_on_and_on_is_refused() -> None:
    for blob in (
        pax(b"30000000 path=" + b"x" * 30_000_000),
        pax(b"11 path=abc\n") * 10_000 + tar({"x": b""}),
        special(tarfile.GNUTYPE_LONGNAME, "long") * 10_000,
    ):
        source = Bytes(blob)
        with pytest.raises(Unreadable):
            list(members(source, Packing.TAR, LIMITS))
        assert source.taken < 200_000


@pytest.mark.parametrize("size", [-1, -512, -1024, -(1 << 31)])
def test_a_member_whose_size_is_negative_is_malformed(size: int) -> None:
    header = bytearray(tarfile.TarInfo("x").tobuf())
    header[124:136] = b"\xff" * 8 + size.to_bytes(4, "big", signed=True)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(Malformed):
        list(members(Bytes(bytes(header) + bytes(2048)), Packing.TAR, LIMITS))


def test_a_broken_header_in_the_middle_is_no_end() -> None:
    blob = bytearray(tar(FILES, tarfile.USTAR_FORMAT))
    found = {member.path: member.start for member in members(Bytes(bytes(blob)), Packing.TAR, LIMITS)}
    place = found["last.bin"]
    assert place is not None
    blob[place - 512] ^= 1
    with pytest.raises(Malformed, match="no header at byte"):
        list(members(Bytes(bytes(blob)), Packing.TAR, LIMITS))


def test_a_truncated_archive_gives_what_came_before_and_is_malformed(
    packed: Packer,
) -> None:
    source, packing = packed(tar(FILES, tarfile.USTAR_FORMAT))
    whole = source.content
    refused = 0
    for stop in range(0, len(whole), max(1, len(whole) // 150)):
        found: list[str] = []
        try:
            for member in members(Bytes(whole[:stop]), packing, LIMITS):
                if member.source is not None:
                    member.source.read(0, member.size)
                found.append(member.path)
        except Malformed:
            refused += 1
        assert found == list(FILES)[: len(found)]
    assert refused > 100 if packing is not Packing.TAR else refused > 50


def test_what_is_no_archive_is_malformed() -> None:
    for packing in (Packing.TAR, Packing.TAR_GZIP, Packing.TAR_ZSTD):
        for content in (b"hello", b"hello" * 1000, zlib.compress(b"hello")):
            with pytest.raises(Malformed):
                list(members(Bytes(content), packing, LIMITS))


def test_a_source_that_fails_is_no_malformed_archive() -> None:
    class Broken(Bytes):
        def read(self, start: int, stop: int) -> bytes:
            raise ConnectionResetError("storage is gone")

    for packing in (Packing.TAR, Packing.TAR_GZIP, Packing.TAR_ZSTD):
        with pytest.raises(ConnectionResetError):
            list(members(Broken(bytes(1000)), packing, LIMITS))
