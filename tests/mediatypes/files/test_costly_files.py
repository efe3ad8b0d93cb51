"""Files that are made to cost more than they weigh are refused, or read, within a bound of memory and of bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gguf
import pytest

from mediatypes.files.reading import Limits, Malformed, TooMuch, Unreadable

Read = Callable[..., Any]
FEW = Limits(entries=2000, header=1 << 20, buffered=1 << 20)


@contextmanager
def within(mebibytes: int) -> Iterator[None]:
    """Fail where more memory is held at once."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < mebibytes << 20
    finally:
        tracemalloc.stop()


def header_of_safetensors(header: bytes, rest: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + rest


# Long files


def test_a_safetensors_file_of_5_gb_costs_its_header(read: Read, holed: Any) -> None:
    count, size = 300, 5 << 30
    each = size // count // 2 * 2
    entries = (
        f'"layer.{n}.weight":{{"dtype":"BF16","shape":[{each // 2}],"data_offsets":[{n * each},{(n + 1) * each}]}}'
        for n in range(count)
    )
    header = ("{" + ",".join(entries) + "}").encode()
    source = holed(header_of_safetensors(header), 8 + len(header) + each * count)
    reading = read("model.safetensors", source)
    assert len(reading.tensors) == count
    assert {fact.field: fact.value for fact in reading.facts}["parameters"] == each // 2 * count
    assert sum(source.reads) < 100_000
    assert len(source.reads) == 3, "the first bytes, the header's length, the header"


def test_a_gguf_file_of_5_gb_costs_its_header(read: Read, holed: Any, make_gguf: Callable[..., bytes]) -> None:
    content = make_gguf()
    # The same tensors, of which the last becomes long: its number of elements stands before its type.
    name = b"\x0a\0\0\0\0\0\0\0blk.0.bias"
    place = content.index(name) + len(name) + 4
    elements = (5 << 30) // 2
    content = content[:place] + elements.to_bytes(8, "little") + content[place + 8 :]
    source = holed(content, len(content) + (5 << 30))
    reading = read("model.gguf", source)
    assert max(tensor.size for tensor in reading.tensors) == 5 << 30
    assert sum(source.reads) < 100_000
    assert len(source.reads) < 5


def test_a_pickle_of_arrays_is_read_without_them(read: Read, holed: Any) -> None:
    begin = b"\x80\x04\x95" + bytes(8) + b"]\x94(\x8e" + (3 << 30).to_bytes(8, "little")
    end = b"\x8e" + bytes(8) + b"e."

    class Between(holed):  # type: ignore[misc]
        def read(self, start: int, stop: int) -> bytes:
            content = bytearray(super().read(start, stop))
            for place in range(max(start, self.size - len(end)), stop):
                content[place - start] = end[place - self.size + len(end)]
            return bytes(content)

    source = Between(begin, len(begin) + (3 << 30) + len(end))
    assert read("model.pkl", source).format == "pickle"
    assert sum(source.reads) < 100_000


# Numbers that can't be


@pytest.mark.parametrize("length", [1 << 63, (1 << 64) - 1, 1 << 32, 100])
def test_a_header_that_is_longer_than_its_file_is_refused(read: Read, length: int) -> None:
    with pytest.raises(Malformed, match="header"):
        read("model.safetensors", length.to_bytes(8, "little") + b"{}")


def test_a_long_header_is_refused_before_it_is_read(read: Read, holed: Any) -> None:
    source = holed((80 << 20).to_bytes(8, "little") + b"{}", 1 << 30)
    with pytest.raises(TooMuch, match="header of 83886080 bytes"):
        read("model.safetensors", source)
    assert sum(source.reads) < 10_000


@pytest.mark.parametrize(
    "entry",
    [
        '"dtype":"F32","shape":[1],"data_offsets":[4,0]',
        '"dtype":"F32","shape":[1],"data_offsets":[-4,0]',
        '"dtype":"F32","shape":[1],"data_offsets":[4,8]',
        '"dtype":"F32","shape":[2],"data_offsets":[0,4]',
        '"dtype":"F32","shape":[-1],"data_offsets":[0,4]',
        '"dtype":"F32","shape":[4294967296,4294967296,0,1],"data_offsets":[0,0]',
        '"dtype":"F32","shape":[9223372036854775807,2],"data_offsets":[0,4]',
        '"dtype":"F32","shape":[1e400],"data_offsets":[0,4]',
        '"dtype":"X32","shape":[1],"data_offsets":[0,4]',
        '"dtype":"F32","shape":[1]',
    ],
)
def test_a_tensor_that_contradicts_itself_is_refused(read: Read, entry: str) -> None:
    with pytest.raises(Unreadable):
        read("model.safetensors", header_of_safetensors(f'{{"a":{{{entry}}}}}'.encode(), bytes(4)))


def test_tensors_over_one_another_are_refused(read: Read) -> None:
    entry = '{"dtype":"U8","shape":[4],"data_offsets":[0,4]}'
    with pytest.raises(Malformed, match="where 4 is next"):
        read("model.safetensors", header_of_safetensors(f'{{"a":{entry},"b":{entry}}}'.encode(), bytes(4)))


def test_json_that_is_nested_without_end_is_refused(read: Read) -> None:
    with pytest.raises(Malformed):
        read("model.safetensors", header_of_safetensors(b'{"a":' + b"[" * 1_000_000))


def test_a_header_of_very_many_tensors_is_refused_before_it_becomes_objects(read: Read) -> None:
    header = b"{" + b",".join(b'"%d":0' % number for number in range(100_000)) + b"}"
    with within(8), pytest.raises(TooMuch, match="more than 2000 tensors"):
        read("model.safetensors", header_of_safetensors(header), FEW)


@pytest.mark.parametrize("place", [8, 16])
def test_gguf_that_counts_what_it_cannot_hold_is_refused(
    read: Read, make_gguf: Callable[..., bytes], place: int
) -> None:
    content = bytearray(make_gguf())
    content[place : place + 8] = b"\xff" * 8
    with pytest.raises(TooMuch, match="are read at most"):
        read("model.gguf", bytes(content))


def test_a_gguf_array_that_is_longer_than_its_file_is_refused(read: Read) -> None:
    key = struct.pack("<Q", 1) + b"k" + struct.pack("<II", 9, 8)
    for count in (1 << 63, (1 << 64) - 1, 1 << 20):
        with pytest.raises(Malformed, match="too short"):
            read("model.gguf", b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + key + struct.pack("<Q", count))


def test_gguf_tensors_over_one_another_are_refused(read: Read) -> None:
    tensor = struct.pack("<IQIQ", 1, 4, gguf.GGMLQuantizationType.F32, 0)
    infos = b"".join(struct.pack("<Q", 1) + name + tensor for name in (b"a", b"b"))
    with pytest.raises(Malformed, match="over one another"):
        read("model.gguf", (b"GGUF" + struct.pack("<IQQ", 3, 2, 0) + infos).ljust(128, b"\0") + bytes(64))


# Pickles


class Runs:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", ["model.pkl", "model.pkl.gz"])
def test_what_a_pickle_would_run_is_told_and_not_run(read: Read, tmp_path: Any, protocol: int, name: str) -> None:
    canary = tmp_path / "ran"
    content = pickle.dumps(Runs(f"touch {canary}"), protocol)
    reading = read(name, gzip.compress(content) if name.endswith("gz") else content)
    assert [(finding.level, finding.rule) for finding in reading.findings] == [("dangerous", "pickle-global")]
    assert "posix.system" in reading.findings[0].message
    assert not canary.exists()
    # The canary is one: who loads the file runs it.
    pickle.loads(content)
    assert canary.exists()


def test_a_pickle_in_an_archive_is_told_and_not_run(
    read: Read, tmp_path: Any, recorded: Callable[[str], bytes]
) -> None:
    canary = tmp_path / "ran"
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(recorded("tensors.pt"))) as whole, zipfile.ZipFile(buffer, "w") as archive:
        for entry in whole.infolist():
            archive.writestr(entry.filename, whole.read(entry))
        archive.writestr("tensors/hidden.pkl", pickle.dumps(Runs(f"touch {canary}")))
    reading = read("model.pt", buffer.getvalue())
    assert [finding.level for finding in reading.findings if "hidden.pkl" in finding.message] == ["dangerous"]
    assert not canary.exists()


def test_a_pickle_that_breaks_after_its_call_is_told_nevertheless(read: Read) -> None:
    reading = read("model.pkl", pickle.dumps(Runs("true"))[:-1] + b"\xff\xff")
    assert [(finding.level, finding.rule) for finding in reading.findings] == [
        ("dangerous", "pickle-global"),
        ("suspicious", "pickle-unread"),
    ]


@pytest.mark.parametrize(
    ("content", "rule", "level"),
    [
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "pickle-global", "dangerous"),
        # Through the memo, behind what is dropped, and by an attribute of a builtin.
        (b"\x80\x04\x8c\x02os\x94\x8c\x06system\x940\x8c\x06system\x93.", "pickle-global", "dangerous"),
        (b"\x80\x04\x8c\x08builtins\x8c\x0deval.__call__\x93.", "pickle-global", "dangerous"),
        # A module's name that another call gives.
        (b"\x80\x04cbuiltins\nstr\n)R\x8c\x06system\x93.", "pickle-hidden-global", "dangerous"),
        (b"\x80\x02\x82\x01.", "pickle-extension", "suspicious"),
        (b"(S'true'\nios\nsystem\n.", "pickle-global", "dangerous"),
    ],
)
def test_ways_to_import_are_seen(read: Read, content: bytes, rule: str, level: str) -> None:
    assert (level, rule) in {(finding.level, finding.rule) for finding in read("model.pkl", content).findings}


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04]\x94" + b"2" * 9_000 + b".",  # the same list on the stack very often
        b"\x80\x04" + b"]\x94" * 4_000 + b".",  # a memo of very many
        b"\x80\x04]\x94" + b"(h\x00h\x00l\x94" * 1_500 + b".",
        b"\x80\x04" + b"".join(b"j" + n.to_bytes(4, "little") for n in range(10)) + b".",
        b"\x80\x04]\x94h\x00a.",  # a list in itself
        b"\x80\x04}\x94\x8c\x01ah\x00s.",  # a dict in itself
        b"\x80\x04)" + b"\x94h\x00\x86" * 900 + b".",
        b"\x80\x04" + b")\x85" + b"2\x86" * 2_000 + b".",  # 2^2000 leaves
        b"\x80\x04}" + b"\x85" * 5_000 + b"Ns.",  # a key that is nested deeply
        b"\x80\x04}" + b")" + b"\x85" * 5_000 + b"Ns.",
        b"(" * 9_000 + b".",
        b"\x80\x04\x8b\xff\xff\xff\x7f.",
        b"\x80\x04\x8b\xff\xff\xff\xff.",
        b"\x80\x04B\xff\xff\xff\xff.",
        b"\x80\x04\x8e" + b"\xff" * 8 + b".",
        b"\x80\x04\x8d" + b"\xff" * 7 + b"\x7f.",
        b"I" + b"9" * 10_000 + b"\n.",
        b"I" + b"9" * 100_000,
        b"V" + b"x" * 100_000,
        b"\x80\x04.",
        b"\x80\x041.",
        b"\x80\x04bR.",
        b"c" + b"a" * 70_000 + b"\nb\n.",
        b"S'\\q'\n.",
    ],
)
def test_pickles_that_grow_are_refused_or_read_for_little(read: Read, content: bytes) -> None:
    with within(8):
        try:
            read("model.pkl", content, FEW)
        except Unreadable:
            return


def test_a_pickle_of_too_many_opcodes_is_refused(read: Read) -> None:
    with within(8), pytest.raises(TooMuch, match="more than 10000 opcodes"):
        read("model.pkl", b"\x80\x04" + b"N0" * 100_000 + b"N.", FEW)


def test_names_that_hold_what_cannot_be_stored_are_told_without_it(read: Read) -> None:
    reading = read("model.pkl", b"\x80\x04\x8c\x06o\x00s\xed\xa0\x80\x8c\x06system\x93.")
    assert all("\0" not in finding.message for finding in reading.findings)


# Archives


def zipped(**entries: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), content)
    return buffer.getvalue()


def test_an_entry_that_expands_too_far_is_refused(read: Read) -> None:
    content = zipped(a__data_pkl=b"\x80\x04]" + bytes(8 << 20))
    assert len(content) < 20_000
    with within(8), pytest.raises(TooMuch, match="times as long"):
        read("model.pt", content)


def test_a_compressed_pickle_that_expands_too_far_is_refused(read: Read) -> None:
    for compressed in (zlib.compress(bytes(9 << 20)), bz2.compress(bytes(9 << 20)), lzma.compress(bytes(9 << 20))):
        with within(16), pytest.raises(TooMuch, match="when it is decompressed"):
            read("model.joblib", compressed)


def test_an_archive_of_too_many_entries_is_refused(read: Read) -> None:
    with pytest.raises(TooMuch, match="more than 10 entries"):
        read("a.npz", zipped(**{f"a{number}_npy": b"" for number in range(11)}), Limits(entries=10))


def test_an_archive_with_two_entries_of_one_name_is_refused(read: Read) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x04N.")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a/data.pkl", b"\x80\x04N.")
    with pytest.raises(Malformed, match="two entries of one name"):
        read("model.pt", buffer.getvalue())


def test_an_encrypted_entry_is_refused(read: Read) -> None:
    content = bytearray(zipped(a__data_pkl=b"\x80\x04N."))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(Unreadable, match="encrypted"):
        read("model.pt", bytes(content))


def test_a_gguf_file_type_that_is_a_list_says_nothing_of_the_quantization(read: Read) -> None:
    name = b"general.file_type"
    key = struct.pack("<Q", len(name)) + name + struct.pack("<IIQI", 9, 4, 1, 15)
    found = read("model.gguf", b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + key)
    assert "quantization" not in {fact.field for fact in found.facts}
