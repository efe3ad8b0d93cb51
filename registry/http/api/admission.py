"""Admission: which policies cover a repository, and what they say of an artifact. Whoever may pull is told."""

from __future__ import annotations

from registry.core.decisions import Decision, Judged, shown_target
from registry.core.policies import on_of
from registry.http.api.artifact import ARTIFACT
from registry.http.api.asked import Asked
from registry.http.api.models import Page
from registry.http.api.policy_models import AdmissionTold, BranchTold, PolicyCovering, VerdictTold
from registry.http.api.reader_services import ReaderServices
from registry.http.api.repositories import REPOSITORY
from registry.http.api.route import Route
from registry.http.parse import name_of, reference_of
from signing.policy.verdict import Branch


async def show(services: ReaderServices, asked: Asked, name: str, reference: str) -> AdmissionTold:
    """Say what becomes of a pull of an artifact, with every policy's reasons."""
    found = await services.artifacts.find(name_of(name), reference_of(reference), asked.caller)
    return admission_told(name, await services.admission.decision(name_of(name), found.digest))


async def covering(services: ReaderServices, asked: Asked, name: str) -> Page[PolicyCovering]:
    """List the policies that cover a repository, all of which apply."""
    await services.repositories.summary(name_of(name), asked.caller)
    found = await services.admission.covering(name_of(name))
    items = [
        PolicyCovering(
            target=shown_target(one),
            name=one.name,
            version=one.version,
            mode=one.mode,
            on=on_of(one.on_pull, one.on_tag),
            tags=one.tags,
        )
        for one in found.policies
    ]
    return Page(items=items, next=None)


def admission_told(name: str, decision: Decision) -> AdmissionTold:
    """Return what is told of a decision."""
    return AdmissionTold(
        repository=name,
        digest=str(decision.digest),
        outcome=decision.outcome.value,
        about=str(decision.about) if decision.about is not None else None,
        verdicts=[_verdict(one) for one in decision.judged],
    )


def _verdict(one: Judged) -> VerdictTold:
    policy, verdict = one.policy, one.verdict
    return VerdictTold(
        target=shown_target(policy),
        policy=policy.name,
        version=policy.version,
        mode=verdict.mode.value,
        on=on_of(policy.on_pull, policy.on_tag),
        tags=policy.tags,
        passes=verdict.passes,
        through=str(one.through) if one.through is not None else None,
        branch=branch_told(verdict.branch),
        problems=list(verdict.problems),
        valid_until=verdict.valid_until,
    )


def branch_told(branch: Branch) -> BranchTold:
    """Return what is told of a requirement, and of those below it."""
    return BranchTold(
        requirement=branch.requirement,
        passes=branch.passes,
        is_decided=branch.decided,
        reason=branch.reason,
        notes=list(branch.notes),
        branches=[branch_told(one) for one in branch.branches],
    )


ROUTES = (
    Route(method="GET", path=f"{ARTIFACT}/admission", handler=show, gives=AdmissionTold, is_for_readers=True),
    Route(
        method="GET",
        path=f"{REPOSITORY}/-/policies",
        handler=covering,
        gives=Page[PolicyCovering],
        is_for_readers=True,
    ),
)
