"""All readers of files, and which of them reads a file."""

from __future__ import annotations

from typing import Final

from mediatypes.files.dduf import DdufReader
from mediatypes.files.flax import FlaxReader
from mediatypes.files.gguf import GgufReader
from mediatypes.files.hdf5 import Hdf5Reader
from mediatypes.files.keras_files import KerasReader
from mediatypes.files.npy import NpyReader, NpzReader
from mediatypes.files.onnx import OnnxReader
from mediatypes.files.pickled import PickleReader
from mediatypes.files.reading import FileReader
from mediatypes.files.safetensors import SafetensorsReader
from mediatypes.files.tensorflow import CheckpointReader, KerasMetadataReader, SavedModelReader
from mediatypes.files.torch_files import LegacyTorchReader, TorchReader

READERS: Final[tuple[FileReader, ...]] = (
    SafetensorsReader(),
    GgufReader(),
    OnnxReader(),
    NpyReader(),
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
)
"""In the order in which they are asked."""


def reader_of(path: str, head: bytes) -> FileReader | None:
    """Return the first reader that recognises a file by its path in the artifact and its first `HEAD` bytes."""
    return next((reader for reader in READERS if reader.recognises(path, head)), None)
