"""Files that are cut off, changed or made to hurt end in a refusal that is typed, or in a reading, for little work."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mediatypes.files.ranged import Counted, InMemory
from mediatypes.files.readers import reader_of
from mediatypes.files.reading import HEAD, LIMITS, Reading, Unreadable

# pyfive warns of an attribute whose type it doesn't know.
pytestmark = pytest.mark.filterwarnings("ignore:Attribute:UserWarning")

PATHS = [
    *("model.safetensors", "model.gguf", "big-endian.gguf", "model.onnx", "array.npy", "objects.npy", "arrays.npz"),
    *("compressed.npz", "pipeline.joblib", "objects.joblib", "pipeline.joblib.xz", "checkpoint.pt", "tensors.pt"),
    *("module.pt", "legacy.pt", "script.pt", "model.keras", "model.h5", "lambda.keras", "saved_model.pb"),
    *("variables/variables.index", "keras_metadata.pb", "model.msgpack", "pipeline.dduf"),
    *(f"protocol-{protocol}.pkl" for protocol in range(6)),
]
NUMBERS = [b"\xff" * 8, b"\x7f" + b"\xff" * 7, bytes(7) + b"\x80"]


def read_whatever_it_is(path: str, content: bytes) -> Reading | None:
    """Read a file, within eight times its length, and check that what comes out can be stored."""
    reader = reader_of(path, content[:HEAD])
    if reader is None:
        return None
    source = Counted(InMemory(content), 8 * len(content) + (1 << 20))
    try:
        reading = reader.read(path, source, LIMITS)
    except Unreadable:
        return None
    for tensor in reading.tensors:
        assert tensor.size >= 0
        assert tensor.offset is None or 0 <= tensor.offset <= tensor.offset + tensor.size <= len(content)
    told = json.dumps(
        [reading.raw, [finding.message for finding in reading.findings]], allow_nan=False, ensure_ascii=False
    )
    assert "\\u0000" not in told.replace("\\\\", "")
    told.encode()
    return reading


def test_every_kind_of_file_is_tried(files: dict[str, bytes]) -> None:
    assert sorted(PATHS) == sorted(files)
    assert all(reader_of(path, content[:HEAD]) is not None for path, content in files.items())


@pytest.mark.parametrize("path", PATHS)
def test_a_file_that_ends_early_is_refused_or_read(path: str, files: dict[str, bytes]) -> None:
    content = files[path]
    assert read_whatever_it_is(path, content) is not None
    # Every length of the first bytes, where most headers are, and many of the rest.
    size = len(content)
    lengths = {*range(min(size, 600)), *range(600, size, max(1, size // 300)), *range(size - 100, size)}
    for length in lengths:
        read_whatever_it_is(path, content[:length])


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_file_is_refused_or_read(path: str, files: dict[str, bytes], data: st.DataObject) -> None:
    content = bytearray(files[path])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        match data.draw(st.sampled_from(["byte", "number", "removed", "repeated"])):
            case "byte":
                content[place] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF, 0x2E]))
            case "number":
                content[place : place + 8] = data.draw(st.sampled_from(NUMBERS))
            case "removed":
                del content[place : place + data.draw(st.integers(1, 9))]
            case "repeated":
                content[place:place] = content[place : place + data.draw(st.integers(1, 64))]
        if not content:
            return
    read_whatever_it_is(path, bytes(content))
