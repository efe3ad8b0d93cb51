"""What a signature is found to be: by whom, when, and what it says."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

SIGNED: Final = "https://sigstore.dev/cosign/sign/v1"
"""The predicate type by which a bundle says that an artifact is signed, and no more."""


class Form(StrEnum):
    """The forms of signatures."""

    COSIGN = "cosign"
    """A layer of simple signing under the tag `sha256-….sig`, or a referrer of that form."""
    COSIGN_ATTESTATION = "cosign-attestation"
    """A DSSE envelope as a layer under the tag `sha256-….att`."""
    BUNDLE = "sigstore-bundle"
    MODEL_SIGNING = "model-signing"
    """A bundle of OpenSSF model signing, whose statement names the files of a model."""
    NOTATION = "notation"


class Statement(msgspec.Struct, frozen=True):
    """What is said of an artifact. One that is only signed has the type SIGNED and no predicate."""

    predicate_type: str
    predicate: dict[str, Any] = {}


class Verified(msgspec.Struct, frozen=True):
    """A signature that has passed all steps."""

    form: Form
    where: str
    """The manifest and the layer that hold it: `sha256:…, layer 1`."""
    statement: Statement
    signer: str
    """For people: a key's fingerprint, or identity and issuer."""
    key: str | None = None
    """The SHA-256 of the key's SubjectPublicKeyInfo, in hex."""
    identity: str | None = None
    issuer: str | None = None
    signed_at: datetime | None = None
    """When, as a trusted party witnesses; None where none does."""
    is_logged: bool = False
    """Whether a trusted transparency log holds it."""
    valid_until: datetime | None = None
    """When it stops to hold, if it does by itself."""


class Rejected(msgspec.Struct, frozen=True):
    """A signature that has not: the step at which, and why."""

    where: str
    step: int
    reason: str
    form: Form | None = None
