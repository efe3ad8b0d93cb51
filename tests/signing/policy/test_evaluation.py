"""Requirements: met, not met, and what could not be decided."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signing.evidence import Attached, Evidence, Known, Scan
from signing.policy.evaluation import evaluate
from signing.policy.outcomes import Outcome
from signing.policy.verdict import Branch, Mode
from signing.verification import judge
from signing.verified import SIGNED, Form
from tests.signing import attachments
from tests.signing.policy.making import (
    DIGEST,
    IMAGE,
    NOW,
    PROVENANCE,
    REJECTED,
    ROOTS,
    Signatures,
    evidence,
    judged,
    policy,
    verified,
)
from tests.signing.services import new_key, pem

MET, UNMET, UNDECIDED = Outcome
DAY = timedelta(days=1)
SIGNATURE: dict[str, Any] = {"signature": {"by": "release"}}
PASSED = {"attestation": {"type": PROVENANCE, "by": "ci", "where": 'predicate.result == "PASSED"'}}
PASSES = verified(PROVENANCE, predicate={"result": "PASSED"})
FAILED = verified(PROVENANCE, predicate={"result": "FAILED"})
SILENT = verified(PROVENANCE)
ON_SCAN = {"scan": {"scanners": ["pickle", "clamav"], "most": "medium"}}
LENIENT = {"scan": ON_SCAN["scan"] | {"whenDown": "allow", "whenPending": "allow"}}
BOM = json.dumps({"artifactType": "application/spdx+json", "subject": {"digest": DIGEST}}).encode()
OTHER_BOM = json.dumps({"artifactType": "application/spdx+json", "subject": {"digest": "sha256:x"}}).encode()
ATTESTED_BOM = json.dumps({"annotations": {"dev.sigstore.bundle.predicateType": "https://spdx.dev/Document"}}).encode()
OLD_BOM = json.dumps({"layers": [{"annotations": {"predicateType": "https://cyclonedx.org/bom/v1.6"}}]}).encode()


def outcome(branch: Branch) -> Outcome:
    if branch.passes:
        assert branch.decided
        return MET
    return UNMET if branch.decided else UNDECIDED


def attached(content: bytes) -> Attached:
    return Attached("referrer", "sha256:" + "d" * 64, IMAGE, content)


def scans(**states: str) -> dict[str, Any]:
    """Return what scanners say: a state, or the worst severity that was found."""
    said = ("clean", "pending", "down", "failed")
    made = [
        Scan(name, state) if state in said else Scan(name, "found", state or None) for name, state in states.items()
    ]
    return {"scans": tuple(made)}


@pytest.mark.parametrize(
    ("require", "signatures", "wanted"),
    [
        (SIGNATURE, {"release": [verified()]}, MET),
        (SIGNATURE, {"ci": [verified()]}, UNMET),
        (SIGNATURE, {"release": [REJECTED]}, UNMET),
        (SIGNATURE, {"release": [PASSES]}, UNMET),  # an attestation is no signature
        (SIGNATURE, {"release": [verified(valid_until=NOW)]}, UNMET),
        (SIGNATURE, {"release": [verified(valid_until=NOW + DAY)]}, MET),
        (PASSED, {"ci": [PASSES]}, MET),
        (PASSED, {"ci": [FAILED, PASSES]}, MET),
        (PASSED, {"ci": [FAILED]}, UNMET),
        (PASSED, {"release": [PASSES]}, UNMET),
        (PASSED, {"ci": [SILENT]}, UNDECIDED),
        (PASSED, {"ci": [verified(SIGNED, predicate={"result": "PASSED"})]}, UNMET),
        (PASSED, {"ci": [verified(PROVENANCE + "/", predicate={"result": "PASSED"})]}, UNMET),
        ({"attestation": {"type": "vuln", "by": "ci"}}, {"ci": [PASSES]}, UNMET),
        ({"attestation": {"type": "slsaprovenance1", "by": "ci"}}, {"ci": [PASSES]}, MET),
        ({"sbom": {"by": "ci"}}, {"ci": [verified("https://cyclonedx.org/bom/v1.6")]}, MET),
        ({"sbom": {"by": "ci"}}, {"ci": [verified("https://spdx.dev/Document")]}, MET),
        ({"sbom": {"by": "ci"}}, {"ci": [verified("https://spdx.dev/DocumentX"), verified()]}, UNMET),
        ({"age": {"most": "1d", "since": "signed", "by": "ci"}}, {"ci": [verified(signed_at=NOW - DAY / 2)]}, MET),
        ({"age": {"most": "1d", "since": "signed", "by": "ci"}}, {"ci": [verified(signed_at=NOW - DAY)]}, UNMET),
        ({"age": {"most": "1d", "since": "signed", "by": "ci"}}, {"ci": [verified()]}, UNDECIDED),
        ({"age": {"most": "1d", "since": "signed", "by": "ci"}}, {"ci": []}, UNMET),
    ],
)
def test_what_is_signed(require: Any, signatures: Any, wanted: Outcome) -> None:
    assert outcome(judged(require, signatures=signatures).branch) is wanted


@pytest.mark.parametrize(
    ("require", "facts", "wanted"),
    [
        ({"age": {"most": "1d"}}, evidence(pushed_at=NOW - DAY / 2), MET),
        ({"age": {"most": "1d"}}, evidence(pushed_at=NOW - DAY), UNMET),
        ({"age": {"most": "1d"}}, evidence(), UNDECIDED),
        ({"age": {"most": "1d"}}, evidence(pushed_at=NOW + DAY), UNDECIDED),
        ({"age": {"least": "1h"}}, evidence(pushed_at=NOW - DAY), MET),
        ({"age": {"least": "1h"}}, evidence(pushed_at=NOW), UNMET),
        ({"license": {"in": ["MIT"]}}, evidence(record={"licenses": ["MIT"]}), MET),
        ({"license": {"in": ["MIT"]}}, evidence(record={"licenses": ["Apache-2.0"]}), UNMET),
        ({"license": {"in": ["MIT"]}}, evidence(record={}), UNDECIDED),
        ({"license": {"notIn": ["MIT"]}}, evidence(record={}), UNDECIDED),
        ({"license": {"notIn": ["MIT"]}}, evidence(record={"licenses": 7}), UNDECIDED),
        ({"license": {"notIn": ["MIT"]}}, evidence(), UNDECIDED),
        ({"schemas": "conform"}, evidence(violations=()), MET),
        ({"schemas": "conform"}, evidence(violations=({"pointer": "/name", "message": "is absent"},)), UNMET),
        ({"schemas": "conform"}, evidence(violations=({},)), UNMET),
        ({"schemas": "conform"}, evidence(), UNDECIDED),
        (ON_SCAN, evidence(**scans(pickle="clean", clamav="clean")), MET),
        (ON_SCAN, evidence(**scans(pickle="clean", clamav="medium")), MET),
        (ON_SCAN, evidence(**scans(pickle="clean", clamav="high")), UNMET),
        (ON_SCAN, evidence(**scans(pickle="clean")), UNDECIDED),
        (ON_SCAN, evidence(**scans(pickle="clean", clamav="pending")), UNDECIDED),
        (ON_SCAN, evidence(**scans(pickle="clean", clamav="down")), UNDECIDED),
        (ON_SCAN, evidence(**scans(pickle="high", clamav="down")), UNMET),
        (ON_SCAN, evidence(**scans(pickle="clean", clamav="")), UNDECIDED),  # found, but nobody says how bad
        (ON_SCAN, evidence(**scans(pickle="clean", clamav="awful")), UNDECIDED),
        (ON_SCAN, evidence(), UNDECIDED),
        (LENIENT, evidence(**scans(pickle="pending", clamav="down")), MET),
        (LENIENT, evidence(**scans(pickle="clean", clamav="failed")), UNDECIDED),
        (LENIENT, evidence(**scans(pickle="pending")), UNDECIDED),
        (LENIENT, evidence(**scans(pickle="down", clamav="high")), UNMET),
        ({"record": "record.parameters > 10"}, evidence(record={"parameters": 11}), MET),
        ({"record": "record.parameters > 10"}, evidence(record={"parameters": 1}), UNMET),
        ({"record": "record.parameters > 10"}, evidence(record={"parameters": "11"}), UNDECIDED),
        ({"record": "record.parameters > 10"}, evidence(record={}), UNDECIDED),
        ({"record": "record.parameters > 10"}, evidence(), UNDECIDED),
        ({"record": "record.parameters"}, evidence(record={"parameters": 1}), UNDECIDED),
        ({"record": 'artifact.annotations.team == "a"'}, evidence(), MET),
        ({"record": "!has(artifact.annotations.x)"}, Evidence(DIGEST, IMAGE, b"no manifest"), UNDECIDED),
        ({"sbom": {}}, evidence(attached(BOM)), MET),
        ({"sbom": {}}, evidence(attached(ATTESTED_BOM)), MET),
        ({"sbom": {}}, evidence(attached(OLD_BOM)), MET),
        ({"sbom": {}}, evidence(attached(OTHER_BOM)), UNMET),
        ({"sbom": {}}, evidence(attached(b"{"), attached(b"[]"), attached(b'{"layers": [7]}')), UNMET),
        ({"sbom": {}}, evidence(problems=("the referrers could not be listed",)), UNDECIDED),
    ],
)
def test_what_is_known(require: Any, facts: Evidence, wanted: Outcome) -> None:
    assert outcome(judged(require, facts).branch) is wanted
    # What can't be decided doesn't pass below `not` either.
    assert judged({"not": require}, facts).passes is (wanted is UNMET)


def test_what_could_not_be_gathered_only_denies() -> None:
    problem = "the referrers could not be listed"
    assert judged(SIGNATURE, evidence(problems=(problem,)), {"release": [verified()]}).passes
    for require in (SIGNATURE, {"not": SIGNATURE}):
        verdict = judged(require, evidence(problems=(problem,)))
        assert not verdict.passes
        assert not verdict.branch.decided
        assert verdict.problems == (problem,)
        assert problem in verdict.branch.reason
    lost = Attached("referrer", "sha256:d", IMAGE, b"{}", missing={"sha256:e": "is larger than is read"})
    assert outcome(judged({"not": SIGNATURE}, evidence(lost)).branch) is UNDECIDED
    assert judged({"not": SIGNATURE}, evidence(attached(b"{}"))).passes


def test_a_trust_root_that_is_not_there() -> None:
    verdict = judged(SIGNATURE, signers={"release": {"identities": [{"issuer": "i", "identity": "a"}], "root": "ours"}})
    assert outcome(verdict.branch) is UNDECIDED
    assert verdict.branch.reason == "the trust root ours is not there"


def test_every_branch_is_evaluated_and_gives_its_reason() -> None:
    both = {"all": [SIGNATURE, {"any": [PASSED, {"schemas": "conform"}]}, {"not": {"sbom": {}}}]}
    verdict = judged(both, evidence(violations=()), {"release": [REJECTED]})
    assert verdict.branch.reason == "2 of 3 are met"
    signature, either, no_bom = verdict.branch.branches
    assert signature.requirement == "a signature by release"
    assert signature.reason.startswith("there is no signature by release; 1 other was not accepted: sha256:cc")
    assert signature.notes == (f"{REJECTED.where}: step 5 (signature): {REJECTED.reason}",)
    assert either.passes
    assert [branch.passes for branch in either.branches] == [False, True]
    assert no_bom.passes
    assert verdict.is_denied
    assert not judged(both, mode="warn").is_denied


def test_each_signer_is_judged_once() -> None:
    require = {"all": [SIGNATURE, SIGNATURE, {"sbom": {"by": {"any": ["release", "ci"]}}}]}
    signatures = Signatures({})
    evaluate(policy(require), evidence(), ROOTS, now=NOW, judge=signatures)
    assert sorted(signatures.asked) == ["ci", "release"]


@pytest.mark.parametrize(
    ("by", "signatures", "wanted"),
    [
        ({"any": ["release", "ci"]}, {"ci": [verified()]}, MET),
        ({"any": ["release", "ci"]}, {}, UNMET),
        ({"all": ["release", "ci"]}, {"ci": [verified()]}, UNMET),
        ({"all": ["release", {"any": ["ci", "qa"]}]}, {"release": [verified()], "qa": [verified()]}, MET),
        ({"atLeast": {"count": 2, "of": ["release", "ci", "qa"]}}, {"release": [verified()]}, UNMET),
        (
            {"atLeast": {"count": 2, "of": ["release", "ci", "qa"]}},
            {"release": [verified()], "qa": [verified(key="k2")]},
            MET,
        ),
        # The same key under two names is one.
        ({"atLeast": {"count": 2, "of": ["release", "qa"]}}, {"release": [verified()], "qa": [verified()]}, UNMET),
        # One signer's two keys are one signer.
        ({"atLeast": {"count": 2, "of": ["release", "qa"]}}, {"release": [verified(), verified(key="k2")]}, UNMET),
        # Whoever could stand for both leaves the other to whom it can.
        (
            {"atLeast": {"count": 2, "of": ["release", "qa"]}},
            {"release": [verified(), verified(key="k2")], "qa": [verified()]},
            MET,
        ),
        # Short-lived keys of one identity are one, of two they are two.
        (
            {"atLeast": {"count": 2, "of": ["ci", "qa"]}},
            {"ci": [verified(identity="a", issuer="i")], "qa": [verified(key="k2", identity="a", issuer="i")]},
            UNMET,
        ),
        (
            {"atLeast": {"count": 2, "of": ["ci", "qa"]}},
            {"ci": [verified(identity="a", issuer="i")], "qa": [verified(key="k2", identity="a", issuer="j")]},
            MET,
        ),
    ],
)
def test_who_has_signed(by: Any, signatures: Any, wanted: Outcome) -> None:
    verdict = judged({"signature": {"by": by}}, signatures=signatures)
    assert outcome(verdict.branch) is wanted
    assert all(branch.reason for branch in verdict.branch.branches)
    assert len(verdict.branch.branches) == len(by.get("atLeast", {}).get("of", ()) or next(iter(by.values())))


def test_conditions_of_many_attestations_cost_together() -> None:
    where = 'predicate.l.all(a, predicate.l.exists(b, b == a)) && predicate.result == "PASSED"'
    require = {"attestation": {"type": PROVENANCE, "by": "ci", "where": where}}
    large = [verified(PROVENANCE, predicate={"l": list(range(700)), "result": "FAILED"}) for _ in range(50)]
    verdict = judged(require, signatures={"ci": [*large, PASSES]})
    assert outcome(verdict.branch) is UNDECIDED
    assert sum("it is false" in note for note in verdict.branch.notes) in range(1, 20)
    assert "it would take too long" in verdict.branch.reason


def test_until_when_it_holds() -> None:
    assert judged({"schemas": "conform"}, evidence(violations=())).valid_until is None
    aged = {"all": [{"age": {"most": "2d"}}, {"age": {"least": "1d"}}]}
    assert judged(aged, evidence(pushed_at=NOW)).valid_until == NOW + DAY  # denied until then, by the least age
    assert judged(aged, evidence(pushed_at=NOW - DAY)).valid_until == NOW + DAY
    assert judged(aged, evidence(pushed_at=NOW - 3 * DAY)).valid_until is None
    soon = {"release": [verified(valid_until=NOW + DAY / 2), verified(valid_until=NOW - DAY)]}
    assert judged({"any": [aged, SIGNATURE]}, evidence(pushed_at=NOW), soon).valid_until == NOW + DAY / 2


def test_the_verdict_says_what_was_judged_by_which_policy() -> None:
    verdict = evaluate(policy(SIGNATURE, mode="warn"), evidence(), ROOTS, now=NOW, version=3)
    assert (verdict.policy, verdict.version, verdict.mode, verdict.digest) == ("production", 3, Mode.WARN, DIGEST)


_LEAVES = st.sampled_from([SIGNATURE, PASSED, {"schemas": "conform"}, {"record": "record.x"}])
_REQUIREMENTS = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda of: {"all": of}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda of: {"any": of}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(
            lambda of: {"atLeast": {"count": 1 + len(of) // 2, "of": of}}, st.lists(inner, min_size=1, max_size=3)
        ),
        st.builds(lambda of: {"not": of}, inner),
    ),
    max_leaves=6,
)
_KNOWN = st.tuples(*[st.sampled_from([True, False, None])] * 4)


def _judged_with(require: Any, values: tuple[bool | None, ...]) -> Outcome:
    signature, attestation, schemas, record = values
    known: dict[str, Any] = {}
    if schemas is not None:
        known["violations"] = () if schemas else ({},)
    if record is not None:
        known["record"] = {"x": record}
    signatures = {"release": [verified()] if signature else [], "ci": [PASSES if attestation else FAILED]}
    roots = {} if attestation is None else ROOTS
    problems = ("unread",) if signature is None else ()
    facts = evidence(problems=problems, **known)
    return outcome(evaluate(policy(require), facts, roots, now=NOW, judge=Signatures(signatures)).branch)


@settings(max_examples=60)
@given(_REQUIREMENTS, _KNOWN)
def test_what_passes_while_something_is_unknown_passes_whatever_that_is(
    require: Any, values: tuple[bool | None, ...]
) -> None:
    found = _judged_with(require, values)
    assert _judged_with({"not": require}, values) is {MET: UNMET, UNMET: MET}.get(found, UNDECIDED)
    if found is UNDECIDED:
        return
    for position, value in enumerate(values):
        if value is None:
            for other in (True, False):
                assert _judged_with(require, (*values[:position], other, *values[position + 1 :])) is found


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_ATTACHED = st.builds(
    Attached,
    st.text(),
    st.text(),
    st.text(),
    st.binary() | st.builds(lambda value: json.dumps(value).encode(), _JSON),
    st.dictionaries(st.text(), st.binary(), max_size=2),
    st.dictionaries(st.text(), st.text(), max_size=2),
)
_MOMENTS = st.none() | st.datetimes() | st.datetimes(timezones=st.timezones())
_EVIDENCE = st.builds(
    Evidence,
    st.text(),
    st.text(),
    st.binary() | st.builds(lambda value: json.dumps(value).encode(), _JSON),
    st.lists(_ATTACHED, max_size=3).map(tuple),
    st.lists(st.text(), max_size=2).map(tuple),
    st.builds(
        Known,
        st.none() | st.dictionaries(st.sampled_from(["licenses", "x", "kind"]), _JSON),
        st.none() | st.lists(st.dictionaries(st.text(), st.text(), max_size=2), max_size=2).map(tuple),
        st.none()
        | st.lists(
            st.builds(Scan, st.sampled_from(["pickle", "clamav"]), st.text() | st.just("found"), st.none() | st.text())
        ).map(tuple),
        _MOMENTS,
    ),
)
EVERYTHING = {
    "all": [
        SIGNATURE,
        PASSED,
        {"sbom": {}},
        {"sbom": {"by": "ci"}},
        {"age": {"most": "90d", "least": "1h"}},
        {"age": {"most": "90d", "since": "signed", "by": "release"}},
        {"license": {"in": ["MIT"]}},
        {"license": {"notIn": ["MIT"]}},
        {"schemas": "conform"},
        LENIENT,
        {"record": 'record.x == 1 || artifact.annotations["a"].startsWith("b") || record.x.all(y, y > 1)'},
    ]
}


POLICY = policy(EVERYTHING)


@settings(max_examples=60)
@given(_EVIDENCE)
def test_no_evidence_makes_it_fail(facts: Evidence) -> None:
    verdict = evaluate(POLICY, facts, ROOTS, now=NOW, judge=judge)
    assert not verdict.passes
    assert len(verdict.branch.branches) == len(EVERYTHING["all"])


@settings(max_examples=60)
@given(_JSON, _MOMENTS, _MOMENTS)
def test_no_statement_makes_it_fail(predicate: Any, signed_at: Any, pushed_at: Any) -> None:
    said = [verified(PROVENANCE, predicate={"result": predicate}, signed_at=signed_at), verified(signed_at=signed_at)]
    by = Signatures({"release": said, "ci": said})
    evaluate(POLICY, evidence(pushed_at=pushed_at), ROOTS, now=NOW, judge=by)


def test_real_signatures_are_judged() -> None:
    key = new_key()
    found = attachments.evidence(
        attachments.signed_tag(key),
        attachments.attach(attachments.bundle(key, attachments.statement(PROVENANCE, {"result": "PASSED"}))),
    )
    signers = {"release": {"keys": [pem(key).decode()]}, "ci": {"keys": [pem(key).decode()]}}
    verdict = evaluate(policy({"all": [SIGNATURE, PASSED]}, signers=signers), found, ROOTS, now=NOW)
    assert verdict.passes, verdict
    other = {name: {"keys": [pem(new_key()).decode()]} for name in signers}
    verdict = evaluate(policy({"any": [SIGNATURE, PASSED]}, signers=other), found, ROOTS, now=NOW)
    assert not verdict.passes
    assert ["step 2 (signer)" in branch.reason for branch in verdict.branch.branches] == [True, True]


@pytest.mark.parametrize(
    ("require", "passes"),
    [
        ({"signature": {"by": "release"}}, False),
        ({"signature": {"by": "release", "covers": "manifest"}}, False),
        ({"signature": {"by": "release", "covers": "files"}}, True),
        ({"age": {"most": "1d", "since": "signed", "by": "release"}}, False),
        ({"not": {"signature": {"by": "release"}}}, True),
    ],
)
def test_a_signature_of_files_is_none_of_a_manifest(require: dict[str, Any], passes: bool) -> None:
    of_files = verified(form=Form.MODEL_SIGNING, signed_at=NOW)
    verdict = judged(require, None, {"release": [of_files]})
    assert verdict.passes is passes, verdict.branch
    both = judged({"signature": {"by": "release", "covers": "files"}}, None, {"release": [verified()]})
    assert both.passes


@pytest.mark.parametrize(
    ("days", "passes"),
    [([1], True), ([40], False), ([1, 40], False), ([40, 1], False), ([None, 1], True), ([None], False)],
)
def test_signing_again_makes_nothing_younger(days: list[int | None], passes: bool) -> None:
    made = [verified(signed_at=NOW - timedelta(days=one) if one is not None else None) for one in days]
    verdict = judged({"age": {"most": "30d", "since": "signed", "by": "release"}}, None, {"release": made})
    assert verdict.passes is passes, verdict.branch
