"""All readers of files, in the order in which they are asked.

First those of formats whose beginning can be no other's, whatever a file is named; then those that go by the name, what is
special before what is general.
"""

from __future__ import annotations

from typing import Final

from mediatypes.files.arrow import Arrow
from mediatypes.files.cards import Card
from mediatypes.files.croissant import Croissant
from mediatypes.files.dataset_infos import DatasetDict, DatasetInfos, DatasetState
from mediatypes.files.dduf import DdufReader
from mediatypes.files.delimited import Delimited
from mediatypes.files.flax import FlaxReader
from mediatypes.files.gguf import GgufReader
from mediatypes.files.hdf5 import Hdf5Reader
from mediatypes.files.json_records import JsonLines, JsonRecords
from mediatypes.files.keras_files import KerasReader
from mediatypes.files.licenses import License
from mediatypes.files.mlflow import CondaEnvironment, MLmodel, Requirements
from mediatypes.files.npy import NpyReader, NpzReader
from mediatypes.files.onnx import OnnxReader
from mediatypes.files.parquet import Parquet
from mediatypes.files.pickled import PickleReader
from mediatypes.files.reading import FileReader
from mediatypes.files.safetensors import SafetensorsReader
from mediatypes.files.tensorflow import CheckpointReader, KerasMetadataReader, SavedModelReader
from mediatypes.files.tokenizers import ChatTemplate, Tokenizer, TokenizerConfig
from mediatypes.files.torch_files import LegacyTorchReader, TorchReader
from mediatypes.files.training import AdapterConfig, EvaluationResults, TrainerResults, TrainerState, WeightsIndex
from mediatypes.files.transformers_configs import GenerationConfig, ModelConfig, PipelineIndex, PreprocessorConfig

READERS: Final[tuple[FileReader, ...]] = (
    GgufReader(),
    NpyReader(),
    Parquet(),
    Arrow(),
    SafetensorsReader(),
    OnnxReader(),
    NpzReader(),
    KerasReader(),
    DdufReader(),
    Hdf5Reader(),
    SavedModelReader(),
    KerasMetadataReader(),
    CheckpointReader(),
    FlaxReader(),
    TorchReader(),
    LegacyTorchReader(),
    PickleReader(),
    Croissant(),
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
    Delimited(),
    JsonLines(),
    JsonRecords(),
)


def reader_of(path: str, head: bytes) -> FileReader | None:
    """Return the first reader that recognises a file by its path in the artifact and its first HEAD bytes, if any does."""
    return next((reader for reader in READERS if reader.recognises(path, head)), None)
