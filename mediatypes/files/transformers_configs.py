"""What configures a model of Hugging Face's libraries: config.json, generation_config.json, preprocessors, pipelines.

Source: transformers' PretrainedConfig, GenerationConfig and ProcessorMixin, diffusers' ConfigMixin.
"""

from __future__ import annotations

from typing import Any, Final

from mediatypes.files.documents import json_object
from mediatypes.files.paths import base_name
from mediatypes.files.plain import plain_object
from mediatypes.files.reading import Limits, Reading, Source
from mediatypes.files.telling import Telling, mapping, natural
from mediatypes.models.values import precision
from mediatypes.record import Provenance

_NESTED: Final = ("text_config", "llm_config", "language_config", "thinker_config", "decoder")
"""Where models of several modalities have the config of the one that reads and writes text."""
_CONTEXTS: Final = (
    "max_position_embeddings",
    "n_positions",
    "n_ctx",
    "max_seq_len",
    "max_sequence_length",
    "seq_length",
)
_MODALITIES: Final = {
    "text": _NESTED[:3],
    "image": ("vision_config", "vision_encoder_config"),
    "audio": ("audio_config", "audio_encoder", "speech_config"),
    "video": ("video_config",),
}
_PREPROCESSORS: Final = (
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    "image_processor_config.json",
    "feature_extractor_config.json",
)


class ModelConfig:
    """Reads config.json."""

    name = "transformers-config"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether this is config.json, and an object."""
        return base_name(path) == "config.json" and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return architecture, precision, context and quantization. Raise Unreadable."""
        document = json_object(source, limits)
        telling = Telling(path, Provenance.CONFIG)
        _tell_names(telling, document)
        for field, names in (("context_length", _CONTEXTS), ("vocabulary_size", ("vocab_size",))):
            found = _nested(document, names)
            if found is not None:
                telling.tell(field, natural(found[0]), found[1])
        kind = _nested(document, ("dtype", "torch_dtype"))
        if kind is not None:
            telling.tell("precision", precision(kind[0]), kind[1])
        quantized = _nested(document, ("quantization_config", "compression_config"))
        if quantized is not None:
            telling.tell("quantization", _quantization(mapping(quantized[0])), quantized[1])
        types = [
            word for word, names in _MODALITIES.items() if any(isinstance(document.get(name), dict) for name in names)
        ]
        if len(types) > 1:
            telling.tell("input_types", types)
        return Reading(self.name, telling.facts, raw=plain_object(document))


class GenerationConfig:
    """Reads generation_config.json."""

    name = "generation-config"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether this is generation_config.json."""
        return base_name(path) == "generation_config.json"

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return how the model generates, all of it raw. Raise Unreadable."""
        return Reading(self.name, raw=plain_object(json_object(source, limits)))


class PreprocessorConfig:
    """Reads preprocessor_config.json and its kin."""

    name = "preprocessor-config"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether this is one of the files that configure preprocessors."""
        return base_name(path) in _PREPROCESSORS

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return what inputs the model takes, by the preprocessor's class. Raise Unreadable."""
        document = json_object(source, limits)
        telling = Telling(path, Provenance.HEADER)
        for name in ("image_processor_type", "feature_extractor_type", "video_processor_type"):
            word = str(document.get(name) or "")
            if "Image" in word:
                telling.tell("input_types", ["image"], f"/{name}")
            elif "Video" in word:
                telling.tell("input_types", ["video"], f"/{name}")
            elif word:
                telling.tell("input_types", ["audio"], f"/{name}")
        return Reading(self.name, telling.facts, raw=plain_object(document))


class PipelineIndex:
    """Reads diffusers' model_index.json."""

    name = "diffusers-pipeline"

    def recognises(self, path: str, head: bytes) -> bool:
        """Say whether this is model_index.json."""
        return base_name(path) == "model_index.json"

    def read(self, path: str, source: Source, limits: Limits) -> Reading:
        """Return the pipeline's class and version. Raise Unreadable."""
        document = json_object(source, limits)
        telling = Telling(path, Provenance.CONFIG)
        telling.tell("framework", "diffusers")
        telling.tell("framework_version", document.get("_diffusers_version"), "/_diffusers_version")
        telling.tell("architecture", document.get("_class_name"), "/_class_name")
        return Reading(self.name, telling.facts, raw=plain_object(document))


def _tell_names(telling: Telling, document: dict[str, Any]) -> None:
    architectures = document.get("architectures")
    if isinstance(architectures, list) and architectures:
        telling.tell("architecture", architectures[0], "/architectures/0")
    elif isinstance(document.get("_class_name"), str):  # a part of a diffusers pipeline
        telling.tell("architecture", document["_class_name"], "/_class_name")
    telling.tell("family", document.get("model_type"), "/model_type")
    for field, name in (("transformers", "transformers_version"), ("diffusers", "_diffusers_version")):
        if isinstance(document.get(name), str):
            telling.tell("framework", field, f"/{name}")
            telling.tell("framework_version", document[name], f"/{name}")
            return


def _nested(document: dict[str, Any], names: tuple[str, ...]) -> tuple[Any, str] | None:
    """Return the first of these keys that has a value, with its JSON Pointer, outside first, then in the model of text."""
    level, pointer = document, ""
    for _ in range(4):
        for name in names:
            if level.get(name) is not None:
                return level[name], f"{pointer}/{name}"
        inner = next((name for name in _NESTED if isinstance(level.get(name), dict)), None)
        if inner is None:
            return None
        level, pointer = level[inner], f"{pointer}/{inner}"
    return None


def _quantization(config: dict[str, Any]) -> str | None:
    """Return the method's name, such as gptq, awq, bitsandbytes or fp8."""
    method = config.get("quant_method")
    if isinstance(method, str):
        return method.lower()
    return "bitsandbytes" if "load_in_4bit" in config or "load_in_8bit" in config else None
