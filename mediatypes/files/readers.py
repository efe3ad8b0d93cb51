"""The readers of files, in the order in which they are asked: what a file is named says more than how it begins."""

from __future__ import annotations

from typing import Final

from mediatypes.files.arrow import Arrow
from mediatypes.files.cards import Card
from mediatypes.files.croissant import Croissant
from mediatypes.files.dataset_infos import DatasetDict, DatasetInfos, DatasetState
from mediatypes.files.delimited import Delimited
from mediatypes.files.gguf import GgufReader
from mediatypes.files.json_records import JsonLines, JsonRecords
from mediatypes.files.licenses import License
from mediatypes.files.mlflow import CondaEnvironment, MLmodel, Requirements
from mediatypes.files.npy import NpyReader, NpzReader
from mediatypes.files.onnx import OnnxReader
from mediatypes.files.parquet import Parquet
from mediatypes.files.pickled import PickleReader
from mediatypes.files.reading import FileReader
from mediatypes.files.safetensors import SafetensorsReader
from mediatypes.files.tokenizers import ChatTemplate, Tokenizer, TokenizerConfig
from mediatypes.files.torch_files import LegacyTorchReader, TorchReader
from mediatypes.files.training import AdapterConfig, EvaluationResults, TrainerResults, TrainerState, WeightsIndex
from mediatypes.files.transformers_configs import GenerationConfig, ModelConfig, PipelineIndex, PreprocessorConfig

READERS: Final[tuple[FileReader, ...]] = (
    ModelConfig(),
    GenerationConfig(),
    PreprocessorConfig(),
    PipelineIndex(),
    Tokenizer(),
    TokenizerConfig(),
    ChatTemplate(),
    AdapterConfig(),
    WeightsIndex(),
    TrainerState(),
    TrainerResults(),
    EvaluationResults(),
    Card(),
    License(),
    MLmodel(),
    CondaEnvironment(),
    Requirements(),
    DatasetInfos(),
    DatasetDict(),
    DatasetState(),
    SafetensorsReader(),
    GgufReader(),
    OnnxReader(),
    NpyReader(),
    NpzReader(),
    TorchReader(),
    LegacyTorchReader(),
    PickleReader(),
    Parquet(),
    Arrow(),
    Croissant(),
    Delimited(),
    JsonLines(),
    JsonRecords(),
)


def reader_of(path: str, head: bytes) -> FileReader | None:
    """Return who reads a file, by its path in the artifact and its first HEAD bytes; None where nobody does."""
    return next((reader for reader in READERS if reader.recognises(path, head)), None)
