"""Models in container images, as KServe mounts them: modelcars by olot (containers/olot: basics.py, constants.py)."""

from __future__ import annotations

from typing import Final

from mediatypes.models import image
from mediatypes.models.artifact import Artifact, Description, Descriptor, Layer, Role
from mediatypes.models.layers import clean_path, packing_of, role_of
from mediatypes.models.layers import layer as layer_of
from mediatypes.models.places import stated
from mediatypes.oci import INDEX_TYPES
from mediatypes.record import Kind

MODEL_CARD: Final = "io.opendatahub.layers.modelcard"
"""The manifest's annotation with the digest of the layer that holds the model card."""
LAYER_TYPE: Final = "io.opendatahub.modelcar.layer.type"
CONTENT_NAME: Final = "olot.layer.content.name"
CONTENT_PATH: Final = "olot.layer.content.inlayerpath"
CHILD_TYPE: Final = "io.opendatahub.modelcar.manifest.type"
"""The annotation of an index's manifest that is the same model in another format."""


class ModelCar:
    """A container image to which olot added a model's files, or an index of such."""

    name = "modelcar"
    is_generic = False

    def recognises(self, artifact: Artifact) -> bool:
        """Say whether annotations of the manifest, of a layer or of an index's manifest are olot's."""
        if artifact.media_type in INDEX_TYPES:
            return any(CHILD_TYPE in child.annotations for child in artifact.manifests)
        return MODEL_CARD in artifact.annotations or any(CONTENT_PATH in layer.annotations for layer in artifact.layers)

    def describe(self, artifact: Artifact) -> Description:
        """Return a model; the base image's layers are there, too, as OTHER."""
        return Description(
            Kind.MODEL,
            stated(artifact.config_document, image.PLACES, "config"),
            [_packed(descriptor, artifact.annotations.get(MODEL_CARD)) for descriptor in artifact.layers],
        )


def _packed(descriptor: Descriptor, card: str | None) -> Layer:
    packing = packing_of(descriptor.media_type)
    if descriptor.digest == card or descriptor.annotations.get(LAYER_TYPE) == "modelcard":
        return layer_of(descriptor, packing, Role.DOCUMENTATION, "")
    path = descriptor.annotations.get(CONTENT_PATH) or descriptor.annotations.get(CONTENT_NAME)
    return layer_of(descriptor, packing, role_of(clean_path(path)) if path else Role.OTHER, "")


FORMAT: Final = ModelCar()
