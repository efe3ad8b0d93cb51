"""WebAssembly modules and components (CNCF TAG Runtime, Wasm OCI Artifact layout), and the types that came before it."""

from __future__ import annotations

from typing import Final

from mediatypes.models import values
from mediatypes.models.artifact import Artifact, Description, Packing, Role
from mediatypes.models.layers import layer
from mediatypes.models.places import Place, extra, stated
from mediatypes.record import Kind

CONFIGS: Final = (
    "application/vnd.wasm.config.v0+json",
    "application/vnd.wasm.config.v1+json",
)
LAYERS: Final = (
    "application/wasm",
    "application/vnd.wasm.content.layer.v1+wasm",
    "application/vnd.module.wasm.content.layer.v1+wasm",
)

PLACES: Final = (
    Place("/created", "created", values.moment),
    Place("/author", "authors"),
    extra("/os", "os"),
    extra("/component/target", "target"),
    extra("/component/imports", "imports"),
    extra("/component/exports", "exports"),
)


class Wasm:
    """WebAssembly."""

    name = "wasm"
    is_generic = False

    def recognises(self, artifact: Artifact) -> bool:
        """Say whether the type of the config or of a layer is one of WebAssembly."""
        is_config = artifact.config is not None and artifact.config.media_type in CONFIGS
        return is_config or any(item.media_type in LAYERS for item in artifact.layers)

    def describe(self, artifact: Artifact) -> Description:
        """Return WebAssembly, with what it imports and exports in `extra`."""
        return Description(
            Kind.WASM,
            stated(artifact.config_document, PLACES, "config"),
            [layer(item, Packing.RAW, Role.CODE) for item in artifact.layers],
        )


FORMAT: Final = Wasm()
