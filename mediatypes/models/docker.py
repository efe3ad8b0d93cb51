"""Docker's model artifacts (docker/model-runner pkg/distribution/types/config.go; docker/model-spec config.md).

The published specification and the code differ in their configs; both are read.
"""

from __future__ import annotations

import re
from typing import Final

from mediatypes.models import values
from mediatypes.models.artifact import Artifact, Description, Descriptor, Layer, Packing, Role
from mediatypes.models.layers import layer as layer_of
from mediatypes.models.layers import path_of, role_of
from mediatypes.models.places import Place, stated
from mediatypes.record import Fact, Kind, Provenance

CONFIG: Final = re.compile(r"application/vnd\.docker\.ai\.model\.config\.v0\.[12]\+json")
_LAYER: Final = "application/vnd.docker.ai."
LAYERS: Final = {
    _LAYER + "gguf.v3": (Packing.RAW, Role.WEIGHTS),
    _LAYER + "gguf.v3.lora": (Packing.RAW, Role.WEIGHTS),
    _LAYER + "gguf.v3.mmproj": (Packing.RAW, Role.WEIGHTS),
    _LAYER + "mmproj": (Packing.RAW, Role.WEIGHTS),
    _LAYER + "safetensors": (Packing.RAW, Role.WEIGHTS),
    _LAYER + "dduf": (Packing.RAW, Role.WEIGHTS),
    _LAYER + "vllm.config.tar": (Packing.TAR, Role.CONFIG),
    _LAYER + "dir.tar": (Packing.TAR, Role.CONFIG),
    _LAYER + "license": (Packing.RAW, Role.LICENSE),
    _LAYER + "chat.template.jinja": (Packing.RAW, Role.TEMPLATE),
    _LAYER + "model.file": (Packing.RAW, None),
}
"""What layers hold; None where the file's name says what it is for."""
WEIGHT_FORMATS: Final = {
    _LAYER + "gguf.v3": "gguf",
    _LAYER + "safetensors": "safetensors",
    _LAYER + "dduf": "dduf",
}

PLACES: Final = (
    Place("/config/format", "format", values.weights_format),
    Place("/config/architecture", "architecture"),
    Place("/config/gguf/architecture", "architecture"),
    Place("/config/gguf/general.architecture", "architecture"),
    Place("/config/parameters", "parameters", values.count),
    Place("/config/gguf/parameter_count", "parameters", values.count),
    Place("/config/quantization", "quantization", values.quantization),
    Place("/config/gguf/quantization", "quantization", values.quantization),
    Place("/config/quantization", "precision", values.plain_precision),
    Place("/config/context_size", "context_length", values.count),
    Place("/config/gguf/general.name", "name"),
    Place("/config/gguf/general.license", "licenses", values.license_names),
    Place("/descriptor/created", "created", values.moment),
    Place("/descriptor/createdAt", "created", values.moment),
)


class Docker:
    """A model whose config or layers have Docker's types."""

    name = "docker"
    is_generic = False

    def recognises(self, artifact: Artifact) -> bool:
        """Say whether the config's type is that of Docker's models, or a layer's is."""
        config = artifact.config.media_type if artifact.config else ""
        return bool(CONFIG.fullmatch(config)) or any(layer.media_type in LAYERS for layer in artifact.layers)

    def describe(self, artifact: Artifact) -> Description:
        """Return a model."""
        formats = [WEIGHT_FORMATS[layer.media_type] for layer in artifact.layers if layer.media_type in WEIGHT_FORMATS]
        return Description(
            Kind.MODEL,
            [
                *stated(artifact.config_document, PLACES, "config"),
                *(Fact("format", name, Provenance.CONFIG, "layers") for name in formats[:1]),
            ],
            [_packed(descriptor) for descriptor in artifact.layers],
        )


def _packed(descriptor: Descriptor) -> Layer:
    packing, role = LAYERS.get(descriptor.media_type, (Packing.RAW, None))
    path = path_of(descriptor)
    if packing is Packing.RAW and role is None and role_of(path) is Role.OTHER:
        role = Role.CONFIG if descriptor.media_type in LAYERS else Role.OTHER
    return layer_of(descriptor, packing, role, path)


FORMAT: Final = Docker()
