"""What the readers say of files of PyTorch, Keras, TensorFlow and Flax is what these said when the files were recorded."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from mediatypes.files.reading import Malformed, Reading

Read = Callable[..., Reading]
Recorded = Callable[[str], bytes]


def facts(reading: Reading) -> dict[str, Any]:
    assert len({fact.field for fact in reading.facts}) == len(reading.facts), "a file says each thing once"
    return {fact.field: fact.value for fact in reading.facts}


def described(reading: Reading, prefix: str = "") -> dict[str, list[Any]]:
    words = {"float8_e4m3": "float8_e4m3fn"}
    found = (tensor for tensor in reading.tensors if tensor.name.startswith(prefix))
    return {tensor.name[len(prefix) :]: [words.get(tensor.dtype, tensor.dtype), list(tensor.shape)] for tensor in found}


# PyTorch


@pytest.mark.parametrize(
    ("name", "prefix"),
    [("checkpoint.pt", "model."), ("tensors.pt", ""), ("module.pt", ""), ("legacy.pt", ""), ("script.pt", "")],
)
def test_torch(read: Read, recorded: Recorded, said: Any, name: str, prefix: str) -> None:
    reading = read(name, recorded(name))
    assert described(reading, prefix) == said["torch"][name]
    assert facts(reading)["framework"] == "pytorch"
    assert reading.format == facts(reading)["format"] == ("torchscript" if name == "script.pt" else "pytorch")


@pytest.mark.parametrize(("name", "prefix"), [("checkpoint.pt", "model."), ("module.pt", ""), ("legacy.pt", "")])
def test_torchs_offsets_lead_to_the_tensors_bytes(
    read: Read, recorded: Recorded, said: Any, name: str, prefix: str
) -> None:
    content = recorded(name)
    tensors = {tensor.name: tensor for tensor in read(name, content).tensors}
    for tensor_name, expected in said["torch"]["bytes"].items():
        tensor = tensors[prefix + tensor_name]
        assert tensor.offset is not None
        assert list(content[tensor.offset : tensor.offset + tensor.size]) == expected


def test_a_checkpoints_optimizer_has_tensors_and_no_parameters(read: Read, recorded: Recorded, said: Any) -> None:
    reading = read("checkpoint.pt", recorded("checkpoint.pt"))
    shapes = [shape for _, shape in said["torch"]["checkpoint.pt"].values()]
    assert facts(reading)["parameters"] == sum(math.prod(shape) for shape in shapes)
    assert facts(reading)["tensors"] > len(shapes)
    assert facts(reading)["precision"] == "float16"


def test_torchs_views_have_places_and_what_is_shared_counts_once(read: Read, recorded: Recorded) -> None:
    reading = read("tensors.pt", recorded("tensors.pt"))
    tensors = {tensor.name: tensor for tensor in reading.tensors}
    assert tensors["head"].offset == tensors["embedding"].offset
    assert tensors["embedding"].offset is not None
    assert tensors["row"].offset == tensors["embedding"].offset + 6
    assert tensors["turned"].offset is None, "its elements don't follow one another"
    # embedding and head once, row, turned, one, small, flags
    assert facts(reading)["parameters"] == 6 + 3 + 6 + 1 + 3 + 2


def test_a_torch_module_has_its_class(read: Read, recorded: Recorded) -> None:
    module = read("module.pt", recorded("module.pt"))
    assert facts(module)["architecture"] == "Sequential"
    assert {finding.level for finding in module.findings} == {"suspicious"}
    assert facts(read("script.pt", recorded("script.pt")))["architecture"] == "Scripted"
    assert not read("checkpoint.pt", recorded("checkpoint.pt")).findings


@pytest.mark.parametrize("name", ["checkpoint.bin", "weights", "pytorch_model.bin"])
def test_torch_is_recognised_by_its_content(read: Read, recorded: Recorded, name: str) -> None:
    assert read(name, recorded("checkpoint.pt")).format == "pytorch"


def test_a_torch_tensor_outside_of_its_storage_is_refused(read: Read, recorded: Recorded) -> None:
    content = recorded("checkpoint.pt")
    # The first weight's shape, 4 by 3, becomes 4 by 4 with a row's stride of 4.
    shape = b"K\x04K\x03\x86q"
    place = content.index(shape)
    changed = content[: place + 3] + b"\x04" + content[place + 4 :]
    stride = changed.index(b"K\x03K\x01\x86", place)
    changed = changed[: stride + 1] + b"\x04" + changed[stride + 2 :]
    with pytest.raises(Malformed, match="outside of its storage"):
        read("checkpoint.pt", changed)


# Keras


@pytest.mark.parametrize(("name", "format_name"), [("model.keras", "keras"), ("model.h5", "hdf5")])
def test_keras(read: Read, recorded: Recorded, said: Any, name: str, format_name: str) -> None:
    reading = read(name, recorded(name))
    told = facts(reading)
    assert told["framework"] == "keras"
    assert told["framework_version"] == said["keras"]["version"]
    assert told["architecture"] == "Sequential"
    assert told["title"] == "small"
    assert told["format"] == reading.format == format_name
    assert told["parameters"] == said["keras"]["parameters"]
    assert told["precision"] == "float32"
    assert told["inputs"] == [{"name": told["inputs"][0]["name"], "dtype": "float32", "shape": [None, 3]}]
    weights = [list(tensor.shape) for tensor in reading.tensors if not tensor.name.startswith("optimizer")]
    assert sorted(weights) == said["keras"]["shapes"]
    assert reading.raw["layers"] == ["InputLayer", "Dense", "Dense"]
    assert not reading.findings


def test_kerass_weights_lie_where_both_of_its_formats_say(read: Read, recorded: Recorded) -> None:
    def kernels(name: str) -> set[bytes]:
        content = recorded(name)
        tensors = read(name, content).tensors
        return {
            content[tensor.offset : tensor.offset + tensor.size] for tensor in tensors if tensor.shape and tensor.offset
        }

    assert kernels("model.keras") == kernels("model.h5")
    assert any(any(kernel) for kernel in kernels("model.h5"))


def test_code_in_a_keras_model_is_told(read: Read, recorded: Recorded) -> None:
    findings = read("lambda.keras", recorded("lambda.keras")).findings
    assert ("dangerous", "keras-lambda") in {(finding.level, finding.rule) for finding in findings}


@pytest.mark.parametrize(
    ("module", "name", "level"), [("os", "system", "dangerous"), ("own.layers", "Gate", "suspicious")]
)
def test_what_a_keras_model_imports_is_told(read: Read, recorded: Recorded, module: str, name: str, level: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(recorded("model.keras"))) as whole, zipfile.ZipFile(buffer, "w") as archive:
        for entry in whole.infolist():
            content = whole.read(entry)
            if entry.filename == "config.json":
                config = json.loads(content)
                config["config"]["layers"].append({"module": module, "class_name": name, "config": {}})
                content = json.dumps(config).encode()
            archive.writestr(entry.filename, content)
    [finding] = read("model.keras", buffer.getvalue()).findings
    assert finding.level == level
    assert f"{module}.{name}" in finding.message


# TensorFlow


def test_a_saved_model(read: Read, recorded: Recorded, said: Any) -> None:
    reading = read("1/saved_model.pb", recorded("saved_model/saved_model.pb"))
    assert facts(reading) == {
        "format": "savedmodel",
        "framework": "tensorflow",
        "framework_version": said["tensorflow"]["version"],
        "inputs": [{"name": "x", "dtype": "float32", "shape": [None, 3]}],
        "outputs": [{"name": "y", "dtype": "float32", "shape": [None, 2]}],
    }
    assert reading.raw["tags"] == ["serve"]
    assert reading.raw["operators"]["MatMul"] == 2
    assert not reading.findings


def test_a_saved_model_that_writes_files_is_told(read: Read, recorded: Recorded) -> None:
    [finding] = read("saved_model.pb", recorded("writes/saved_model.pb")).findings
    assert (finding.level, finding.rule) == ("dangerous", "tensorflow-operator")
    assert "WriteFile" in finding.message


def test_a_saved_models_variables(read: Read, recorded: Recorded, said: Any) -> None:
    reading = read("variables/variables.index", recorded("saved_model/variables/variables.index"))
    found = {name.partition("/")[0]: told for name, told in described(reading).items()}
    assert found == said["tensorflow"]["variables"]
    assert facts(reading)["parameters"] == 7
    assert all(tensor.offset is None for tensor in reading.tensors), "their bytes are in other files"


def test_what_keras_2_says_beside_a_saved_model(read: Read, recorded: Recorded) -> None:
    reading = read("keras_metadata.pb", recorded("keras_metadata.pb"))
    assert facts(reading) == {"framework": "keras", "architecture": "Sequential", "title": "old"}
    assert not reading.findings


# Flax, DDUF


def test_flax(read: Read, recorded: Recorded, said: Any) -> None:
    content = recorded("flax.msgpack")
    reading = read("flax_model.msgpack", content)
    assert described(reading) == said["flax"]
    assert facts(reading) == {
        "format": "msgpack",
        "framework": "jax",
        "tensors": 3,
        "parameters": 16,
        "precision": "float32",
    }
    kernel = next(tensor for tensor in reading.tensors if tensor.name == "params.dense.kernel")
    assert kernel.offset is not None
    assert content[kernel.offset : kernel.offset + 4] == b"\0\0\x80?"


def test_dduf(read: Read, files: dict[str, bytes]) -> None:
    content = files["pipeline.dduf"]
    reading = read("pipeline.dduf", content)
    assert facts(reading) == {
        "format": "dduf",
        "framework": "diffusers",
        "framework_version": "0.31.0",
        "architecture": "FluxPipeline",
        "tensors": 1,
        "parameters": 4,
        "precision": "float16",
    }
    [tensor] = reading.tensors
    assert tensor.name == "unet.unit"
    assert tensor.offset is not None
    assert content[tensor.offset : tensor.offset + tensor.size] == b"\0<" * 4


def test_all_that_is_told_is_json(read: Read, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        reading = read(path, content)
        json.dumps([reading.raw, [fact.value for fact in reading.facts]], allow_nan=False)
        assert facts(reading)["framework" if path == "keras_metadata.pb" else "format"]
