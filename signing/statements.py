"""DSSE envelopes and the in-toto statements in them.

secure-systems-lab/dsse protocol.md and envelope.md; in-toto/attestation spec/v1/statement.md and spec/v0.1.0/statement.md.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Final, Self

from signing.documents import Members, read, unreadable
from signing.evidence import Evidence
from signing.steps import Refused, Step
from signing.verified import Statement

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPES: Final = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")
MOST_SUBJECTS: Final = 1000
_HASHES: Final = {"sha256": 64, "sha512": 128}
_HEX: Final = re.compile(r"[0-9a-f]+")


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that a signature of an envelope is over (DSSE v1, PAE)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A DSSE envelope with one signature, whose payload is an in-toto statement."""

    payload: bytes
    signature: bytes

    @classmethod
    def parse(cls, document: Members) -> Self:
        """Read an envelope. Raise Refused where it has no signature or several, or another type of payload."""
        document.only("payload", "payloadType", "signatures")
        if document.text("payloadType") != PAYLOAD_TYPE:
            raise unreadable(
                f"{document.what} has a payload of the type {document.text('payloadType')[:120]!r}; {PAYLOAD_TYPE} is read"
            )
        signatures = document.objects("signatures", 100)
        if len(signatures) != 1:
            raise unreadable(f"{document.what} has {len(signatures)} signatures; exactly one is read")
        return cls(document.bytes("payload"), signatures[0].only("sig", "keyid").bytes("sig"))

    @property
    def signed(self) -> bytes:
        """Return the bytes that the signature is over."""
        return pre_authentication_encoding(PAYLOAD_TYPE, self.payload)


@dataclass(frozen=True, slots=True)
class Said:
    """An in-toto statement: of whom it speaks, and what it says."""

    subjects: tuple[dict[str, str], ...]
    """Of each subject its digests by algorithm."""
    statement: Statement

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Read a statement of version 1 or 0.1. Raise Refused."""
        document = read(payload, "the statement")
        document.one_of("_type", STATEMENT_TYPES)
        subjects = document.objects("subject", MOST_SUBJECTS)
        if not subjects:
            raise unreadable("the statement has no subject: it speaks of nothing")
        predicate = document.document.get("predicate")
        if predicate is not None and not isinstance(predicate, dict):
            raise unreadable("the statement's predicate is no object")
        return cls(
            tuple(_digests(subject) for subject in subjects),
            Statement(document.text("predicateType"), predicate or {}),
        )

    def must_speak_of(self, evidence: Evidence) -> None:
        """Raise Refused where no subject has the artifact's digest, or one that has it has another that is wrong."""
        algorithm, _, encoded = evidence.digest.partition(":")
        for digests in self.subjects:
            if digests.get(algorithm) == encoded:
                break
        else:
            raise Refused(Step.SUBJECT, f"it speaks of {_named(self.subjects)}, not of {evidence.digest}")
        for other, value in digests.items():
            if other in _HASHES and hashlib.new(other, evidence.content).hexdigest() != value:
                raise Refused(Step.SUBJECT, f"its subject has the digest of this artifact, but another {other}")


def _digests(subject: Members) -> dict[str, str]:
    digests: dict[str, Any] = subject.object("digest").document
    for algorithm, value in digests.items():
        if not isinstance(value, str) or not value:
            raise unreadable(f"a digest of {subject.what} is no text")
        length = _HASHES.get(algorithm)
        if length is not None and (len(value) != length or not _HEX.fullmatch(value)):
            raise unreadable(f"the {algorithm} of {subject.what} is not {length} hexadecimal digits in lower case")
    if not digests:
        raise unreadable(f"{subject.what} has no digest")
    return digests


def _named(subjects: tuple[dict[str, str], ...]) -> str:
    names = [f"{algorithm}:{value[:128]}" for digests in subjects[:3] for algorithm, value in digests.items()]
    return ", ".join(names[:3]) + (" and others" if len(subjects) > 3 or len(names) > 3 else "")
