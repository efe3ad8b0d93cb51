"""The steps by which a signature is verified, as numbered in docs/verification.md. A refusal names the first that fails."""

from __future__ import annotations

from enum import IntEnum


class Step(IntEnum):
    """What is verified, in this order."""

    READ = 1
    """Manifest, envelope and payload are of a known form, whole, within bounds, and mean one thing to every reader."""
    SIGNER = 2
    """A trusted key has signed, or a certificate that chains to a trusted authority and was issued for signing."""
    TIME = 3
    """Where a certificate has signed: a trusted party witnesses when, and the certificate was valid then."""
    LOG = 4
    """Where it is asked for: a trusted transparency log holds this very signature by this very signer."""
    SIGNATURE = 5
    """The signature is one of the very bytes of the payload."""
    SUBJECT = 6
    """The payload speaks of this artifact: its digest, and its media type and size where it names them."""
    STATEMENT = 7
    """What the payload says of the artifact is what is asked for: that it is signed, or a predicate of a type."""
    IDENTITY = 8
    """Who has signed is who is asked for: subject and issuer of the certificate."""


class Refused(Exception):
    """A signature is not accepted: at a step, for a reason that completes “refused: …”."""

    def __init__(self, step: Step, reason: str) -> None:
        super().__init__(f"step {step.value} ({step.name.lower()}): {reason}")
        self.step = step
        self.reason = reason
