"""What readers say of files is what the libraries say that made them (recorded/record.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.mediatypes.files.sources import read, values

RECORDED = Path(__file__).parent / "recorded"
REPORTED: dict[str, dict[str, Any]] = json.loads((RECORDED / "reported.json").read_text())


@pytest.mark.parametrize("path", sorted(REPORTED))
def test_a_file_is_read_as_its_library_reads_it(path: str) -> None:
    found = values(read(path, (RECORDED / path).read_bytes()).facts)
    expected = {field: value for field, value in REPORTED[path].items() if value is not None}
    assert {field: found.get(field) for field in expected} == expected


def test_all_that_was_recorded_is_recognised_and_read() -> None:
    formats = {
        read(str(path.relative_to(RECORDED)), path.read_bytes()).format
        for path in sorted(RECORDED.rglob("*"))
        if path.is_file() and path.suffix != ".py" and path.name not in ("reported.json", "python_env.yaml")
    }
    assert formats == {
        "transformers-config", "generation-config", "tokenizer", "tokenizer-config", "chat-template", "trainer-state",
        "model-card", "dataset-card", "dataset-infos", "dataset-dict", "dataset-state", "arrow", "parquet", "csv", "jsonl",
        "mlmodel", "conda", "requirements", "croissant",
    }  # fmt: skip


def test_a_chat_template_is_noted_and_not_kept() -> None:
    reading = read("chat_template.jinja", (RECORDED / "bpe" / "chat_template.jinja").read_bytes())
    assert values(reading.facts)["extra"] == {"chat_template": True}
    assert "message" not in json.dumps(reading.raw)


def test_a_tokenizers_vocabulary_is_not_kept() -> None:
    reading = read("tokenizer.json", (RECORDED / "bpe" / "tokenizer.json").read_bytes())
    assert reading.raw["model"] == "BPE"
    assert len(json.dumps(reading.raw)) < 300


def test_the_last_metrics_of_training_count_each_with_its_split() -> None:
    found = values(read("trainer_state.json", (RECORDED / "llama" / "trainer_state.json").read_bytes()).facts)
    assert found["metrics"] == [
        {"name": "accuracy", "value": pytest.approx(0.9), "split": "eval"},
        {"name": "loss", "value": pytest.approx(2 / 30), "split": "eval"},
    ]
    assert found["hyperparameters"] == {"num_train_epochs": 3, "train_batch_size": 8, "max_steps": 30}


def test_a_quantized_models_method_is_named() -> None:
    found = values(read("config.json", (RECORDED / "llama" / "config.json").read_bytes()).facts)
    assert found["quantization"] == "gptq"
    assert found["framework"] == "transformers"


def test_a_models_modalities_are_those_it_has_configs_for() -> None:
    assert values(read("config.json", (RECORDED / "llava" / "config.json").read_bytes()).facts)["input_types"] == [
        "text",
        "image",
    ]


def test_norwegian_is_a_language() -> None:
    found = values(read("README.md", (RECORDED / "dataset-card" / "README.md").read_bytes()).facts)
    assert found["languages"] == ["no"]
    assert found["tasks"] == ["text-classification"]
    assert found["licenses"] == ["CC-BY-4.0"]


def test_a_datasets_infos_give_splits_with_rows_and_their_sum() -> None:
    found = values(read("README.md", (RECORDED / "dataset-card" / "README.md").read_bytes()).facts)
    assert found["splits"] == [{"name": "train", "rows": 6, "bytes": 720}, {"name": "test", "rows": 2, "bytes": 240}]
    assert found["rows"] == 8
    assert found["features"] == [
        {"name": "text", "type": "string"},
        {"name": "label", "type": "class_label"},
        {"name": "scores", "type": "list<float32>"},
        {"name": "meta", "type": "struct"},
    ]


def test_the_title_and_first_prose_of_a_card_are_told() -> None:
    found = values(read("README.md", (RECORDED / "model-card" / "README.md").read_bytes()).facts)
    assert found["title"] == "Sentiment, small"
    assert found["description"] == "Tells whether a sentence is friendly. Trained in an hour."
