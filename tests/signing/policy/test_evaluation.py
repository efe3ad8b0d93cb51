"""Requirements: met, not met, and what could not be decided."""

from __future__ import annotations

from tests.signing.policy.making import judged, verified


def test_a_signature_by_whom_it_is_asked_of() -> None:
    signed = judged({"signature": {"by": "release"}}, signatures={"release": [verified()]})
    assert signed.passes
    unsigned = judged({"signature": {"by": "release"}}, signatures={"ci": [verified()]})
    assert not unsigned.passes
    assert unsigned.is_denied
    assert unsigned.branch.decided
