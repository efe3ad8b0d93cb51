"""What is told of recorded documents beside what their libraries report."""

from __future__ import annotations

import json

import pytest

from tests.mediatypes.files.seeds import DOCUMENTS
from tests.mediatypes.files.sources import read, values


def test_a_chat_template_is_noted_and_not_kept() -> None:
    reading = read("chat_template.jinja", (DOCUMENTS / "bpe" / "chat_template.jinja").read_bytes())
    assert values(reading.facts)["extra"] == {"chat_template": True}
    assert "message" not in json.dumps(reading.raw)


def test_a_tokenizers_vocabulary_is_not_kept() -> None:
    reading = read("tokenizer.json", (DOCUMENTS / "bpe" / "tokenizer.json").read_bytes())
    assert reading.raw["model"] == "BPE"
    assert len(json.dumps(reading.raw)) < 300


def test_the_last_metrics_of_training_count_each_with_its_split() -> None:
    found = values(read("trainer_state.json", (DOCUMENTS / "llama" / "trainer_state.json").read_bytes()).facts)
    assert found["metrics"] == [
        {"name": "accuracy", "value": pytest.approx(0.9), "split": "eval"},
        {"name": "loss", "value": pytest.approx(2 / 30), "split": "eval"},
    ]
    assert found["hyperparameters"] == {"num_train_epochs": 3, "train_batch_size": 8, "max_steps": 30}


def test_a_quantized_models_method_is_named() -> None:
    found = values(read("config.json", (DOCUMENTS / "llama" / "config.json").read_bytes()).facts)
    assert found["quantization"] == "gptq"
    assert found["framework"] == "transformers"


def test_a_models_modalities_are_those_it_has_configs_for() -> None:
    assert values(read("config.json", (DOCUMENTS / "llava" / "config.json").read_bytes()).facts)["input_types"] == [
        "text",
        "image",
    ]


def test_a_datasets_card_names_languages_tasks_and_licence() -> None:
    found = values(read("README.md", (DOCUMENTS / "dataset-card" / "README.md").read_bytes()).facts)
    assert found["languages"] == ["no"]
    assert found["tasks"] == ["text-classification"]
    assert found["licenses"] == ["CC-BY-4.0"]


def test_a_datasets_infos_give_splits_with_rows_and_their_sum() -> None:
    found = values(read("README.md", (DOCUMENTS / "dataset-card" / "README.md").read_bytes()).facts)
    assert found["splits"] == [{"name": "train", "rows": 6, "bytes": 720}, {"name": "test", "rows": 2, "bytes": 240}]
    assert found["rows"] == 8
    assert found["features"] == [
        {"name": "text", "type": "string"},
        {"name": "label", "type": "class_label"},
        {"name": "scores", "type": "list<float32>"},
        {"name": "meta", "type": "struct"},
    ]


def test_the_title_and_first_prose_of_a_card_are_told() -> None:
    found = values(read("README.md", (DOCUMENTS / "model-card" / "README.md").read_bytes()).facts)
    assert found["title"] == "Sentiment, small"
    assert found["description"] == "Tells whether a sentence is friendly. Trained in an hour."
