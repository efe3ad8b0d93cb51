"""Whatever bytes a file has, it is read, or refused with a reason: no other error, nothing that can't be stored."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mediatypes.files.archives import members
from mediatypes.files.readers import READERS, reader_of
from mediatypes.files.reading import HEAD, LIMITS, Limits, Unreadable
from mediatypes.models.artifact import Packing
from mediatypes.record import is_plain
from tests.mediatypes.files.sources import Bytes
from tests.mediatypes.files.test_tables import TABLE, arrow, parquet

RECORDED = Path(__file__).parent / "recorded"
SMALL = Limits(header=1 << 20, entries=1000, depth=20, expanded=8 << 20, buffered=1 << 20)
MADE = {
    "made.parquet": parquet(TABLE, row_group_size=1),
    "made.arrow": arrow(TABLE, 1, is_file=True),
    "stream.arrow": arrow(TABLE, 1, is_file=False),
    "LICENSE": b"Apache License\nVersion 2.0, January 2004\n",
    "adapter_config.json": b'{"base_model_name_or_path": "a/b", "peft_type": "LORA", "r": 8, "task_type": "CAUSAL_LM"}',
    "model.safetensors.index.json": b'{"metadata": {"total_size": 10}, "weight_map": {"a": "f", "b": "g"}}',
    "model_index.json": b'{"_class_name": "FluxPipeline", "_diffusers_version": "0.36.0", "vae": ["diffusers", "Vae"]}',
    "preprocessor_config.json": b'{"image_processor_type": "CLIPImageProcessor", "size": {"height": 224}}',
    "eval_results.json": b'{"eval_f1": 0.5, "eval_runtime": 3.5, "epoch": 1.0}',
    ".eval_results/a.yaml": b"- dataset: {id: a/b, task_id: t}\n  value: 1.5\n",
    "dataset_infos.json": b'{"en": {"features": {"a": {"dtype": "string", "_type": "Value"}}, "splits": {"t": {"name": "t"}}}}',
    "train.json": b'[{"a": 1, "b": [1, 2]}, {"a": null}]',
    "train.tsv": b"a\tb\n1\tx\n",
}
SEEDS = MADE | {
    str(path.relative_to(RECORDED)): path.read_bytes()
    for path in sorted(RECORDED.rglob("*"))
    if path.is_file() and path.suffix != ".py" and path.name not in ("reported.json", "python_env.yaml")
}


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

Edits = list[tuple[float, str, bytes]]
PIECES = (b"\xff" * 4, b"\0" * 8, b"\x7f" + b"\xff" * 7, b"9" * 20, b"[[[[", b"{", b"&a *a")
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
    """Read a file, or have it refused; say whether it was read. Any other error is the test's."""
    source = Bytes(content)
    reader = reader_of(path, content[:HEAD])
    if reader is None:
        return False
    with contextlib.suppress(Unreadable):
        reading = reader.read(path, source, SMALL)
        assert is_plain(reading.raw)
        json.dumps(reading.raw, allow_nan=False).encode()
        return True
    assert source.taken <= 4 * len(content) + 4096
    return False


def listed_or_refused(packing: Packing, content: bytes) -> None:
    """List an archive and read how its members begin, up to where it is refused. Any other error is the test's."""
    with contextlib.suppress(Unreadable):
        for member in members(Bytes(content), packing, SMALL):
            member.path.encode()
            assert (member.source is None) == (member.refused is not None)
            if member.source is not None:
                member.source.read(0, min(member.size, HEAD))


def test_every_reader_has_a_file_that_is_changed_here() -> None:
    assert {reader.name for reader in READERS} == {
        found.name for path, content in SEEDS.items() if (found := reader_of(path, content[:HEAD])) is not None
    }
    assert all(read_or_refused(path, content) for path, content in SEEDS.items())


@pytest.mark.parametrize("path", sorted(SEEDS))
def test_a_file_that_is_cut_off_anywhere_is_read_or_refused(path: str) -> None:
    content = SEEDS[path]
    for stop in range(0, len(content), max(1, len(content) // 60)):
        read_or_refused(path, content[:stop])


@settings(max_examples=1500, deadline=None)
@given(path=st.sampled_from(sorted(SEEDS)), changes=edits)
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
