"""CNCF ModelPack (modelpack/model-spec 0.0.7: docs/spec.md, docs/config.md, docs/annotations.md), and what it was before: CNAI.

Also read: weights of types that Docker Model Runner wrote for a while, which name the weights' format instead of a packing.
"""

from __future__ import annotations

import re
from typing import Final

from mediatypes.documents import at, parsed
from mediatypes.models import values
from mediatypes.models.artifact import Artifact, Description, Descriptor, Layer, Packing, Role
from mediatypes.models.layers import clean_path, path_of, role_of
from mediatypes.models.layers import layer as layer_of
from mediatypes.models.places import Place, extra, stated
from mediatypes.record import Fact, Kind, Provenance

PREFIXES: Final = ("application/vnd.cncf.model.", "application/vnd.cnai.model.")
MANIFEST: Final = "manifest.v1+json"
CONFIG: Final = "config.v1+json"
LAYERS: Final = {
    "weight": Role.WEIGHTS,
    "weight.config": Role.CONFIG,
    "doc": Role.DOCUMENTATION,
    "code": Role.CODE,
    "dataset": Role.DATASET,
    "layer": Role.OTHER,  # of the first drafts
}
ENCODINGS: Final = {packing.value: packing for packing in Packing}
WEIGHT_FORMATS: Final = ("gguf", "safetensors")
"""What Docker Model Runner wrote where an encoding belongs (docker/model-runner pkg/distribution/modelpack/types.go)."""
FILE_METADATA: Final = ("org.cncf.model.file.metadata+json", "org.cnai.model.file.metadata+json")
KITFILE: Final = "ml.kitops.modelkit.kitfile"
"""The annotation by which a ModelPack manifest is a ModelKit as well: `kitops` describes it then."""

PLACES: Final = (
    Place("/descriptor/name", "name"),
    Place("/descriptor/version", "version"),
    Place("/descriptor/title", "title"),
    Place("/descriptor/description", "description"),
    Place("/descriptor/createdAt", "created", values.moment),
    Place("/descriptor/authors", "authors"),
    Place("/descriptor/vendor", "vendor"),
    Place("/descriptor/family", "family"),
    Place("/descriptor/licenses", "licenses", values.license_names),
    Place("/descriptor/docURL", "documentation_url"),
    Place("/descriptor/sourceURL", "source_url"),
    Place("/descriptor/datasetsURL", "datasets", values.references),
    Place("/descriptor/revision", "revision"),
    Place("/config/architecture", "architecture"),
    Place("/config/format", "format", values.weights_format),
    Place("/config/format", "framework", values.known_framework),
    Place("/config/paramSize", "parameters", values.count),
    Place("/config/precision", "precision", values.precision),
    Place("/config/quantization", "quantization", values.quantization),
    Place("/config/capabilities/inputTypes", "input_types", values.lower),
    Place("/config/capabilities/outputTypes", "output_types", values.lower),
    Place("/config/capabilities/languages", "languages", values.lower),
    extra("/config/capabilities/knowledgeCutoff", "knowledge_cutoff"),
    extra("/config/capabilities/reasoning", "reasoning"),
    extra("/config/capabilities/toolUsage", "tool_usage"),
    extra("/config/capabilities/reward", "reward"),
)

_LAYER: Final = re.compile(
    r"application/vnd\.(?:cncf|cnai)\.model\.(?P<kind>weight\.config|\w+)\.v1\.(?P<encoding>tar\+gzip|tar\+zstd|\w+)"
)


class ModelPack:
    """A model whose manifest or config has ModelPack's type."""

    name = "modelpack"
    is_generic = False

    def recognises(self, artifact: Artifact) -> bool:
        """Say whether the type of the manifest or of the config is ModelPack's, and no Kitfile says more."""
        return is_modelpack(artifact) and KITFILE not in artifact.annotations

    def describe(self, artifact: Artifact) -> Description:
        """Return a model."""
        return Description(
            Kind.MODEL,
            [*stated(artifact.config_document, PLACES, "config"), *_formats(artifact)],
            [packed(descriptor) for descriptor in artifact.layers],
        )


def is_modelpack(artifact: Artifact) -> bool:
    """Say whether the type of the manifest or of the config is ModelPack's."""
    config = artifact.config.media_type if artifact.config else None
    return artifact.artifact_type in [prefix + MANIFEST for prefix in PREFIXES] or config in [
        prefix + CONFIG for prefix in PREFIXES
    ]


def packed(descriptor: Descriptor) -> Layer:
    """Return what a layer of a ModelPack manifest holds."""
    named = _LAYER.fullmatch(descriptor.media_type)
    path = path_of(descriptor) or _path_in_metadata(descriptor)
    if named is None or named["kind"] not in LAYERS:
        return layer_of(descriptor, Packing.RAW, None, path)
    role = LAYERS[named["kind"]]
    if role is Role.DOCUMENTATION and role_of(path) is Role.LICENSE:
        role = Role.LICENSE
    return layer_of(descriptor, ENCODINGS.get(named["encoding"], Packing.RAW), role, path)


def _path_in_metadata(descriptor: Descriptor) -> str:
    documents = (parsed(descriptor.annotations.get(name, "")) for name in FILE_METADATA)
    return next((path for document in documents if (path := clean_path(at(document, "/name")))), "")


def _formats(artifact: Artifact) -> list[Fact]:
    matches = (_LAYER.fullmatch(descriptor.media_type) for descriptor in artifact.layers)
    named = [match["encoding"] for match in matches if match and match["encoding"] in WEIGHT_FORMATS]
    return [Fact("format", named[0], Provenance.CONFIG, "layers")] if named else []


FORMAT: Final = ModelPack()
