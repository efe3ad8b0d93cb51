"""Artifacts as people push them: files of each format, packed in the ways that tools have, and what is to be known of them."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import zstandard

from tests.mediatypes.files.libraries import LIBRARIES
from tests.mediatypes.files.seeds import REPORTED, SEEDS

EMPTY: Final = "application/vnd.oci.empty.v1+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
GGUF: Final = "model.gguf"
SPDX: Final = {
    "spdxVersion": "SPDX-2.3",
    "dataLicense": "CC0-1.0",
    "SPDXID": "SPDXRef-DOCUMENT",
    "name": "small",
    "documentNamespace": "https://example.org/small",
}
CHART: Final = {"name": "lake", "version": "1.2.3", "description": "A lake.", "apiVersion": "v2", "appVersion": "4.5"}


@dataclass(frozen=True)
class Case:
    """What is pushed as one artifact, and what is found of it.

    `files` are pushed by `oras push`, each path with the media type in `types`; or, with `manifest_type`, as blobs and a
    manifest that is made of them.
    """

    name: str
    kind: str
    format: str
    files: Mapping[str, bytes]
    expected: Mapping[str, Any]
    arguments: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    pushed: tuple[str, ...] = ()
    """The paths that are told to oras; a directory goes as tar+gzip. Where none is told, all files but a config."""
    annotations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    config: tuple[str, Any] | None = None
    """A media type and a document."""
    manifest_type: str | None = None
    query: str = ""
    """A facet by which it is found, beside its repository."""


def library(path: str) -> dict[str, Any]:
    """Return what the library says of a seed."""
    return {name: value for name, value in LIBRARIES[path](SEEDS[path]).items() if value is not None}


def reported(path: str) -> dict[str, Any]:
    """Return what the library has said of a recorded file, but what no field has."""
    return {name: value for name, value in REPORTED[path].items() if value is not None and name != "raw"}


def under(folder: str, prefix: str = "") -> dict[str, bytes]:
    """Return the recorded files of a folder, by their paths below another one."""
    return {
        prefix + path.removeprefix(f"{folder}/"): content
        for path, content in SEEDS.items()
        if path.startswith(f"{folder}/")
    }


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return files as a tar archive."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return sink.getvalue()


def single(name: str, path: str, **more: Any) -> Case:
    """Return one file of weights."""
    return Case(name, "model", "files", {path.rpartition("/")[2]: SEEDS[path]}, library(path) | more)


def table(name: str, path: str, **more: Any) -> Case:
    """Return one file of data."""
    return Case(name, "dataset", "files", {path.rpartition("/")[2]: SEEDS[path]}, reported(path) | more)


HUB = {
    "README.md": SEEDS["model-card/README.md"],
    "config.json": SEEDS["sharded/config.json"],
    "tokenizer.json": SEEDS["bpe/tokenizer.json"],
    "tokenizer_config.json": SEEDS["bpe/tokenizer_config.json"],
    "LICENSE": SEEDS["LICENSE"],
    **under("sharded"),
}
"""A repository of Hugging Face's."""
HUB_SAYS = (
    reported("model-card/README.md")
    | reported("sharded/config.json")
    | reported("sharded/model.safetensors.index.json")
)

FILES: Final = (
    single("safetensors", "model.safetensors", format="safetensors", framework="pytorch", precision="float32"),
    single("gguf", GGUF, format="gguf", quantization="Q4_K_M", licenses=["Apache-2.0"], context_length=4096),
    single("gguf-big-endian", "big-endian.gguf", format="gguf"),
    single("onnx", "model.onnx", format="onnx", framework="onnx", description="A small model."),
    single("torch", "tensors.pt", format="pytorch", framework="pytorch"),
    single("torchscript", "script.pt", format="torchscript", architecture="Scripted"),
    single("torch-legacy", "legacy.pt", format="pytorch"),
    single("sklearn-joblib", "pipeline.joblib", format="joblib", framework="sklearn"),
    single("sklearn-pickle", "protocol-4.pkl", format="pickle", framework="sklearn"),
    single("keras", "model.keras", format="keras", framework="keras"),
    single("keras-h5", "model.h5", format="hdf5", framework="keras"),
    single("flax", "flax.msgpack", format="msgpack", framework="jax"),
    single("dduf", "pipeline.dduf", format="dduf", framework="diffusers"),
    Case("npy", "dataset", "files", {"array.npy": SEEDS["array.npy"]}, library("array.npy") | {"format": "npy"}),
    single("npz", "arrays.npz", format="npz"),
    table("parquet", "saved/train.parquet"),
    table("arrow", "saved/train/data-00000-of-00001.arrow"),
    table("csv", "saved/train.csv"),
    table("jsonl", "saved/train.jsonl"),
)
FOLDERS: Final = (
    Case(
        "savedmodel-tar-gzip",
        "model",
        "files",
        {f"small/{path}": content for path, content in under("saved_model").items()},
        library("saved_model/saved_model.pb")
        | library("saved_model/variables/variables.index")
        | {"format": "savedmodel", "framework": "tensorflow"},
        pushed=("small",),
        query="framework:tensorflow",
    ),
    Case(
        "sharded-safetensors",
        "model",
        "files",
        under("sharded"),
        reported("sharded/config.json") | reported("sharded/model.safetensors.index.json") | {"format": "safetensors"},
        query="params:1944",
    ),
    Case(
        "hugging-face-files", "model", "files", HUB, HUB_SAYS | {"format": "safetensors"}, query="metric.accuracy:>0.9"
    ),
    Case(
        "hugging-face-tar-zstd",
        "model",
        "files",
        {"repository.tar.zst": zstandard.compress(packed(HUB))},
        HUB_SAYS | {"format": "safetensors"},
        types={"repository.tar.zst": "application/vnd.oci.image.layer.v1.tar+zstd"},
        query="base:google-bert/*",
    ),
    Case(
        "model-card",
        "model",
        "files",
        {"README.md": SEEDS["model-card/README.md"]},
        reported("model-card/README.md"),
        query="metric.f1:>0.9 task:text-classification",
    ),
    Case(
        "adapter",
        "model",
        "files",
        under("adapter"),
        reported("adapter/adapter_config.json"),
        query="base:example/sharded",
    ),
    Case("diffusers", "model", "files", under("pipeline"), reported("pipeline/model_index.json")),
    Case(
        "croissant",
        "dataset",
        "files",
        {"croissant.json": SEEDS["croissant/croissant-1.1.json"]},
        reported("croissant/croissant-1.1.json"),
        query="license:cc-by-4.0",
    ),
    Case(
        "dataset-saved",
        "dataset",
        "files",
        {f"saved/{path}": content for path, content in under("saved").items()},
        {"features": reported("saved/train.parquet")["features"]},
        pushed=("saved",),
    ),
    Case(
        "mlflow-directory",
        "model",
        "files",
        {f"model/{path}": content for path, content in under("mlflow").items()}
        | {"model/model.pkl": SEEDS["protocol-4.pkl"]},
        {
            "framework": "sklearn",
            "inputs": reported("mlflow/MLmodel")["inputs"],
            "outputs": reported("mlflow/MLmodel")["outputs"],
        },
        pushed=("model",),
    ),
)
TOOLS: Final = (
    Case(
        "modelpack",
        "model",
        "modelpack",
        {"model.safetensors": SEEDS["model.safetensors"], "README.md": SEEDS["model-card/README.md"]},
        library("model.safetensors")
        | {"name": "small", "family": "llama", "format": "safetensors", "licenses": ["MIT"], "precision": "float16"},
        arguments=("--artifact-type", "application/vnd.cncf.model.manifest.v1+json"),
        types={
            "model.safetensors": "application/vnd.cncf.model.weight.v1.raw",
            "README.md": "application/vnd.cncf.model.doc.v1.raw",
        },
        annotations={
            "model.safetensors": {"org.cncf.model.filepath": "model.safetensors"},
            "README.md": {"org.cncf.model.filepath": "README.md"},
        },
        config=(
            "application/vnd.cncf.model.config.v1+json",
            {
                "descriptor": {"name": "small", "family": "llama", "licenses": ["MIT"]},
                "config": {"format": "safetensors", "precision": "fp16"},
                "modelfs": {"type": "layers", "diffIds": []},
            },
        ),
        query="packed:modelpack family:llama",
    ),
    Case(
        "kitops",
        "model",
        "kitops",
        {"model.tar": packed({"pipeline.joblib": SEEDS["pipeline.joblib"]}), "train.csv": SEEDS["saved/train.csv"]},
        {"name": "kit", "framework": "sklearn", "licenses": ["Apache-2.0"], "architecture": "Pipeline"},
        arguments=("--artifact-type", "application/vnd.kitops.modelkit.manifest.v1+json"),
        types={
            "model.tar": "application/vnd.kitops.modelkit.model.v1.tar",
            "train.csv": "application/vnd.kitops.modelkit.dataset.v1.raw",
        },
        config=(
            "application/vnd.kitops.modelkit.config.v1+json",
            {
                "manifestVersion": "1.0.0",
                "package": {"name": "kit", "license": "Apache-2.0"},
                "model": {"name": "kit", "path": "pipeline.joblib", "framework": "scikit-learn"},
                "datasets": [{"name": "train", "path": "train.csv"}],
            },
        ),
    ),
    Case(
        "docker-gguf",
        "model",
        "docker",
        {GGUF: SEEDS[GGUF]},
        library(GGUF) | {"format": "gguf", "quantization": "Q4_K_M"},
        types={GGUF: "application/vnd.docker.ai.gguf.v3"},
        config=(
            "application/vnd.docker.ai.model.config.v0.1+json",
            {"config": {"format": "gguf", "quantization": "Q4_K_M", "architecture": "llama"}, "descriptor": {}},
        ),
        query="packed:docker quantization:q4_k_m",
    ),
    Case(
        "ollama",
        "model",
        "ollama",
        {GGUF: SEEDS[GGUF], "LICENSE": SEEDS["LICENSE"]},
        {"format": "gguf", "family": "llama", "quantization": "Q4_K_M", "tensors": library(GGUF)["tensors"]},
        types={GGUF: "application/vnd.ollama.image.model", "LICENSE": "application/vnd.ollama.image.license"},
        config=(
            "application/vnd.docker.container.image.v1+json",
            {"model_format": "gguf", "model_family": "llama", "model_families": ["llama"], "file_type": "Q4_K_M"},
        ),
        manifest_type=DOCKER_MANIFEST,
        query="packed:ollama",
    ),
    Case(
        "helm",
        "chart",
        "helm",
        {"lake-1.2.3.tgz": gzip.compress(packed({"lake/Chart.yaml": json.dumps(CHART).encode()}))},
        {"name": "lake", "version": "1.2.3", "description": "A lake."},
        types={"lake-1.2.3.tgz": "application/vnd.cncf.helm.chart.content.v1.tar+gzip"},
        config=("application/vnd.cncf.helm.config.v1+json", CHART),
        query="kind:chart",
    ),
)
CASES: Final = (*FILES, *FOLDERS, *TOOLS)
