"""OCI artifacts for ML models and metadata (containers/omlmd: constants.py, model_metadata.py, helpers.py).

The model's metadata is the config; it stands in annotations without a namespace as well, whose names end in `+json` where the
value isn't text.
"""

from __future__ import annotations

from typing import Any, Final

from mediatypes.documents import parsed, texts
from mediatypes.models import values
from mediatypes.models.artifact import Artifact, Description, Packing, Role
from mediatypes.models.layers import layer
from mediatypes.models.places import Place, annotated, extra, stated
from mediatypes.record import Kind

MODEL: Final = "application/x-mlmodel"
CONFIG: Final = "application/x-config"
ROLES: Final = {MODEL: Role.WEIGHTS, CONFIG: Role.CONFIG}

PLACES: Final = (
    Place("/name", "name"),
    Place("/description", "description"),
    Place("/author", "authors"),
    Place("/uri", "source_url"),
    Place("/model_format_name", "format", values.weights_format),
    Place("/model_format_name", "framework", values.known_framework),
    extra("/model_format_version", "model_format_version"),
    Place("/customProperties", "extra"),
)


def _properties(text: Any) -> Any:
    return parsed(text) if texts(text) else None


ANNOTATIONS: Final = (
    *(place._replace(at=place.at.removeprefix("/")) for place in PLACES[:-1]),
    Place("customProperties+json", "extra", _properties),
)


class Omlmd:
    """A model with layers or a config of omlmd's types."""

    name = "omlmd"
    is_generic = False

    def recognises(self, artifact: Artifact) -> bool:
        """Say whether the type of the config or of a layer is omlmd's."""
        config = [artifact.config] if artifact.config else []
        return any(descriptor.media_type in ROLES for descriptor in (*config, *artifact.layers))

    def describe(self, artifact: Artifact) -> Description:
        """Return a model."""
        return Description(
            Kind.MODEL,
            [*annotated(artifact.annotations, ANNOTATIONS), *stated(artifact.config_document, PLACES, "config")],
            [layer(item, Packing.RAW, ROLES.get(item.media_type)) for item in artifact.layers],
        )


FORMAT: Final = Omlmd()
