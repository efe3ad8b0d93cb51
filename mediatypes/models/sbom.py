"""Bills of materials: CycloneDX, SPDX and syft's own (cosign pkg/types/media.go; the formats' registrations with IANA)."""

from __future__ import annotations

from typing import Final

from mediatypes.models.artifact import Artifact, Description, Packing, Role
from mediatypes.models.layers import layer
from mediatypes.record import Kind

TYPES: Final = {
    "cyclonedx": ("application/vnd.cyclonedx+json", "application/vnd.cyclonedx+xml"),
    "spdx": ("application/spdx+json", "text/spdx", "text/spdx+json"),
    "syft": ("application/vnd.syft+json",),
}


class SBOM:
    """A bill of materials in one of the formats."""

    is_generic = False

    def __init__(self, name: str) -> None:
        self.name = name

    def recognises(self, artifact: Artifact) -> bool:
        """Say whether the type of the artifact or of a layer is the format's; parameters such as a version don't count."""
        layers = [item.media_type for item in artifact.layers]
        named = (found.partition(";")[0].strip() for found in (artifact.artifact_type or "", *layers))
        return any(found in TYPES[self.name] for found in named)

    def describe(self, artifact: Artifact) -> Description:
        """Return a bill of materials."""
        return Description(Kind.SBOM, layers=[layer(item, Packing.RAW, Role.OTHER) for item in artifact.layers])


CYCLONEDX: Final = SBOM("cyclonedx")
SPDX: Final = SBOM("spdx")
SYFT: Final = SBOM("syft")
