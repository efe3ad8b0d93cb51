"""Container images (image-spec config.md; Docker's image manifest 2.2), whatever lies in them."""

from __future__ import annotations

from typing import Final

from mediatypes.models import manifest_annotations, values
from mediatypes.models.artifact import Artifact, Description, Role
from mediatypes.models.layers import layer, packing_of
from mediatypes.models.places import Place, extra, stated
from mediatypes.record import Kind

CONFIGS: Final = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
LAYERS: Final = frozenset(
    (
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    )
)

# Labels have the names of annotations (image-spec annotations.md).
LABELS: Final = tuple(place._replace(at=f"/config/Labels/{place.at}") for place in manifest_annotations.IMAGE_PLACES)
PLACES: Final = (
    Place("/created", "created", values.moment),
    Place("/author", "authors"),
    extra("/os", "os"),
    extra("/architecture", "architecture"),
    extra("/variant", "variant"),
    *LABELS,
)


class Image:
    """A container image."""

    name = "image"
    is_generic = True

    def recognises(self, artifact: Artifact) -> bool:
        """Say whether the config's type is an image's, and all layers' are: other files come with such a config, too."""
        is_image = artifact.config is not None and artifact.config.media_type in CONFIGS
        return is_image and all(layer.media_type in LAYERS for layer in artifact.layers)

    def describe(self, artifact: Artifact) -> Description:
        """Return an image, with the platform in `extra`."""
        return Description(
            Kind.IMAGE,
            stated(artifact.config_document, PLACES, "config"),
            [layer(item, packing_of(item.media_type), Role.OTHER) for item in artifact.layers],
        )


FORMAT: Final = Image()
