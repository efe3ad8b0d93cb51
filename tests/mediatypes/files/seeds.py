"""A small real file for each reader: made here by the format's own library, or recorded where that is heavy."""

from __future__ import annotations

import io
import json
import pickle
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import joblib
import numpy as np
import onnx
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import safetensors.numpy
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

WEIGHTS = Path(__file__).parent / "recorded" / "weights"
DOCUMENTS = Path(__file__).parent / "recorded" / "documents"
SAID: dict[str, Any] = json.loads((WEIGHTS / "said.json").read_text())
"""What the libraries that wrote the recorded files of weights say of them (recorded/weights/record.py)."""
REPORTED: dict[str, dict[str, Any]] = json.loads((DOCUMENTS / "reported.json").read_text())
"""What the libraries say of the recorded documents, by path and field; "raw" of what no field has."""
ARRAYS = {"a": np.ones((2, 3), np.float32), "b": np.arange(4)}
OBJECTS = np.array([1, None, "x"], object)
TENSORS = {"unit": np.ones((2, 2), np.float16)}
TABLE = pa.table(
    {
        "id": pa.array([1, 2, 3], pa.int64()),
        "text": ["a", "b", None],
        "score": [0.5, None, 1.5],
        "tags": pa.array([["x"], [], None], pa.list_(pa.string())),
        "word": pa.array(["a", "b", "a"]).dictionary_encode(),
    }
)


def make_pipeline() -> Pipeline:
    """Return a fitted pipeline of scikit-learn."""
    rows = np.arange(60, dtype=np.float64).reshape(20, 3) % 7
    steps = [("scale", StandardScaler()), ("classify", LogisticRegression(C=0.5))]
    return Pipeline(steps).fit(rows, np.array([0, 1] * 10))


PIPELINE = make_pipeline()


def make_gguf(byte_order: gguf.GGUFEndian = gguf.GGUFEndian.LITTLE) -> bytes:
    """Return a small model of Llama's architecture."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.gguf"
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


def make_onnx() -> bytes:
    """Return a small graph, one of whose weights lies in another file."""
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


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    """Return what is written."""
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def parquet(table: pa.Table, **options: Any) -> bytes:
    """Return a table as a Parquet file."""
    return written(lambda sink: pyarrow.parquet.write_table(table, sink, **options))


def arrow(table: pa.Table, batch: int, *, is_file: bool) -> bytes:
    """Return a table as an Arrow file or stream of batches of so many rows."""
    make = pyarrow.ipc.new_file if is_file else pyarrow.ipc.new_stream

    def write(sink: io.BytesIO) -> None:
        with make(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=batch)

    return written(write)


def dduf(buffer: io.BytesIO) -> None:
    """Write a pipeline of one part."""
    with zipfile.ZipFile(buffer, "w") as archive:
        index = {"_class_name": "FluxPipeline", "_diffusers_version": "0.31.0", "unet": ["diffusers", "UNet"]}
        archive.writestr("model_index.json", json.dumps(index))
        archive.writestr("unet/config.json", "{}")
        archive.writestr("unet/diffusion_pytorch_model.safetensors", safetensors.numpy.save(TENSORS, {"format": "pt"}))


def made_weights() -> dict[str, bytes]:
    """Return files of weights, by a path."""
    return {
        "model.safetensors": safetensors.numpy.save(ARRAYS, {"format": "pt", "modelspec.title": "Small"}),
        "model.gguf": make_gguf(),
        "big-endian.gguf": make_gguf(gguf.GGUFEndian.BIG),
        "model.onnx": make_onnx(),
        "array.npy": written(lambda buffer: np.save(buffer, ARRAYS["a"])),
        "objects.npy": written(lambda buffer: np.save(buffer, OBJECTS)),
        "arrays.npz": written(lambda buffer: np.savez(buffer, **ARRAYS, objects=OBJECTS)),
        "compressed.npz": written(lambda buffer: np.savez_compressed(buffer, **ARRAYS, objects=OBJECTS)),
        **{f"protocol-{protocol}.pkl": pickle.dumps(PIPELINE, protocol) for protocol in range(6)},
        "pipeline.joblib": written(lambda buffer: joblib.dump(PIPELINE, buffer)),
        "objects.joblib": written(lambda buffer: joblib.dump({"a": ARRAYS["a"], "objects": OBJECTS}, buffer)),
        "pipeline.joblib.xz": written(lambda buffer: joblib.dump(PIPELINE, buffer, compress=("xz", 3))),
        "pipeline.dduf": written(dduf),
    }


def recorded(folder: Path) -> dict[str, bytes]:
    """Return the recorded files of a folder, by their paths in it."""
    beside = (
        "said.json",
        "reported.json",
        "python_env.yaml",
    )  # python_env.yaml is MLflow's, and says what conda.yaml says
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in (".py", ".pyc") and path.name not in beside
    }


WEIGHT_FILES = made_weights() | recorded(WEIGHTS)
DOCUMENT_FILES = recorded(DOCUMENTS) | {
    "made.parquet": parquet(TABLE, row_group_size=1),
    "made.arrow": arrow(TABLE, 1, is_file=True),
    "stream.arrow": arrow(TABLE, 1, is_file=False),
    "LICENSE": b"Apache License\nVersion 2.0, January 2004\n",
    "dataset_infos.json": b'{"en": {"features": {"a": {"dtype": "string", "_type": "Value"}}, "splits": {"t": {"name": "t"}}}}',
    "train.json": b'[{"a": 1, "b": [1, 2]}, {"a": null}]',
    "train.tsv": b"a\tb\n1\tx\n",
}
SEEDS = WEIGHT_FILES | DOCUMENT_FILES
"""Small files of all formats, by a path; each is read by some reader, and each reader reads some."""
