"""What is told of one blob has its bounds, whatever it holds; what is beyond them is said, and findings are told first."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import zstandard

from mediatypes.files import tensor_index
from mediatypes.files.ranged import InMemory
from mediatypes.files.reading import Tensor, TooMuch
from registry import reading as reading_module
from registry.reading import read
from registry.sandboxed import LARGEST_FRAME
from tests.core.test_extraction import HARMFUL, safetensors, tar


def told(files: dict[str, bytes]) -> dict[str, Any]:
    """Return what is told of an archive of files."""
    return read({"packing": "tar", "path": ""}, InMemory(tar(**files)))


def weights(*names: str) -> bytes:
    return safetensors(**{name: ("F32", [1]) for name in names})


@pytest.mark.parametrize(("bound", "value"), [("_MOST_TENSORS", 3), ("_MOST_PACKED", 70)])
def test_so_many_tensors_are_listed_of_a_layer(bound: str, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_module, bound, value)
    found = told(
        {"a.safetensors": weights("a", "b"), "b.safetensors": weights("c", "d"), "c.safetensors": weights("e")}
    )
    listed = [file["path"] for file in found["files"] if "tensors" in file]
    assert "a.safetensors" in listed
    assert "b.safetensors" not in listed
    left_out = found["files"][1]
    assert left_out["problem"].startswith("has tensors that are not listed: ")
    assert ["tensors", 2] in [fact[:2] for fact in left_out["facts"]]


def test_a_file_with_too_much_to_tell_keeps_its_findings_and_the_next_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_module, "_MOST_BYTES", 900)
    card = b"---\nlicense: mit\ntags: [" + b", ".join(b"'%0100d'" % number for number in range(20)) + b"]\n---\n"
    found = told({"README.md": card, "model.pkl": HARMFUL, **{f"{number:090}.bin": b"x" for number in range(9)}})
    first, second = found["files"][:2]
    assert first["problem"].startswith("has more to tell than there is room for: ")
    assert (first["path"], "facts" in first, second["findings"][0]["level"]) == ("README.md", False, "dangerous")
    assert 2 < len(found["files"]) < 11
    assert found["problem"] == "has more to tell of its files than 900 bytes, and the others are not told"


def test_what_is_told_of_a_blob_fits_into_a_frame() -> None:
    assert reading_module._MOST_BYTES + reading_module._MOST_PACKED + 1000 < LARGEST_FRAME


def test_an_index_that_is_none_or_becomes_too_large_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = [Tensor("a" * 100, "float32", (1,), 0, 4)]
    packed = tensor_index.packed(tensors)
    assert tensor_index.unpacked(packed) == tensors
    streamed = zstandard.ZstdCompressor().compressobj()
    for wrong in (
        b"",
        b"no index",
        packed[:-3],
        zstandard.compress(msgspec.msgpack.encode([[1, 2]])),
        streamed.compress(bytes(1 << 20)) + streamed.flush(),  # which doesn't say what it becomes
    ):
        with pytest.raises(ValueError, match=r"."):
            tensor_index.unpacked(wrong)
    monkeypatch.setattr(tensor_index, "_LARGEST", 50)
    with pytest.raises(ValueError, match="more than 50 bytes"):
        tensor_index.unpacked(packed)
    with pytest.raises(TooMuch):
        tensor_index.packed(tensors)
