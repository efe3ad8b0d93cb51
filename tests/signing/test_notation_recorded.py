"""Signatures that notation has made (data/notation-go), with timestamps of a public authority."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from signing import certificates
from signing.authorities import ChainAuthority
from signing.evidence import Evidence
from signing.making.artifacts import Subject
from signing.notation import NotationSignature, read_notation
from signing.notation_attributes import Envelope
from signing.steps import Refused, Step
from signing.timestamp_answers import as_response
from signing.verified import Rejected
from tests.signing.notation_envelopes import COSE, JWS, MANIFEST, attach

DATA = Path(__file__).parent / "data" / "notation-go"
# The manifest itself does not come with the signatures; by digest, type and size it is the one that they sign.
ALPINE = Subject(MANIFEST, "sha256:19dbd2e48e921426ee8ace4dc892edfb2ecdc1d1a72d5416c83670c30acecef0", 481)
EVIDENCE = Evidence(ALPINE.digest, MANIFEST, bytes(ALPINE.size))
NOW = datetime(2026, 6, 1, tzinfo=UTC)
GLOBAL_SIGN = certificates.from_der((DATA / "globalsignRoot.cer").read_bytes()).public_bytes(Encoding.PEM)


def media_type(content: bytes) -> str:
    return JWS if content.startswith(b"{") else COSE


def read(content: bytes) -> NotationSignature:
    attached = attach(content, media_type(content), ALPINE)
    [found] = read_notation(attached)
    assert isinstance(found, NotationSignature), found
    return found


def trusting_its_last(found: NotationSignature, *, with_timestamps: bool = True) -> ChainAuthority:
    own = found.envelope.chain[-1].public_bytes(Encoding.PEM)
    return ChainAuthority("own", (own,), timestamp_certificates=(GLOBAL_SIGN,) if with_timestamps else ())


@pytest.mark.parametrize("file", ["jws_signature.sig", "cose_signature.sig"])
def test_what_notation_signs_verifies(file: str) -> None:
    found = read((DATA / file).read_bytes())
    verified = found.verify(EVIDENCE, trusting_its_last(found), now=NOW)
    assert verified.identity == "CN=alpine,O=Notary,L=Seattle,ST=WA,C=US"


@pytest.mark.parametrize(
    ("file", "step", "reason"),
    [
        # The artifacts of these are not at hand: that only the subject is refused shows that all before it has passed.
        ("jwsWithTimestamp.sig", Step.SUBJECT, "it signs sha256:c0669ef"),
        ("jwsExpiredWithTimestamp.sig", Step.SUBJECT, "it signs sha256:c0669ef"),
        ("coseExpiredWithTimestamp.sig", Step.SUBJECT, "it signs sha256:c0669ef"),
        ("timestampAfterNotAfter.sig", Step.TIME, "when it was signed"),
        ("timestampBeforeNotBefore.sig", Step.TIME, "when it was signed"),
    ],
)
def test_a_public_timestamp_counts_where_its_authority_is_trusted(file: str, step: Step, reason: str) -> None:
    found = read((DATA / file).read_bytes())
    with pytest.raises(Refused) as refused:
        found.verify(EVIDENCE, trusting_its_last(found), now=NOW)
    assert refused.value.step == step
    assert reason in refused.value.reason


@pytest.mark.parametrize("file", ["jwsExpiredWithTimestamp.sig", "coseExpiredWithTimestamp.sig"])
def test_without_that_trust_an_expired_certificate_is_refused(file: str) -> None:
    found = read((DATA / file).read_bytes())
    with pytest.raises(Refused, match="nobody who is trusted witnesses"):
        found.verify(EVIDENCE, trusting_its_last(found, with_timestamps=False), now=NOW)


def test_a_timestamp_of_another_signature_is_refused() -> None:
    ours, other = (read((DATA / f"{kind}ExpiredWithTimestamp.sig").read_bytes()) for kind in ("jws", "cose"))
    swapped = NotationSignature(ours.layer, replaced(ours, timestamp=other.envelope.timestamp), ours.target)
    with pytest.raises(Refused, match="of another signature"):
        swapped.verify(EVIDENCE, trusting_its_last(ours), now=NOW)


def replaced(found: NotationSignature, *, timestamp: bytes | None) -> Envelope:
    return replace(found.envelope, timestamp=timestamp)


@given(st.data(), st.sampled_from(["jws_signature.sig", "cose_signature.sig"]))
@settings(max_examples=100, deadline=None)
def test_one_byte_changed_anywhere_is_refused_or_says_the_same(data: st.DataObject, file: str) -> None:
    content = (DATA / file).read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != content[place]))
    changed = content[:place] + bytes((byte,)) + content[place + 1 :]
    original = read(content)
    [found] = read_notation(attach(changed, media_type(content), ALPINE))
    if isinstance(found, Rejected):
        assert found.step == Step.READ
        return
    try:
        found.verify(EVIDENCE, trusting_its_last(original), now=NOW)
    except Refused:
        return
    # What is not signed, such as the name of the signing program, may be another.
    assert found.envelope.signed == original.envelope.signed
    assert found.envelope.chain == original.envelope.chain


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_no_bytes_crash_a_reader(content: bytes) -> None:
    for kind in (JWS, COSE):
        [found] = read_notation(attach(content, kind))
        assert isinstance(found, Rejected)
    with contextlib.suppress(Refused):
        as_response(content)
