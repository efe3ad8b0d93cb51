"""What cosign and notation have once signed with a private Sigstore is verified years later, with nothing but the files."""

from __future__ import annotations

from datetime import timedelta

import pytest

from signing.verification import judge
from signing.verified import Form
from tests.signers.recorded import Recorded, recorded

ALL = tuple(recorded())
LATER = timedelta(days=20 * 365)


def test_every_way_to_sign_was_recorded() -> None:
    assert {one.form for one in ALL} == set(Form) - {Form.MODEL_SIGNING}
    assert len(ALL) == 12


@pytest.mark.parametrize("one", ALL, ids=str)
def test_it_is_verified_when_it_was_made(one: Recorded) -> None:
    (verified,) = judge(one.evidence, one.authority(), now=one.recorded_at).verified
    assert (verified.form, verified.statement.predicate_type) == (one.form, one.says)
    assert verified.is_logged == one.logged


@pytest.mark.parametrize("one", [one for one in ALL if one.stamped], ids=str)
def test_what_has_a_timestamp_holds_when_its_certificates_have_expired(one: Recorded) -> None:
    (verified,) = judge(one.evidence, one.authority(), now=one.recorded_at + LATER).verified
    assert verified.signed_at is not None
    assert abs(verified.signed_at - one.recorded_at) < timedelta(minutes=1)
