"""Image indexes and manifest lists (image-spec image-index.md; Docker's image manifest 2.2)."""

from __future__ import annotations

from typing import Any, Final

from mediatypes.documents import at, texts
from mediatypes.models.artifact import Artifact, Description
from mediatypes.models.places import Place, facts
from mediatypes.oci import INDEX_TYPES
from mediatypes.record import Kind, Provenance


def _platforms(manifests: Any) -> dict[str, Any]:
    """Return the platforms of manifests, as "linux/arm64/v8"; "unknown" stands where no platform is meant."""
    names = []
    for manifest in manifests:
        words = [text for key in ("os", "architecture", "variant") for text in texts(at(manifest, f"/platform/{key}"))]
        names += ["/".join(words)] if words and "unknown" not in words else []
    return {"platforms": list(dict.fromkeys(names))}


PLATFORMS: Final = Place("/manifests/platform", "extra", _platforms)


class Index:
    """An index of anything."""

    name = "index"
    is_generic = True

    def recognises(self, artifact: Artifact) -> bool:
        """Say whether the manifest is an index."""
        return artifact.media_type in INDEX_TYPES

    def describe(self, artifact: Artifact) -> Description:
        """Return an index, with its platforms in `extra`."""
        documents = [child.document for child in artifact.manifests]
        return Description(Kind.INDEX, facts(PLATFORMS, documents, Provenance.CONFIG, "manifests"))


FORMAT: Final = Index()
