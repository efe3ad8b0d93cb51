"""Trust roots are read strictly, and the one of the public instance is at hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from signing.limits import LARGEST_ROOT
from signing.roots import InvalidTrustRoot, Period, TrustRoot
from tests.signing.defects import edited
from tests.signing.services import NOW, Sigstore, b64, compact, new_key, spki

ROOT: dict[str, Any] = json.loads(Sigstore().root())


def refused(document: dict[str, Any] | bytes) -> str:
    with pytest.raises(InvalidTrustRoot) as caught:
        TrustRoot.parse(document if isinstance(document, bytes) else compact(document))
    return str(caught.value)


def test_the_public_instance_is_built_in() -> None:
    root = TrustRoot.public_good()
    assert "https://rekor.sigstore.dev" in [log.url for log in root.logs]
    assert len(root.authorities) >= 2
    assert root.certificate_logs
    assert root.timestamp_authorities


def test_a_root_is_read_with_its_times() -> None:
    root = TrustRoot.parse(compact(ROOT))
    assert [log.host for log in root.logs] == ["rekor.example.com", "log2026.example.com"]
    assert root.logs[0].period == Period(NOW - timedelta(days=1000), None)
    assert [len(authority.certificates) for authority in (*root.authorities, *root.timestamp_authorities)] == [2, 3]


def test_the_newer_version_is_read_alike() -> None:
    newer = ROOT | {"mediaType": "application/vnd.dev.sigstore.trustedroot.v0.2+json"}
    assert TrustRoot.parse(compact(newer)).logs == TrustRoot.parse(compact(ROOT)).logs


def test_a_root_may_hold_one_kind_of_trust_only() -> None:
    root = TrustRoot.parse(compact({"mediaType": ROOT["mediaType"], "tlogs": ROOT["tlogs"]}))
    assert (len(root.logs), root.authorities) == (2, ())


def test_a_time_may_be_finer_than_a_microsecond() -> None:
    root = TrustRoot.parse(compact(edited(ROOT, "tlogs/0/publicKey/validFor/start", "2026-06-04T12:43:29.186617431Z")))
    assert root.logs[0].period.start == datetime(2026, 6, 4, 12, 43, 29, 186617, UTC)


def test_a_log_with_a_key_of_a_kind_to_come_is_left_out() -> None:
    root = TrustRoot.parse(compact(edited(ROOT, "tlogs/0/publicKey/keyDetails", "ML_DSA_65")))
    assert [log.host for log in root.logs] == ["log2026.example.com"]


def test_a_period_covers_both_its_ends() -> None:
    period = Period(NOW, NOW + timedelta(days=1))
    moments = (NOW - timedelta(seconds=1), NOW, NOW + timedelta(days=1), NOW + timedelta(days=1, seconds=1))
    assert [period.covers(moment) for moment in moments] == [False, True, True, False]
    assert Period().covers(NOW)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("mediaType", "application/json", "which is not known"),
        ("more", 1, "a member 'more' that is not known"),
        ("tlogs/0/more", 1, "a member 'more' that is not known"),
        ("tlogs", {}, "is no list of objects"),
        ("tlogs", [ROOT["tlogs"][0]] * 65, "of which 64 are read at most"),
        ("tlogs/0/hashAlgorithm", "SHA1", "which is not known"),
        ("tlogs/0/logId", ..., "has no logId"),
        ("tlogs/0/baseUrl", "http://[", "is no address"),
        ("tlogs/0/publicKey/rawBytes", "AAAA", "is no public key that can be read"),
        ("tlogs/0/publicKey/rawBytes", "AA", "is no base64"),
        ("tlogs/0/publicKey/rawBytes", b64(spki(new_key(ec.SECP384R1()))), "is ECDSA P-384, and ECDSA P-256 by"),
        ("tlogs/0/publicKey/rawBytes", b64(spki(new_key()) + b"\0"), "public key"),
        ("tlogs/0/publicKey/validFor/start", "2026-06-04", "is no time"),
        ("tlogs/0/publicKey/validFor/start", "2026-13-04T00:00:00Z", "is no time"),
        ("tlogs/0/publicKey/validFor/start", "2026-06-04T00:00:00+02:00", "is no time"),
        ("certificateAuthorities/0/certChain/certificates", [], "has no certificate"),
        ("certificateAuthorities/0/certChain/certificates/0/rawBytes", "AAAA", "is no certificate that can be read"),
        ("timestampAuthorities/0/certChain", ..., "has no certChain"),
    ],
)
def test_what_could_be_read_otherwise_is_refused(place: str, value: Any, words: str) -> None:
    assert words in refused(edited(ROOT, place, value))


def test_what_is_no_root_is_refused() -> None:
    assert "reads alike" in refused(b"{")
    assert "reads alike" in refused(compact(ROOT).replace(b'"ctlogs":', b'"ctlogs":[],"ctlogs":'))
    assert "49152 are the most" in refused(b" " * LARGEST_ROOT + compact(ROOT))
