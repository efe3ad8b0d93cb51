"""Small real files of each format, and a way to read them."""

from __future__ import annotations

import io
import json
import pathlib
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gguf
import joblib
import numpy as np
import onnx
import pytest
import safetensors.numpy
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from mediatypes.files.ranged import InMemory
from mediatypes.files.readers import reader_of
from mediatypes.files.reading import HEAD, LIMITS, Limits, Reading, Source

RECORDED = pathlib.Path(__file__).parent / "recorded"

Read = Callable[..., Reading]


@dataclass
class Holed:
    """A long file whose bytes are zero behind its begin; it notes what is read of it."""

    begin: bytes
    size: int
    reads: list[int] = field(default_factory=list)

    def read(self, start: int, stop: int) -> bytes:
        assert 0 <= start <= stop <= self.size
        self.reads.append(stop - start)
        return self.begin[start:stop].ljust(stop - start, b"\0")


@pytest.fixture(scope="session")
def holed() -> type[Holed]:
    return Holed


@pytest.fixture(scope="session")
def read() -> Read:
    def read(path: str, content: bytes | Source, limits: Limits = LIMITS) -> Reading:
        source: Source = InMemory(content) if isinstance(content, bytes) else content
        reader = reader_of(path, source.read(0, min(HEAD, source.size)))
        assert reader is not None, f"no reader recognises {path}"
        return reader.read(path, source, limits)

    return read


@pytest.fixture(scope="session")
def recorded() -> Callable[[str], bytes]:
    return lambda name: (RECORDED / name).read_bytes()


@pytest.fixture(scope="session")
def said() -> Any:
    """Return what the libraries that wrote the recorded files say of them."""
    return json.loads((RECORDED / "said.json").read_text())


@pytest.fixture(scope="session")
def pipeline() -> Pipeline:
    rows = np.arange(60, dtype=np.float64).reshape(20, 3) % 7
    steps = [("scale", StandardScaler()), ("classify", LogisticRegression(C=0.5))]
    return Pipeline(steps).fit(rows, np.array([0, 1] * 10))


@pytest.fixture(scope="session")
def make_gguf(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    def make(byte_order: gguf.GGUFEndian = gguf.GGUFEndian.LITTLE) -> bytes:
        path = tmp_path_factory.mktemp("gguf") / "model.gguf"
        writer = gguf.GGUFWriter(path, "llama", endianess=byte_order)
        writer.add_name("Small")
        writer.add_license("apache-2.0")
        writer.add_context_length(4096)
        writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_K_M)
        writer.add_languages(["en", "de"])
        writer.add_base_model_count(1)
        writer.add_base_model_name(0, "Base 7B")
        writer.add_base_model_organization(0, "Example")
        writer.add_base_model_repo_url(0, "https://example.com/base")
        writer.add_token_list([f"token{number}" for number in range(300)])
        writer.add_token_scores([0.5] * 300)
        writer.add_array("llama.rope_dimensions", [1, 2, 3])
        writer.add_float32("llama.scale", float("inf"))
        writer.add_tensor("output.weight", np.ones((3, 64), np.float32))
        writer.add_tensor("blk.0.weight", np.zeros((2, 144), np.uint8), raw_dtype=gguf.GGMLQuantizationType.Q4_K)
        writer.add_tensor("blk.0.bias", np.ones(64, np.float16))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path.read_bytes()

    return make


@pytest.fixture(scope="session")
def make_onnx() -> Callable[..., bytes]:
    def make() -> bytes:
        helper = onnx.helper
        rng = np.random.default_rng(1)
        weights = [
            onnx.numpy_helper.from_array(rng.random((3, 4), np.float32), "kernel"),
            helper.make_tensor("bias", onnx.TensorProto.FLOAT, [4], [0.0, 1.0, 2.0, 3.0]),
            helper.make_tensor("half", onnx.TensorProto.BFLOAT16, [2], [1.0, 2.0]),
        ]
        far = onnx.TensorProto(name="far", data_type=onnx.TensorProto.FLOAT, dims=[1000, 1000])
        far.data_location = onnx.TensorProto.EXTERNAL
        far.external_data.add(key="location", value="weights.bin")
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["x", "kernel"], ["m"]), helper.make_node("Add", ["m", "bias"], ["y"])],
            "small",
            [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", 3])],
            [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [None, 4])],
            [*weights, far],
        )
        model = helper.make_model(graph, producer_name="maker", producer_version="1.2", doc_string="A small model.")
        model.opset_import.add(domain="ai.onnx.ml", version=3)
        helper.set_model_props(model, {"author": "someone"})
        return model.SerializeToString()

    return make


@pytest.fixture(scope="session")
def files(
    recorded: Callable[[str], bytes],
    make_gguf: Callable[..., bytes],
    make_onnx: Callable[..., bytes],
    pipeline: Pipeline,
) -> dict[str, bytes]:
    """Return a small file of each format, by a path."""

    def written(write: Callable[[io.BytesIO], object]) -> bytes:
        buffer = io.BytesIO()
        write(buffer)
        return buffer.getvalue()

    arrays = {"a": np.ones((2, 3), np.float32), "b": np.arange(4)}
    objects = np.array([1, None, "x"], object)
    tensors = safetensors.numpy.save({"unit": np.ones((2, 2), np.float16)}, {"format": "pt"})

    def dduf(buffer: io.BytesIO) -> None:
        with zipfile.ZipFile(buffer, "w") as archive:
            index = {"_class_name": "FluxPipeline", "_diffusers_version": "0.31.0", "unet": ["diffusers", "UNet"]}
            archive.writestr("model_index.json", json.dumps(index))
            archive.writestr("unet/config.json", "{}")
            archive.writestr("unet/diffusion_pytorch_model.safetensors", tensors)

    names = (
        "checkpoint.pt",
        "tensors.pt",
        "module.pt",
        "legacy.pt",
        "script.pt",
        "model.keras",
        "model.h5",
        "lambda.keras",
    )
    return {
        "model.safetensors": safetensors.numpy.save(arrays, {"format": "pt", "modelspec.title": "Small"}),
        "model.gguf": make_gguf(),
        "big-endian.gguf": make_gguf(gguf.GGUFEndian.BIG),
        "model.onnx": make_onnx(),
        "array.npy": written(lambda buffer: np.save(buffer, arrays["a"])),
        "objects.npy": written(lambda buffer: np.save(buffer, objects)),
        "arrays.npz": written(lambda buffer: np.savez(buffer, **arrays, objects=objects)),
        "compressed.npz": written(lambda buffer: np.savez_compressed(buffer, **arrays, objects=objects)),
        **{f"protocol-{protocol}.pkl": pickle.dumps(pipeline, protocol) for protocol in range(6)},
        "pipeline.joblib": written(lambda buffer: joblib.dump(pipeline, buffer)),
        "objects.joblib": written(lambda buffer: joblib.dump({"a": arrays["a"], "objects": objects}, buffer)),
        "pipeline.joblib.xz": written(lambda buffer: joblib.dump(pipeline, buffer, compress=("xz", 3))),
        **{name: recorded(name) for name in names},
        "saved_model.pb": recorded("saved_model/saved_model.pb"),
        "variables/variables.index": recorded("saved_model/variables/variables.index"),
        "keras_metadata.pb": recorded("keras_metadata.pb"),
        "model.msgpack": recorded("flax.msgpack"),
        "pipeline.dduf": written(dduf),
    }
