"""KitOps ModelKits (kitops-ml/kitops: pkg/lib/constants, pkg/artifact/kitfile.go): the config is a Kitfile as JSON.

`kit pack --use-model-pack` writes ModelPack instead, with the Kitfile in an annotation.
"""

from __future__ import annotations

import re
from typing import Any, Final

from mediatypes.documents import at, objects, parsed, texts
from mediatypes.models import modelpack, values
from mediatypes.models.artifact import Artifact, Description, Descriptor, Layer, Packing, Role
from mediatypes.models.layers import clean_path, path_of, role_of
from mediatypes.models.layers import layer as layer_of
from mediatypes.models.places import Place, extra, stated
from mediatypes.record import Kind

MANIFEST: Final = "application/vnd.kitops.modelkit.manifest.v1+json"
INDEX: Final = "application/vnd.kitops.modelkit.index.v1+json"
CONFIG: Final = "application/vnd.kitops.modelkit.config.v1+json"
LAYER: Final = re.compile(
    r"application/vnd\.(?:kitops\.modelkit|jozu\.model)\.(?P<kind>\w+)\.v1\.(?P<archive>\w+)(?:\+(?P<compression>\w+))?"
)
LAYERS: Final = {
    "model": Role.WEIGHTS,
    "modelpart": Role.WEIGHTS,
    "dataset": Role.DATASET,
    "code": Role.CODE,
    "docs": Role.DOCUMENTATION,
    "mcpb": Role.CODE,
    "content": Role.OTHER,  # Jozu's, before KitOps had types for each kind
}
SUBTYPE: Final = "ml.kitops.modelkit.layer-subtype"
SUBTYPES: Final = {"prompt": Role.TEMPLATE}
"""What the annotation SUBTYPE makes of a layer."""

# A reference that names a tag or a digest; anything else in `model.path` is a path of files (pkg/lib/repo/util/kitfile.go).
_REFERENCE: Final = re.compile(
    r"[a-zA-Z0-9][\w.\-]*(?::\d+)?(?:/[a-z0-9][a-z0-9._\-]*)*(?::[\w][\w.\-]{0,127}|@sha256:[0-9a-f]{64})+"
)


def _base_models(path: Any) -> list[dict[str, Any]]:
    return [{"ref": text} for text in texts(path) if len(text) <= 1024 and _REFERENCE.fullmatch(text)]


def _datasets(listed: Any) -> list[dict[str, Any]]:
    """Return the datasets of a Kitfile: where they come from, else what they are called, else where they lie."""
    found = []
    for entry in objects(listed):
        names = [text for key in ("remotePath", "name", "path") for text in texts(entry.get(key))]
        more = {key: text for key in ("name", "path", "digest", "license") for text in texts(entry.get(key))[:1]}
        found += [{**more, "ref": names[0]}] if names else []
    return found


PLACES: Final = (
    Place("/package/name", "name"),
    Place("/model/name", "name"),
    Place("/package/version", "version", values.version),
    Place("/model/version", "version", values.version),
    Place("/package/description", "description"),
    Place("/model/description", "description"),
    Place("/package/authors", "authors"),
    Place("/package/license", "licenses", values.license_names),
    Place("/model/license", "licenses", values.license_names),
    Place("/model/framework", "framework", values.framework),
    Place("/model/format", "format", values.weights_format),
    Place("/model/path", "base_models", _base_models),
    Place("/model/parameters", "hyperparameters"),
    Place("/datasets", "datasets", _datasets),
    extra("/manifestVersion", "kitfile_version"),
)


class KitOps:
    """A ModelKit, or a list of ModelKits."""

    name = "kitops"
    is_generic = False

    def recognises(self, artifact: Artifact) -> bool:
        """Say whether the type of the manifest or of the config is KitOps', or a ModelPack manifest has a Kitfile."""
        config = artifact.config.media_type if artifact.config else None
        if artifact.artifact_type in (MANIFEST, INDEX) or config == CONFIG:
            return True
        return modelpack.KITFILE in artifact.annotations and modelpack.is_modelpack(artifact)

    def describe(self, artifact: Artifact) -> Description:
        """Return a model; a dataset where only data is packed, and files where neither is."""
        if modelpack.is_modelpack(artifact):
            kitfile = parsed(artifact.annotations.get(modelpack.KITFILE, ""))
            said = stated(artifact.config_document, modelpack.PLACES, "config")
            said += stated(kitfile, PLACES, modelpack.KITFILE)
        else:
            kitfile = artifact.config_document
            said = stated(kitfile, PLACES, "config")
        paths = _paths(kitfile)
        layers = [_packed(descriptor, paths) for descriptor in artifact.layers]
        return Description(_kind(artifact, kitfile, layers), said, layers)


def _kind(artifact: Artifact, kitfile: Any, layers: list[Layer]) -> Kind:
    roles = {layer.role for layer in layers}
    if Role.WEIGHTS in roles or at(kitfile, "/model") or artifact.manifests:
        return Kind.MODEL
    return Kind.DATASET if Role.DATASET in roles else Kind.FILES


def _packed(descriptor: Descriptor, paths: dict[str, str]) -> Layer:
    named = LAYER.fullmatch(descriptor.media_type)
    if named is None:
        return modelpack.packed(descriptor)
    archive = modelpack.ENCODINGS.get(f"tar+{named['compression']}", Packing.TAR)
    path = path_of(descriptor) or paths.get(descriptor.digest, "")
    role = LAYERS.get(named["kind"], Role.OTHER)
    role = SUBTYPES.get(descriptor.annotations.get(SUBTYPE, ""), role)
    if role is Role.DOCUMENTATION and role_of(path) is Role.LICENSE:
        role = Role.LICENSE
    return layer_of(descriptor, archive if named["archive"] == "tar" else Packing.RAW, role, path)


def _paths(kitfile: Any) -> dict[str, str]:
    """Return the paths of a Kitfile's entries by their layers' digests."""
    model = at(kitfile, "/model")
    entries = [model] if isinstance(model, dict) else []
    entries += objects(at(kitfile, "/model/parts"))
    for section in ("code", "datasets", "docs", "prompts", "mcpServers"):
        entries += objects(at(kitfile, f"/{section}"))
    return {entry["digest"]: clean_path(entry.get("path")) for entry in entries if isinstance(entry.get("digest"), str)}


FORMAT: Final = KitOps()
