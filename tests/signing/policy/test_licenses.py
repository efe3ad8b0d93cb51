"""Licences by SPDX expressions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing.policy.licenses import judged
from signing.policy.outcomes import Outcome
from signing.policy.requirements import Licensed

MET, UNMET, UNDECIDED = Outcome
GPL = "GPL-2.0-only"
EXCEPTION = "GPL-2.0-only WITH Classpath-exception-2.0"


@pytest.mark.parametrize(
    ("found", "allowed", "wanted"),
    [
        (["MIT"], ["MIT", "Apache-2.0"], MET),
        (["mit"], ["MIT"], MET),
        (["MIT"], ["mit"], MET),
        (["MIT", GPL], ["MIT"], UNMET),
        ([f"MIT OR {GPL}"], ["MIT"], MET),
        ([f"{GPL} OR MIT"], ["MIT"], MET),
        ([f"MIT AND {GPL}"], ["MIT"], UNMET),
        ([f"MIT AND {GPL}"], ["MIT", GPL], MET),
        ([f"MIT OR {GPL} AND Apache-2.0"], ["MIT"], MET),
        ([f"(MIT OR {GPL}) AND Apache-2.0"], ["MIT"], UNMET),
        ([f"(MIT OR {GPL}) AND Apache-2.0"], ["MIT", "Apache-2.0"], MET),
        ([EXCEPTION], [GPL], UNMET),
        ([EXCEPTION], [EXCEPTION], MET),
        (["llama3"], ["llama3"], MET),
        (["mit or llama3"], ["MIT"], MET),
        (["mit and llama3"], ["MIT"], UNMET),
        (["Llama 3 License"], ["llama 3 license"], MET),
        (["MIT License of ours"], ["MIT"], UNDECIDED),
        ([], ["MIT"], UNDECIDED),
        (["NOASSERTION"], ["NOASSERTION"], UNDECIDED),
        (["MIT", "other"], ["MIT"], UNDECIDED),
    ],
)
def test_licenses_that_are_allowed(found: list[str], allowed: list[str], wanted: Outcome) -> None:
    assert judged(found, Licensed(tuple(allowed), are_allowed=True))[0] is wanted


@pytest.mark.parametrize(
    ("found", "refused", "wanted"),
    [
        (["MIT"], [GPL], MET),
        ([GPL], [GPL], UNMET),
        ([f"MIT OR {GPL}"], [GPL], MET),
        ([f"MIT AND {GPL}"], [GPL], UNMET),
        ([EXCEPTION], [GPL], UNMET),
        ([EXCEPTION], [EXCEPTION], UNMET),
        ([f"llama3 and {GPL.lower()}"], [GPL], UNMET),
        (["llama3"], [GPL], MET),
        ([f"{GPL} AND"], [GPL], UNDECIDED),
        ([f"({GPL}"], [GPL], UNDECIDED),
        ([f"MIT {GPL}"], [GPL], UNDECIDED),
        (["unknown"], [GPL], UNDECIDED),
        ([], [GPL], UNDECIDED),
    ],
)
def test_licenses_that_are_refused(found: list[str], refused: list[str], wanted: Outcome) -> None:
    assert judged(found, Licensed(tuple(refused), are_allowed=False))[0] is wanted


@given(
    st.lists(
        st.text() | st.text("()ANDORWITHmit ") | st.sampled_from(["(" * 99 + "MIT", "MIT AND", "WITH"]), min_size=1
    )
)
def test_nothing_makes_it_fail(found: list[str]) -> None:
    assert judged(found, Licensed(("Apache-2.0",), are_allowed=True))[0] is not MET
