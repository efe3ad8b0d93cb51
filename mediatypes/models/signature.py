"""Signatures: cosign's before bundles, Sigstore bundles (OpenSSF model signatures among them), Notary Project's.

cosign pkg/oci/static, internal/pkg/oci/remote; sigstore/model-transparency _signing/signing.py;
notaryproject/specifications specs/signature-specification.md.
"""

from __future__ import annotations

import re
from typing import Final

from mediatypes.models.artifact import Artifact, Description, Layer, Packing, Role
from mediatypes.models.layers import layer
from mediatypes.models.places import annotated, extra
from mediatypes.record import Kind

COSIGN_TYPES: Final = (
    "application/vnd.dev.cosign.simplesigning.v1+json",
    "application/vnd.dev.cosign.artifact.sig.v1+json",
)
BUNDLE: Final = re.compile(r"application/vnd\.dev\.sigstore\.bundle(?:\.v\d+\.\d+\+json|\+json; ?version=\d+\.\d+)")
NOTATION_TYPE: Final = "application/vnd.cncf.notary.signature"

PREDICATE: Final = "dev.sigstore.bundle.predicateType"
SIGNING_PREDICATES: Final = (
    "https://sigstore.dev/cosign/sign/v1",
    "https://model_signing/signature/v1.0",
    "https://model_signing/Digests/v0.1",
)
"""Predicates that sign what they are about and say no more of it: by cosign, and by OpenSSF model signing."""
BUNDLE_ANNOTATIONS: Final = (
    extra(PREDICATE, "predicate_type"),
    extra("dev.sigstore.bundle.content", "bundle_content"),
)
NOTATION_ANNOTATIONS: Final = (extra("io.cncf.notary.x509chain.thumbprint#S256", "certificate_thumbprints"),)


def _layers(artifact: Artifact) -> list[Layer]:
    return [layer(item, Packing.RAW, Role.OTHER) for item in artifact.layers]


def _types(artifact: Artifact) -> list[str]:
    return [artifact.artifact_type or "", *(item.media_type for item in artifact.layers)]


class Cosign:
    """A signature of cosign up to 2, or of 3 without bundles."""

    name = "cosign"
    is_generic = False

    def recognises(self, artifact: Artifact) -> bool:
        """Say whether the type of the artifact or of a layer is cosign's for signatures."""
        return any(found in COSIGN_TYPES for found in _types(artifact))

    def describe(self, artifact: Artifact) -> Description:
        """Return a signature."""
        return Description(Kind.SIGNATURE, layers=_layers(artifact))


class Sigstore:
    """A Sigstore bundle."""

    name = "sigstore"
    is_generic = False

    def recognises(self, artifact: Artifact) -> bool:
        """Say whether the type of the artifact or of a layer is a bundle's."""
        return any(BUNDLE.fullmatch(found) for found in _types(artifact))

    def describe(self, artifact: Artifact) -> Description:
        """Return an attestation where a predicate's type says that there is more than a signature, else a signature."""
        predicate = artifact.annotations.get(PREDICATE)
        kind = Kind.SIGNATURE if predicate is None or predicate in SIGNING_PREDICATES else Kind.ATTESTATION
        return Description(kind, annotated(artifact.annotations, BUNDLE_ANNOTATIONS), _layers(artifact))


class Notation:
    """A Notary Project signature."""

    name = "notation"
    is_generic = False

    def recognises(self, artifact: Artifact) -> bool:
        """Say whether the artifact's type, or that of its config, is Notary Project's."""
        config = artifact.config.media_type if artifact.config else None
        return NOTATION_TYPE in (artifact.artifact_type, config)

    def describe(self, artifact: Artifact) -> Description:
        """Return a signature."""
        said = annotated(artifact.annotations, NOTATION_ANNOTATIONS)
        return Description(Kind.SIGNATURE, said, _layers(artifact))


COSIGN: Final = Cosign()
SIGSTORE: Final = Sigstore()
NOTATION: Final = Notation()
