"""Attestations in envelopes of their own: in-toto statements, DSSE, cosign's before bundles (`.att`), BuildKit's.

in-toto/attestation spec/v1; cosign pkg/types, pkg/oci/remote/write.go; BuildKit docs/attestations/attestation-storage.md.
"""

from __future__ import annotations

import re
from typing import Final

from mediatypes.models.artifact import Artifact, Description, Packing, Role
from mediatypes.models.layers import layer
from mediatypes.models.places import annotated, extra
from mediatypes.record import Kind

TYPES: Final = (
    "application/vnd.in-toto+json",
    "application/vnd.in-toto.bundle",
    "application/vnd.dsse.envelope.v1+json",
    "application/vnd.dev.cosign.artifact.att.v1+json",
)
PREDICATE_ENVELOPE: Final = re.compile(r"application/vnd\.in-toto\.[\w.\-]+\+dsse")
"""The types of one predicate's envelopes: application/vnd.in-toto.provenance+dsse."""

ANNOTATIONS: Final = (
    extra("in-toto.io/predicate-type", "predicate_type"),
    extra("predicateType", "predicate_type"),
)
"""Annotations of the layers, the first by BuildKit, the other by cosign."""


class Attestation:
    """One or more statements about the subject, of which the layers' annotations may name the predicates' types."""

    name = "in-toto"
    is_generic = False

    def recognises(self, artifact: Artifact) -> bool:
        """Say whether the type of the artifact or of a layer is one of attestations."""
        layers = [item.media_type for item in artifact.layers]
        return any(
            found in TYPES or PREDICATE_ENVELOPE.fullmatch(found) for found in (artifact.artifact_type or "", *layers)
        )

    def describe(self, artifact: Artifact) -> Description:
        """Return an attestation."""
        said = [fact for item in artifact.layers for fact in annotated(item.annotations, ANNOTATIONS)]
        return Description(Kind.ATTESTATION, said, [layer(item, Packing.RAW, Role.OTHER) for item in artifact.layers])


FORMAT: Final = Attestation()
