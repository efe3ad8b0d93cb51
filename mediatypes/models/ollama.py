"""Ollama's models (ollama/ollama: manifest/layer.go, types/model/config.go, server/create.go).

The manifest is Docker's, with Docker's type of config; layers have keys of their own: `name`, a file or a tensor, and `from`,
the model or the file that a layer was taken from.
"""

from __future__ import annotations

import re
from typing import Any, Final

from mediatypes.documents import texts
from mediatypes.models import values
from mediatypes.models.artifact import Artifact, Description, Descriptor, Layer, Packing, Role
from mediatypes.models.layers import clean_path
from mediatypes.models.places import Place, extra, facts, stated
from mediatypes.record import Fact, Kind, Provenance

_LAYER: Final = "application/vnd.ollama.image."
LAYERS: Final = {
    _LAYER + "model": Role.WEIGHTS,
    _LAYER + "adapter": Role.WEIGHTS,
    _LAYER + "projector": Role.WEIGHTS,
    _LAYER + "draft": Role.WEIGHTS,
    _LAYER + "tensor": Role.WEIGHTS,
    _LAYER + "embed": Role.OTHER,
    _LAYER + "template": Role.TEMPLATE,
    _LAYER + "prompt": Role.TEMPLATE,
    _LAYER + "system": Role.TEMPLATE,
    _LAYER + "messages": Role.TEMPLATE,
    _LAYER + "params": Role.CONFIG,
    _LAYER + "json": Role.CONFIG,
    _LAYER + "license": Role.LICENSE,
}

PLACES: Final = (
    Place("/model_format", "format", values.weights_format),
    Place("/model_family", "family"),
    Place("/model_type", "parameters", values.count),
    Place("/file_type", "quantization", values.quantization),
    Place("/file_type", "precision", values.plain_precision),
    Place("/context_length", "context_length", values.count),
    extra("/model_families", "families"),
    extra("/embedding_length", "embedding_length"),
    extra("/base_name", "base_name"),
    extra("/capabilities", "capabilities"),
    extra("/renderer", "renderer"),
    extra("/parser", "parser"),
    extra("/requires", "requires"),
    extra("/draft", "draft"),
    extra("/remote_host", "remote_host"),
    extra("/remote_model", "remote_model"),
)

# Versions of 2023 and early 2024 wrote a file of the machine where the model was made instead of a model's name.
_FILE: Final = re.compile(r"[/\\.@~]|[a-zA-Z]:[/\\]|sha256[-:]")


def _models(source: Any) -> list[dict[str, Any]]:
    return values.references([text for text in texts(source) if not _FILE.match(text)])


FROM: Final = Place("/layers/from", "base_models", _models)
"""The layers' own key that names the model which they were taken from."""


class Ollama:
    """A model with layers of Ollama's types."""

    name = "ollama"
    is_generic = False

    def recognises(self, artifact: Artifact) -> bool:
        """Say whether a layer's type is Ollama's."""
        return any(layer.media_type.startswith(_LAYER) for layer in artifact.layers)

    def describe(self, artifact: Artifact) -> Description:
        """Return a model."""
        return Description(
            Kind.MODEL,
            [*stated(artifact.config_document, PLACES, "config"), *_sources(artifact)],
            [_packed(descriptor) for descriptor in artifact.layers],
        )


def _sources(artifact: Artifact) -> list[Fact]:
    sources = [descriptor.document.get("from") for descriptor in artifact.layers]
    return facts(FROM, sources, Provenance.CONFIG, "layers")


def _packed(descriptor: Descriptor) -> Layer:
    path = clean_path(descriptor.document.get("name"))
    return Layer(descriptor, path, Packing.RAW, LAYERS.get(descriptor.media_type, Role.OTHER))


FORMAT: Final = Ollama()
