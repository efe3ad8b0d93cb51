"""What training leaves behind: adapters, indexes of shards, the trainer's state and its results.

Source: PEFT's PeftConfig, transformers' TrainerState and Trainer.save_metrics, the Hub's .eval_results.
"""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec

from mediatypes.files.documents import decoded, json_object, json_value, text_of, whole, yaml_value
from mediatypes.files.paths import base_name
from mediatypes.files.plain import plain_object
from mediatypes.files.reading import Limits, Reading, Source, TooMuch
from mediatypes.files.telling import Telling, listing, mapping, natural, present, text_in
from mediatypes.record import Provenance

_STATE_LONGEST: Final = 16 << 20  # bytes of a trainer's state, whose log is long
_INDEX_LONGEST: Final = 32 << 20  # bytes of an index of shards
_COSTS: Final = ("_runtime", "_per_second", "_samples", "_model_preparation_time", "_flos", "_mem_cpu_alloc_delta")
_SPLITS: Final = ("eval", "test", "predict", "train")
"""The splits that the Trainer measures: the prefixes that it gives to the names of metrics."""
_TASKS: Final = {
    "CAUSAL_LM": "text-generation",
    "SEQ_CLS": "text-classification",
    "SEQ_2_SEQ_LM": "text2text-generation",
    "TOKEN_CLS": "token-classification",
    "QUESTION_ANS": "question-answering",
    "FEATURE_EXTRACTION": "feature-extraction",
}
"""Hugging Face's tasks by the names of PEFT's TaskType."""
_SETTINGS: Final = ("num_train_epochs", "train_batch_size", "max_steps")


class AdapterConfig:
    """Reads adapter_config.json."""

    name = "adapter-config"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether this is adapter_config.json."""
        return base_name(path) == "adapter_config.json"

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return the base model, the method and its parameters. Raise Unreadable."""
        document = json_object(source, limits)
        telling = Telling(path, Provenance.CONFIG)
        base = document.get("base_model_name_or_path")
        if isinstance(base, str) and base:
            found = {"ref": base, "relation": "adapter"}
            telling.tell("base_models", [found], "/base_model_name_or_path")
        telling.tell("framework", "peft")
        telling.tell("framework_version", document.get("peft_version"), "/peft_version")
        task = document.get("task_type")
        telling.tell("tasks", _TASKS.get(task) if isinstance(task, str) else None, "/task_type")
        names = ("peft_type", "r", "lora_alpha", "lora_dropout", "target_modules", "bias", "use_rslora", "use_dora")
        telling.tell("hyperparameters", {name: document[name] for name in names if document.get(name) is not None})
        return Reading(self.name, telling.facts, raw=plain_object(document))


class _Totals(msgspec.Struct):
    total_size: int | float | None = None
    total_parameters: int | float | None = None


class _Index(msgspec.Struct):
    weight_map: dict[str, str]
    metadata: _Totals | None = None


class WeightsIndex:
    """Reads the index of a model in several files: model.safetensors.index.json, pytorch_model.bin.index.json."""

    name = "weights-index"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether this is named as an index of shards is."""
        return base_name(path).endswith((".safetensors.index.json", ".bin.index.json"))

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return how many tensors and bytes there are, and which files have how many of them. Raise Unreadable."""
        index = decoded(whole(source, limits, _INDEX_LONGEST), _Index)
        if len(index.weight_map) > limits.entries:
            raise TooMuch(f"names {len(index.weight_map)} tensors, of which {limits.entries} are read at most")
        files: dict[str, int] = {}
        for shard in index.weight_map.values():
            files[shard] = files.get(shard, 0) + 1
        totals = index.metadata or _Totals()
        # Newer versions of transformers write floats.
        size, parameters = (_whole_number(value) for value in (totals.total_size, totals.total_parameters))
        telling = Telling(path, Provenance.CONFIG)
        telling.tell("tensors", len(index.weight_map), "/weight_map")
        telling.tell("parameters", parameters, "/metadata/total_parameters")
        telling.tell("format", "safetensors" if ".safetensors." in base_name(path) else "pytorch")
        raw = present(total_size=size, total_parameters=parameters, tensors=len(index.weight_map), files=files)
        return Reading(self.name, telling.facts, raw=plain_object(raw))


class TrainerState:
    """Reads trainer_state.json."""

    name = "trainer-state"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether this is trainer_state.json."""
        return base_name(path) == "trainer_state.json"

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return the last value of each metric, and the trainer's settings. Raise Unreadable."""
        document = mapping(json_value(whole(source, limits, _STATE_LONGEST), limits))
        telling = Telling(path, Provenance.CONFIG)
        log = document.get("log_history")
        last: dict[str, Any] = {}
        for entry in log if isinstance(log, list) else []:
            last.update({name: value for name, value in mapping(entry).items() if name.partition("_")[0] in _SPLITS})
        telling.tell("metrics", _measured(last), "/log_history")
        telling.tell("hyperparameters", {name: document[name] for name in _SETTINGS if natural(document.get(name))})
        raw = {name: value for name, value in document.items() if name != "log_history"}
        return Reading(self.name, telling.facts, raw=plain_object(raw))


class TrainerResults:
    """Reads what Trainer.save_metrics writes, such as eval_results.json and all_results.json."""

    name = "trainer-results"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether this is named as the trainer names its results."""
        name = base_name(path)
        return name.endswith("_results.json") and name.removesuffix("_results.json") in ("all", *_SPLITS)

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return the metrics, each with its split. Raise Unreadable."""
        document = json_object(source, limits)
        telling = Telling(path, Provenance.CONFIG)
        telling.tell("metrics", _measured(document))
        return Reading(self.name, telling.facts, raw=plain_object(document))


class EvaluationResults:
    """Reads the results of benchmarks as the Hub has them: .eval_results/*.yaml, eval_results.yaml."""

    name = "eval-results"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether this is a file of results in YAML."""
        is_yaml = path.endswith((".yaml", ".yml"))
        return is_yaml and (".eval_results/" in f"/{path}" or base_name(path).startswith("eval_results."))

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return one metric for each result. Raise Unreadable."""
        document = yaml_value(text_of(whole(source, limits, limits.header)), limits)
        telling = Telling(path, Provenance.CARD)
        metrics: list[dict[str, Any]] = []
        for item in listing(document):
            dataset = mapping(mapping(item).get("dataset"))
            value = number(mapping(item).get("value"))
            ref, task = text_in(dataset.get("id")), text_in(dataset.get("task_id"))
            if value is not None:
                metrics.append(present(name=task or ref or "value", value=value, dataset=ref))
        telling.tell("metrics", metrics)
        return Reading(self.name, telling.facts, raw=plain_object({"results": listing(document)}))


def number(value: Any) -> int | float | None:
    """Return a number, also one that was written as text, None for what is none or isn't finite."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return value if isinstance(value, int | float) and math.isfinite(value) else None


def _measured(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the trainer's metrics: `eval_f1` is f1 on the split eval. What only tells of costs is left out."""
    found: list[dict[str, Any]] = []
    for name, value in document.items():
        prefix, _, metric = name.partition("_")
        measured = number(value) if not isinstance(value, str) else None
        if prefix in _SPLITS and metric and measured is not None and not name.endswith(_COSTS):
            found.append({"name": metric, "value": measured, "split": prefix})
    return found


def _whole_number(value: float | None) -> int | None:
    return natural(int(value)) if value is not None and math.isfinite(value) else None
