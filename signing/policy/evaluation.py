"""A policy's verdict on an artifact: every branch is evaluated, and tells why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from signing.evidence import Evidence
from signing.policy import facts
from signing.policy.context import Context, Judge, Judgement
from signing.policy.outcomes import Outcome, at_least, negated
from signing.policy.policy import Policy
from signing.policy.predicates import is_sbom
from signing.policy.requirements import (
    Aged,
    All,
    AnyOf,
    AtLeast,
    Attested,
    By,
    Conforming,
    Inventoried,
    Licensed,
    Not,
    Recorded,
    Requirement,
    Scanned,
    Signed,
)
from signing.policy.signatures import Suits, signed
from signing.policy.verdict import Branch, Verdict
from signing.roots import TrustRoot
from signing.verification import judge as judge_all
from signing.verified import SIGNED, Form, Verified


def evaluate(
    policy: Policy,
    evidence: Evidence,
    roots: Mapping[str, TrustRoot],
    *,
    now: datetime,
    version: int | None = None,
    judge: Judge = judge_all,
) -> Verdict:
    """Return what a policy says of an artifact at a time, which has a time zone. Raise nothing, whatever the evidence is.

    `roots` holds trust roots by name (`roots_needed`); `version` is the policy's, where somebody counts. What can't be decided
    does not pass, also below `not`; so what could not be gathered (`Evidence.problems`) only ever denies.
    """
    context = Context(policy, evidence, roots, now, judge)
    branch = _branch(context, policy.requirement)
    return Verdict(
        policy=policy.name,
        version=version,
        mode=policy.mode,
        digest=evidence.digest,
        passes=branch.passes,
        branch=branch,
        valid_until=min(context.moments, default=None),
        problems=evidence.problems,
    )


def _branch(context: Context, requirement: Requirement) -> Branch:
    return _judged(context, requirement).branch(requirement.told())


def _judged(context: Context, requirement: Requirement) -> Judgement:
    match requirement:
        case All():
            return _composed(context, requirement.of, len(requirement.of))
        case AnyOf():
            return _composed(context, requirement.of, 1)
        case AtLeast():
            return _composed(context, requirement.of, requirement.count)
        case Not():
            return _negated(context, requirement)
        case Signed() | Attested() | Inventoried() | Aged() if requirement.by is not None:
            return _by(context, requirement, requirement.by)
        case _:
            return _fact(context, requirement)


def _by(context: Context, requirement: Signed | Attested | Inventoried | Aged, by: By) -> Judgement:
    match requirement:
        case Signed():
            return signed(context, by, "a signature", _is_signature if requirement.covers_files else _is_plain)
        case Attested():
            what = f"an attestation of type {requirement.type}"
            return signed(context, by, what, _attests(context, requirement))
        case Inventoried():
            return signed(context, by, "an SBOM", _is_inventory)
        case Aged():
            return signed(context, by, "a signature of that age", _is_aged(context, requirement), first=_is_plain)


def _fact(context: Context, requirement: Requirement) -> Judgement:
    match requirement:
        case Inventoried():
            return facts.inventoried(context)
        case Aged():
            return facts.aged(context, requirement, context.evidence.known.pushed_at, "it was pushed")
        case Licensed():
            return facts.licensed(context, requirement)
        case Conforming():
            return facts.conforms(context)
        case Scanned():
            return facts.scanned(context, requirement)
        case Recorded():
            return facts.recorded(context, requirement)
    raise AssertionError(requirement)


def _composed(context: Context, of: tuple[Requirement, ...], count: int) -> Judgement:
    branches = tuple(_branch(context, one) for one in of)
    outcomes = [_outcome(branch) for branch in branches]
    reason = f"{outcomes.count(Outcome.MET)} of {len(branches)} are met"
    if undecided := outcomes.count(Outcome.UNDECIDED):
        reason += f", and {undecided} could not be decided"
    return Judgement(at_least(count, outcomes), reason, branches)


def _negated(context: Context, requirement: Not) -> Judgement:
    branch = _branch(context, requirement.of)
    outcome = negated(_outcome(branch))
    reasons = {
        Outcome.MET: "what must not be is not so",
        Outcome.UNMET: "it is so, and must not be",
        Outcome.UNDECIDED: "whether it is so could not be decided",
    }
    return Judgement(outcome, f"{reasons[outcome]}: {branch.reason}", (branch,))


def _outcome(branch: Branch) -> Outcome:
    if branch.passes:
        return Outcome.MET
    return Outcome.UNMET if branch.decided else Outcome.UNDECIDED


def _is_signature(verified: Verified) -> tuple[Outcome, str]:
    if verified.statement.predicate_type == SIGNED:
        return Outcome.MET, ""
    return Outcome.UNMET, f"is an attestation of type {verified.statement.predicate_type}, and no plain signature"


def _is_plain(verified: Verified) -> tuple[Outcome, str]:
    if verified.form is Form.MODEL_SIGNING:
        return Outcome.UNMET, "is of files, and neither of the annotations nor of all else that the manifest says"
    return _is_signature(verified)


def _is_inventory(verified: Verified) -> tuple[Outcome, str]:
    if is_sbom(verified.statement.predicate_type):
        return Outcome.MET, ""
    return Outcome.UNMET, f"is of type {verified.statement.predicate_type}, and no SBOM"


def _attests(context: Context, requirement: Attested) -> Suits:
    def suits(verified: Verified) -> tuple[Outcome, str]:
        statement = verified.statement
        if statement.predicate_type != requirement.type:
            return Outcome.UNMET, f"is of type {statement.predicate_type}"
        if requirement.where is None:
            return Outcome.MET, ""
        said = {"predicateType": statement.predicate_type, "predicate": statement.predicate}
        values = {**context.values, "predicate": statement.predicate, "statement": said}
        return requirement.where.evaluate(values, context.budget)

    return suits


def _is_aged(context: Context, requirement: Aged) -> Suits:
    def suits(verified: Verified) -> tuple[Outcome, str]:
        outcome, why = _is_plain(verified)
        if outcome is not Outcome.MET:
            return outcome, why
        judged = facts.aged(context, requirement, verified.signed_at, "it was signed")
        return judged.outcome, judged.reason

    return suits
