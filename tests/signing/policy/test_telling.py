"""Verdicts for people."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from registry.core.decisions import reasons
from signing.policy.telling import failing, lines
from signing.policy.verdict import Branch, Mode, Verdict
from tests.signing.policy.making import DIGEST, NOW, REJECTED, evidence, judged, verified

REQUIRE = {
    "all": [
        {"signature": {"by": "release"}},
        {"any": [{"schemas": "conform"}, {"record": "record.x\n  == 1"}]},
        {"not": {"signature": {"by": "ci"}}},
        {"age": {"most": "1d"}},
    ]
}


def test_a_verdict_is_told_as_a_tree() -> None:
    facts = evidence(violations=({"pointer": "/name", "message": "is absent"},), pushed_at=NOW)
    verdict = judged(REQUIRE, facts, {"release": [REJECTED], "ci": [verified()]})
    b, c = f"sha256:{'b' * 64}, layer 1", f"sha256:{'c' * 64}, layer 1"
    why = f"{c}: step 5 (signature): the signature is not one of these bytes"
    assert lines(verdict) == [
        f"{DIGEST} by policy production: does not pass: refused",
        "  ✗ all of: 1 of 4 are met, and 1 could not be decided",
        f"    ✗ a signature by release: there is no signature by release; 1 other was not accepted: {why}",
        f"      - {why}",
        "    ? any of: 0 of 2 are met, and 1 could not be decided",
        "      ✗ that it conforms to its schemas: it does not conform to its schemas: /name is absent",
        "        - /name is absent",
        "      ? that record.x == 1: record is not known",
        f"    ✗ not: it is so, and must not be: by ci, the key k1 ({b})",
        f"      ✓ a signature by ci: by ci, the key k1 ({b})",
        "    ✓ pushed at most 1d ago: it was pushed at 2026-03-01T12:00:00+00:00, at most 1d ago",
        "  Until 2026-03-02T12:00:00+00:00, then it is to be judged again.",
    ]


def test_what_must_not_be_is_told_by_the_not() -> None:
    verdict = judged({"not": {"any": [{"signature": {"by": "ci"}}, {"sbom": {}}]}}, None, {"ci": [verified()]})
    assert [branch.requirement for branch in failing(verdict.branch)] == ["not"]
    assert reasons(verdict) == [f"not: {verdict.branch.reason}"]
    assert failing(judged({"any": [{"not": {"sbom": {}}}, {"sbom": {}}]}).branch) == []


def test_what_an_artifact_says_of_itself_starts_no_line() -> None:
    evil = verified(signer="x\r\nSet-Cookie: a\x1b[2J\u202egnp")
    verdict = judged({"not": {"signature": {"by": "ci"}}}, None, {"ci": [evil]})
    assert "x\\x0d\\x0aSet-Cookie: a\\x1b[2J\\u202egnp" in lines(verdict)[1]


@given(st.text(), st.text(), st.lists(st.text(max_size=2000), max_size=5))
def test_lines_are_lines(reason: str, requirement: str, others: list[str]) -> None:
    branches = tuple(Branch(requirement, passes=False, reason=other, notes=(other,)) for other in others)
    verdict = Verdict(requirement, 3, Mode.WARN, reason, passes=False, branch=Branch("all of", False, reason, branches))
    assert all(text.isprintable() for text in lines(verdict))
