"""What the readers say of safetensors, GGUF, ONNX and NumPy files is what the formats' own libraries say."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import ml_dtypes
import numpy as np
import onnx
import pytest
import safetensors.numpy
from gguf.constants import GGML_QUANT_SIZES

from mediatypes.files.dtypes import ONNX, SAFETENSORS, of_name, of_numpy
from mediatypes.files.ggml import FILE_TYPES, TYPES
from mediatypes.files.ranged import Counted, InMemory
from mediatypes.files.reading import Reading, Unsupported
from mediatypes.record import Provenance

Read = Callable[..., Reading]


def facts(reading: Reading) -> dict[str, Any]:
    assert all(fact.provenance is Provenance.HEADER for fact in reading.facts)
    assert len({fact.field for fact in reading.facts}) == len(reading.facts), "a file says each thing once"
    return {fact.field: fact.value for fact in reading.facts}


# safetensors


def test_safetensors(read: Read) -> None:
    rng = np.random.default_rng(0)
    arrays = {
        "kernel": rng.random((4, 8), np.float32),
        "bias": rng.random(8).astype(np.float16),
        "scale": np.ones(3, ml_dtypes.bfloat16),
        "ids": np.arange(5),
        "flags": np.array([True, False]),
        "none": np.zeros((0, 7), np.int8),
        "one": np.array(3.0),
    }
    content = safetensors.numpy.save(arrays, {"format": "pt", "modelspec.title": "Small", "modelspec.license": "mit"})
    reading = read("weights/model.safetensors", content)
    assert {tensor.name for tensor in reading.tensors} == set(arrays)
    for tensor in reading.tensors:
        array = arrays[tensor.name]
        assert (tensor.shape, tensor.dtype, tensor.size) == (array.shape, array.dtype.name, array.nbytes)
        assert tensor.offset is not None
        assert content[tensor.offset : tensor.offset + tensor.size] == array.tobytes()
    assert facts(reading) == {
        "format": "safetensors",
        "framework": "pytorch",
        "title": "Small",
        "licenses": ["MIT"],
        "tensors": 7,
        "parameters": sum(array.size for array in arrays.values()),
        "precision": "float32",
    }
    assert {fact.at for fact in reading.facts} == {
        "weights/model.safetensors",
        "weights/model.safetensors#/__metadata__",
    }


def test_safetensors_without_a_name_is_recognised_by_its_begin(read: Read) -> None:
    assert read("blob", safetensors.numpy.save({"a": np.ones(2)})).format == "safetensors"


def test_every_type_of_safetensors_has_its_bits() -> None:
    assert all(of_name(word) is not None for word in SAFETENSORS.values())


# GGUF


@pytest.mark.parametrize("byte_order", list(gguf.GGUFEndian))
def test_gguf(read: Read, make_gguf: Callable[..., bytes], tmp_path: Path, byte_order: gguf.GGUFEndian) -> None:
    content = make_gguf(byte_order)
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    library = gguf.GGUFReader(path)
    reading = read("model.gguf", content)
    assert {tensor.name for tensor in reading.tensors} == {tensor.name for tensor in library.tensors}
    by_name = {tensor.name: tensor for tensor in reading.tensors}
    for known in library.tensors:
        tensor = by_name[known.name]
        assert tensor.shape == tuple(int(extent) for extent in reversed(known.shape))
        assert (tensor.offset, tensor.size) == (known.data_offset, known.n_bytes)
        assert tensor.dtype.upper().replace("FLOAT", "F") == known.tensor_type.name
    assert facts(reading) == {
        "format": "gguf",
        "title": "Small",
        "architecture": "llama",
        "family": "llama",
        "licenses": ["Apache-2.0"],
        "languages": ["en", "de"],
        "quantization": "Q4_K_M",
        "context_length": 4096,
        "vocabulary_size": 300,
        "base_models": [{"ref": "https://example.com/base"}],
        "tensors": 3,
        "parameters": sum(int(known.n_elements) for known in library.tensors),
        "precision": "Q4_K",
    }


def test_gguf_keeps_short_arrays_and_counts_long_ones(read: Read, make_gguf: Callable[..., bytes]) -> None:
    metadata = read("model.gguf", make_gguf()).raw["metadata"]
    assert metadata["llama.rope_dimensions"] == [1, 2, 3]
    assert metadata["tokenizer.ggml.tokens"] == {"count": 300}
    assert metadata["tokenizer.ggml.scores"] == {"count": 300}
    assert metadata["llama.scale"] == "inf"


def test_gguf_of_the_first_version_has_shorter_lengths(read: Read) -> None:
    def text(content: bytes) -> bytes:
        return len(content).to_bytes(4, "little") + content

    def number(value: int, width: int = 4) -> bytes:
        return value.to_bytes(width, "little")

    key = text(b"general.architecture") + number(8) + text(b"gptneox")
    tensor = text(b"w") + number(2) + number(2) + number(3) + number(0) + number(0, 8)
    header = b"GGUF" + number(1) + number(1) + number(1) + key + tensor
    content = header.ljust(-(-len(header) // 32) * 32, b"\0") + bytes(24)
    reading = read("old.gguf", content)
    assert [(found.name, found.shape, found.size) for found in reading.tensors] == [("w", (3, 2), 24)]
    assert facts(reading)["architecture"] == "gptneox"
    with pytest.raises(Unsupported, match="version 4"):
        read("new.gguf", b"GGUF" + number(4) + bytes(40))


def test_types_of_ggml_are_those_of_the_library() -> None:
    sizes = {number: known[1:] for number, known in TYPES.items()}
    assert sizes == {int(kind): known for kind, known in GGML_QUANT_SIZES.items()}
    words = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16"}
    for number, (word, _, _) in TYPES.items():
        assert words.get(word, word.upper().replace("INT", "I")) == gguf.GGMLQuantizationType(number).name
    for number, word in FILE_TYPES.items():
        assert gguf.LlamaFileType(number).name.removeprefix("ALL_").removeprefix("MOSTLY_") == word


# ONNX


def test_onnx(read: Read, make_onnx: Callable[..., bytes]) -> None:
    content = make_onnx()
    library = onnx.load_from_string(content)
    reading = read("model.onnx", content)
    by_name = {tensor.name: tensor for tensor in reading.tensors}
    assert list(by_name) == [known.name for known in library.graph.initializer]
    for known in library.graph.initializer:
        tensor = by_name[known.name]
        assert tensor.shape == tuple(known.dims)
        assert tensor.dtype == onnx.helper.tensor_dtype_to_np_dtype(known.data_type).name
        if known.raw_data:
            assert tensor.offset is not None
            assert content[tensor.offset : tensor.offset + tensor.size] == known.raw_data
    assert by_name["far"].offset is None
    assert by_name["far"].size == 4_000_000
    assert facts(reading) == {
        "format": "onnx",
        "framework": "onnx",
        "description": "A small model.",
        "inputs": [{"name": "x", "dtype": "float32", "shape": ["batch", 3]}],
        "outputs": [{"name": "y", "dtype": "float32", "shape": [None, 4]}],
        "extra": {
            "onnx": {
                "opset": library.opset_import[0].version,
                "producer": "maker",
                "producer_version": "1.2",
                "ir_version": library.ir_version,
                "metadata": {"author": "someone"},
                "external_data": ["weights.bin"],
            }
        },
        "tensors": 4,
        "parameters": 3 * 4 + 4 + 2 + 1_000_000,
        "precision": "float32",
    }
    assert reading.raw["opsets"]["ai.onnx.ml"] == 3
    assert reading.raw["operators"] == {"MatMul": 1, "Add": 1}
    assert not reading.findings


@pytest.mark.parametrize("location", ["/etc/passwd", "../weights", "a\\..\\..\\b", "c:weights"])
def test_weights_outside_of_a_models_directory_are_told(
    read: Read, make_onnx: Callable[..., bytes], location: str
) -> None:
    model = onnx.load_from_string(make_onnx())
    model.graph.initializer[3].external_data[0].value = location
    findings = read("model.onnx", model.SerializeToString()).findings
    assert [(finding.level, finding.rule) for finding in findings] == [("dangerous", "onnx-external-path")]


def test_onnx_weights_are_not_read(read: Read, make_onnx: Callable[..., bytes]) -> None:
    model = onnx.load_from_string(make_onnx())
    size = 20 << 20
    model.graph.initializer[0].dims[:] = [size // 4]
    model.graph.initializer[0].raw_data = bytes(size)
    source = Counted(InMemory(model.SerializeToString()), 200_000)
    assert read("model.onnx", source).tensors[0].size == size


def test_types_of_onnx_are_those_of_the_library() -> None:
    for number, word in ONNX.items():
        if word != "string":
            name = onnx.helper.tensor_dtype_to_np_dtype(number).name
            known = of_name(name) or of_numpy(np.dtype(name).str)
            assert known is not None
            assert known[0] == word


# NumPy


@pytest.mark.parametrize(
    "array",
    [
        np.ones((2, 3), np.float32),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.zeros((0, 4), np.uint16),
        np.array(7, ">i4"),
        np.array([1 + 2j]),
        np.array(["text", "t"]),
        np.array([b"bytes"]),
        np.zeros(3, [("a", "<f4"), ("b", "<i2", (2, 2)), ("c", [("d", "u1")])]),
        np.array(["2026-01-01"], "datetime64[D]"),
    ],
    ids=lambda array: str(array.dtype)[:20],
)
def test_npy(read: Read, array: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array)
    [tensor] = read("array.npy", buffer.getvalue()).tensors
    assert (tensor.shape, tensor.size) == (array.shape, array.nbytes)
    assert tensor.offset is not None
    assert buffer.getvalue()[tensor.offset :] == array.tobytes("A")
    if array.dtype.kind in "iufcb":
        assert tensor.dtype == array.dtype.name


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(read: Read, save: Callable[..., None]) -> None:
    arrays = {"a": np.ones((2, 3), np.float32), "folder/b": np.arange(4), "c": np.ones((), np.float16)}
    buffer = io.BytesIO()
    save(buffer, **arrays)
    content = buffer.getvalue()
    reading = read("arrays.npz", content)
    assert facts(reading) == {"format": "npz", "tensors": 3, "parameters": 11, "precision": "float32"}
    for tensor in reading.tensors:
        array = arrays[tensor.name]
        assert (tensor.shape, tensor.dtype, tensor.size) == (array.shape, array.dtype.name, array.nbytes)
        if save is np.savez:
            assert tensor.offset is not None
            assert content[tensor.offset : tensor.offset + tensor.size] == array.tobytes()
        else:
            assert tensor.offset is None


def test_objects_in_npz_are_pickles_that_are_judged(read: Read) -> None:
    import os

    class Runs:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, ("true",)

    for save in (np.savez, np.savez_compressed):
        buffer = io.BytesIO()
        save(buffer, harmless=np.ones(2), objects=np.array([Runs()], object))
        [finding, *_] = read("arrays.npz", buffer.getvalue()).findings
        assert (finding.level, finding.rule) == ("dangerous", "pickle-global")
        assert "objects" in finding.message


def test_an_npz_whose_entry_ends_within_its_array_is_refused(read: Read) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.ones(100))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("a.npy", buffer.getvalue()[:-1])
    with pytest.raises(ValueError, match="ends within the array 'a'"):
        read("arrays.npz", archive.getvalue())
