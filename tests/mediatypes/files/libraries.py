"""What the formats' own libraries say of the seeds: asked here, or when the file was recorded."""

from __future__ import annotations

import csv
import io
import json
import math
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import joblib
import numpy as np
import onnx
import pyarrow.parquet
import pytest
import safetensors.numpy

from tests.mediatypes.files import seeds
from tests.mediatypes.files.seeds import SAID

Told = dict[str, Any]


def of_arrays(arrays: dict[str, np.ndarray]) -> Told:
    """Return what there is to count."""
    counted = [array for array in arrays.values() if array.dtype != object]
    return {"tensors": len(arrays), "parameters": sum(array.size for array in counted)}


def by_gguf(content: bytes) -> Told:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.gguf"
        path.write_bytes(content)
        said = gguf.GGUFReader(path)
        name = said.fields["general.name"].contents()
        return {
            "title": name,
            "architecture": said.fields["general.architecture"].contents(),
            "tensors": len(said.tensors),
            "parameters": sum(int(tensor.n_elements) for tensor in said.tensors),
        }


def by_onnx(content: bytes) -> Told:
    graph = onnx.load_from_string(content).graph
    return {
        "tensors": len(graph.initializer),
        "parameters": sum(math.prod(weight.dims) for weight in graph.initializer),
        "inputs": [{"name": one.name, "dtype": "float32", "shape": ["batch", 3]} for one in graph.input],
    }


def by_sklearn(estimator: Any) -> Told:
    said = estimator.__getstate__()
    return {"architecture": type(estimator).__name__, "framework_version": said["_sklearn_version"]}


def by_pyarrow(content: bytes) -> Told:
    footer = pyarrow.parquet.read_metadata(io.BytesIO(content))
    return {"rows": footer.num_rows, "features": [{"name": name} for name in footer.schema.to_arrow_schema().names]}


def of_torch(name: str) -> Callable[[bytes], Told]:
    return lambda _: {"tensors": len(SAID["torch"][name])}


def of_keras(_: bytes) -> Told:
    return {"framework_version": SAID["keras"]["version"], "parameters": SAID["keras"]["parameters"]}


def of_flax(_: bytes) -> Told:
    parameters = [shape for name, (_, shape) in SAID["flax"].items() if name.startswith("params.")]
    return {"tensors": len(SAID["flax"]), "parameters": sum(math.prod(shape) for shape in parameters)}


def of_variables(_: bytes) -> Told:
    return {"parameters": sum(math.prod(shape) for _, shape in SAID["tensorflow"]["variables"].values())}


LIBRARIES: dict[str, Callable[[bytes], Told]] = {
    "model.safetensors": lambda content: of_arrays(safetensors.numpy.load(content)),
    "model.gguf": by_gguf,
    "big-endian.gguf": by_gguf,
    "model.onnx": by_onnx,
    "array.npy": lambda content: of_arrays({"": np.load(io.BytesIO(content))}),
    "arrays.npz": lambda content: of_arrays(dict(np.load(io.BytesIO(content), allow_pickle=True))),
    "compressed.npz": lambda content: of_arrays(dict(np.load(io.BytesIO(content), allow_pickle=True))),
    "protocol-4.pkl": lambda content: by_sklearn(pickle.loads(content)),
    "pipeline.joblib": lambda content: by_sklearn(joblib.load(io.BytesIO(content))),
    "pipeline.dduf": lambda _: of_arrays(seeds.TENSORS),
    "tensors.pt": of_torch("tensors.pt"),
    "script.pt": of_torch("script.pt"),
    "legacy.pt": of_torch("legacy.pt"),
    "model.keras": of_keras,
    "model.h5": of_keras,
    "flax.msgpack": of_flax,
    "saved_model/saved_model.pb": lambda _: {"framework_version": SAID["tensorflow"]["version"]},
    "saved_model/variables/variables.index": of_variables,
    "keras_metadata.pb": lambda _: {"framework": "keras", "architecture": "Sequential"},
    "made.parquet": by_pyarrow,
    "train.tsv": lambda content: {"rows": len(list(csv.DictReader(io.StringIO(content.decode()), delimiter="\t")))},
    "train.json": lambda content: {"rows": len(json.loads(content))},
}
"""By a seed's path what the libraries say that are here, or said when the seed was recorded, of its bytes."""


def contains(found: Any, expected: Any) -> bool:
    """Say whether what was found has all that is expected, and objects perhaps more."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(contains(found.get(name), item) for name, item in expected.items())
    if isinstance(expected, list) and isinstance(found, list):
        return len(found) == len(expected) and all(map(contains, found, expected))
    return bool(found == (pytest.approx(expected) if isinstance(expected, float) else expected))
