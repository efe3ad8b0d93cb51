"""Plain files, as `oras push` packs them (oras.land, docs/how_to_guides; oras-go content/file): what they are by their names.

Each layer is a file, named by its title; a directory is an archive whose layer says that it is to be unpacked.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from typing import Final

from mediatypes.models.artifact import Artifact, Description, Descriptor, Layer, Packing, Role
from mediatypes.models.layers import layer, packing_of, path_of, role_of
from mediatypes.models.manifest_annotations import stated_kind
from mediatypes.record import Kind

UNPACK: Final = "io.deis.oras.content.unpack"
UNTYPED: Final = "application/vnd.oci.image.layer.v1.tar"
"""What oras calls a file of which nobody says the type, whatever it is (oras-go, content/file: defaultBlobMediaType)."""
CROISSANT: Final = re.compile(r'application/ld\+json;\s*profile="?http://mlcommons\.org/croissant/[\d.]+"?')

MODEL_FILES: Final = re.compile(
    r"config\.json|tokenizer(?:_config)?\.json|generation_config\.json|model_index\.json|adapter_config\.json"
    r"|.*\.safetensors\.index\.json|mlmodel|preprocessor_config\.json"
)
"""Names that only a model's repository has: Hugging Face's, and MLflow's MLmodel."""
DATASET_FILES: Final = re.compile(r"croissant.*\.json|.*croissant\.json|dataset_infos?\.json|dataset_dict\.json")
"""Names that only a dataset's repository has."""


class Files:
    """Files: a model or a dataset where their names or the annotation `ai.blacklake.kind` say so."""

    name = "files"
    is_generic = True

    def recognises(self, artifact: Artifact) -> bool:  # noqa: ARG002 - whatever it is
        """Say that anything is files at least."""
        return True

    def describe(self, artifact: Artifact) -> Description:
        """Return what the files are."""
        kind = stated_kind(artifact.annotations) or kind_of(path_of(descriptor) for descriptor in artifact.layers)
        if kind is Kind.FILES and any(CROISSANT.fullmatch(descriptor.media_type) for descriptor in artifact.layers):
            kind = Kind.DATASET
        return Description(kind, layers=[_packed(descriptor) for descriptor in artifact.layers])


def kind_of(paths: Iterable[str]) -> Kind:
    """Return what files are by their names: what has weights is a model, whatever lies beside them; else FILES."""
    names = {posixpath.basename(path).lower() for path in paths}
    roles = {role_of(name) for name in names}
    if Role.WEIGHTS in roles or any(MODEL_FILES.fullmatch(name) for name in names):
        return Kind.MODEL
    if any(DATASET_FILES.fullmatch(name) for name in names):
        return Kind.DATASET
    beside = {Role.DATASET, Role.DOCUMENTATION, Role.LICENSE}
    return Kind.DATASET if Role.DATASET in roles and roles <= beside else Kind.FILES


def _packed(descriptor: Descriptor) -> Layer:
    packing = packing_of(descriptor.media_type)
    if packing is Packing.RAW and descriptor.annotations.get(UNPACK) == "true":
        packing = Packing.TAR_GZIP  # What `oras` makes of a directory, whatever type its layer is given.
    if descriptor.media_type == UNTYPED and UNPACK not in descriptor.annotations and _is_file(path_of(descriptor)):
        packing = Packing.RAW
    return layer(descriptor, packing)


def _is_file(path: str) -> bool:
    """Say whether a name is that of a file, and of no archive: by its suffix, or as one that is known, such as LICENSE."""
    suffix = posixpath.splitext(path)[1]
    return suffix != ".tar" if suffix else role_of(path) is not Role.OTHER


FORMAT: Final = Files()
