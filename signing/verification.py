"""All signatures of an artifact, judged by an authority."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from mediatypes.digest import Digest, InvalidDigest
from signing.authorities import Authority
from signing.candidates import Candidate
from signing.evidence import MOST_ATTACHED, Evidence
from signing.forms import READERS
from signing.steps import Refused, Step
from signing.verified import Rejected, Verified


@dataclass(frozen=True, slots=True)
class Found:
    """What became of an artifact's signatures, of whatever they say (`Verified.statement`)."""

    verified: Sequence[Verified]
    rejected: Sequence[Rejected]


def judge(evidence: Evidence, authority: Authority, *, now: datetime) -> Found:
    """Verify each signature that is attached to an artifact by an authority.

    Nothing is fetched. Whatever the evidence holds, nothing is raised: what is not accepted is Rejected, with step and reason.
    """
    verified: list[Verified] = []
    rejected: list[Rejected] = []
    for candidate in _candidates(evidence):
        if isinstance(candidate, Rejected):
            rejected.append(candidate)
            continue
        try:
            _must_be_itself(evidence)
            verified.append(candidate.verify(evidence, authority, now=now))
        except Refused as error:
            rejected.append(Rejected(candidate.where, error.step.value, error.reason, candidate.form))
    return Found(tuple(verified), tuple(rejected))


def _candidates(evidence: Evidence) -> Iterator[Candidate | Rejected]:
    for attached in evidence.attached[:MOST_ATTACHED]:
        try:
            _must_have_digest(attached.content, attached.digest, "the manifest that holds it")
        except Refused as error:
            yield Rejected(attached.digest, error.step.value, error.reason)
            continue
        for read in READERS:
            yield from read(attached)


def _must_be_itself(evidence: Evidence) -> None:
    try:
        _must_have_digest(evidence.content, evidence.digest, "the artifact")
    except Refused as error:
        raise Refused(Step.SUBJECT, error.reason) from None


def _must_have_digest(content: bytes, digest: str, what: str) -> None:
    try:
        stated = Digest.parse(digest)
    except InvalidDigest as error:
        raise Refused(Step.READ, f"the digest of {what} {error}") from None
    if Digest.of(content, stated.algorithm) != stated:
        raise Refused(Step.READ, f"{what} holds other bytes than its digest {digest} says")
