"""Seekable OCI: indexes by which images are pulled lazily (awslabs/soci-snapshotter soci/soci_index.go)."""

from __future__ import annotations

from typing import Final

from mediatypes.models.artifact import Artifact, Description, Packing, Role
from mediatypes.models.layers import layer
from mediatypes.models.places import annotated, extra
from mediatypes.record import Kind

TYPES: Final = ("application/vnd.amazon.soci.index.v1+json", "application/vnd.amazon.soci.index.v2+json")
ANNOTATIONS: Final = (
    extra("com.amazon.soci.build-tool-identifier", "build_tool"),
    extra("com.amazon.soci.image-manifest-digest", "image"),
)


class Soci:
    """An index of an image's layers."""

    name = "soci"
    is_generic = False

    def recognises(self, artifact: Artifact) -> bool:
        """Say whether the type of the artifact or of its config is SOCI's."""
        config = artifact.config.media_type if artifact.config else None
        return artifact.artifact_type in TYPES or config in TYPES

    def describe(self, artifact: Artifact) -> Description:
        """Return an index."""
        return Description(
            Kind.INDEX,
            annotated(artifact.annotations, ANNOTATIONS),
            [layer(item, Packing.RAW, Role.OTHER) for item in artifact.layers],
        )


FORMAT: Final = Soci()
