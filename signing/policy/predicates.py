"""Types of predicates, and the short words by which cosign calls them (cosign pkg/cosign/attestation, `--type`)."""

from __future__ import annotations

from typing import Final

SHORT: Final = {
    "custom": "https://cosign.sigstore.dev/attestation/v1",
    "cyclonedx": "https://cyclonedx.org/bom",
    "link": "https://in-toto.io/Link/v1",
    "openvex": "https://openvex.dev/ns",
    "slsaprovenance": "https://slsa.dev/provenance/v0.2",
    "slsaprovenance02": "https://slsa.dev/provenance/v0.2",
    "slsaprovenance1": "https://slsa.dev/provenance/v1",
    "spdx": "https://spdx.dev/Document",
    "spdxjson": "https://spdx.dev/Document",
    "vuln": "https://cosign.sigstore.dev/attestation/vuln/v1",
}

_SBOM: Final = ("https://cyclonedx.org/bom", "https://spdx.dev/Document", "https://syft.dev/bom")


def is_sbom(predicate_type: str) -> bool:
    """Say whether a predicate is a bill of materials; behind the type may stand its version: `…/bom/v1.6`."""
    return any(predicate_type == known or predicate_type.startswith(f"{known}/") for known in _SBOM)
