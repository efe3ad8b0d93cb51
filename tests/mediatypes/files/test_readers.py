"""Of several readers that recognise a file the right one is asked."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mediatypes.files.readers import reader_of
from mediatypes.files.reading import HEAD, Reading
from mediatypes.models.values import weights_format
from tests.mediatypes.files.seeds import SEEDS

CROISSANT = b'{"@context": {"cr": "http://mlcommons.org/croissant/"}, "@type": "Dataset"}'


@pytest.mark.parametrize(
    ("path", "content", "name"),
    [
        ("model.safetensors", SEEDS["model.gguf"], "gguf"),
        ("model.pkl", SEEDS["model.gguf"], "gguf"),
        ("model.onnx", SEEDS["model.gguf"], "gguf"),
        ("table.pkl", SEEDS["made.parquet"], "parquet"),
        ("table.csv", SEEDS["made.parquet"], "parquet"),
        ("table.csv", SEEDS["made.arrow"], "arrow"),
        ("model.pkl", SEEDS["model.h5"], "hdf5"),
        ("model.h5", SEEDS["model.keras"], "hdf5"),
        ("model.keras", SEEDS["model.keras"], "keras"),
        ("model.pkl", SEEDS["legacy.pt"], "pytorch-legacy"),
        ("model.pkl", SEEDS["tensors.pt"], "pytorch"),
        ("model.bin", SEEDS["model.safetensors"], "safetensors"),
        ("dataset_info.json", CROISSANT, "croissant"),
        ("config.json", CROISSANT, "croissant"),
        ("config.json", SEEDS["bert/config.json"], "transformers-config"),
        ("tokenizer.json", b'[{"a": 1}]', "tokenizer"),
        ("eval_results.json", b'[{"a": 1}]', "trainer-results"),
        ("rows.json", b'[{"a": 1}]', "json"),
    ],
)
def test_a_file_that_several_readers_recognise_is_read_by(path: str, content: bytes, name: str) -> None:
    found = reader_of(path, content[:HEAD])
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("path", SEEDS)
def test_a_format_goes_by_the_word_that_configs_of_it_are_brought_to(read: Callable[..., Reading], path: str) -> None:
    reading = read(path, SEEDS[path])
    assert weights_format(reading.format) == reading.format


def test_a_file_that_nobody_knows_is_read_by_nobody() -> None:
    assert reader_of("notes.txt", b"Notes") is None
