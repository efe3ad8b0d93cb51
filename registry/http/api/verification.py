"""May this digest run here? Whoever may pull it is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from registry.core.decisions import reasons
from registry.core.verifications import Signer
from registry.errors import FieldsInvalid
from registry.http.api.admission import branch_told
from registry.http.api.asked import Asked
from registry.http.api.reader_services import ReaderServices
from registry.http.api.route import Route
from registry.http.api.verification_models import Answered, Question, VerdictGiven
from registry.http.parse import name_of, reference_of
from signing.policy.verdict import Mode, Verdict

Outcome = Literal["verified", "refused", "undecided"]


async def verify(services: ReaderServices, asked: Asked, data: Question) -> Answered:
    """Say whether an artifact is what is asked of it; exactly as `blacklake verify`, but by what the registry knows."""
    name = name_of(data.repository)
    policy = _policy(data)
    digest = (await services.artifacts.find(name, reference_of(data.reference), asked.caller)).digest
    withheld = await services.admission.withheld(name, digest, asked.caller) if policy is not None else None
    if policy is not None and withheld is None:
        verdicts = [await services.verifications.verify(name, digest, policy, asked.caller)]
        return _answered(data.repository, str(digest), verdicts, is_strict=True)
    # Else a policy of his own would tell a caller what is in a manifest that he may not read.
    decision = withheld or await services.admission.deployable(name, digest)
    own = [one.verdict for one in decision.judged if one.policy.on_pull]
    return _answered(data.repository, str(digest), own, is_strict=False)


def _policy(data: Question) -> bytes | None:
    """Return the policy that asks what is asked; None where that is left to the repository's own. Raise FieldsInvalid."""
    is_keyless = data.certificate_identity is not None or data.certificate_oidc_issuer is not None
    if sum((data.policy is not None, data.keys is not None, is_keyless)) > 1:
        raise FieldsInvalid({"policy": "stands alone: ask by a policy, by keys, or by an identity with its issuer"})
    if is_keyless and None in (data.certificate_identity, data.certificate_oidc_issuer):
        raise FieldsInvalid(
            {"certificate_oidc_issuer": "an identity says nothing without who vouches for it: give both"}
        )
    if data.keys is None and not is_keyless:
        if data.trusted_root is not None or data.attestation is not None:
            raise FieldsInvalid({"attestation": "is asked of signers: give keys, or an identity with its issuer"})
        return data.policy.encode() if data.policy is not None else None
    return Signer(
        keys=data.keys or (),
        identity=data.certificate_identity,
        issuer=data.certificate_oidc_issuer,
        root=data.trusted_root or ("public-good" if is_keyless else None),
        attestation=data.attestation,
    ).policy()


def _answered(name: str, digest: str, verdicts: Sequence[Verdict], *, is_strict: bool) -> Answered:
    """Return the answer. A repository's own policy that only warns, or looks on, refuses nothing; one that is asked does."""
    failing = [one for one in verdicts if not one.passes and (is_strict or one.mode is Mode.ENFORCE)]
    outcome: Outcome = "refused" if any(one.branch.decided for one in failing) else "undecided"
    if verdicts and not failing:
        outcome = "verified"
    told = [f"policy {one.policy}: {reason}" for one in failing for reason in reasons(one)]
    if not verdicts:
        told = [
            f"no policy decides on pulls from {name}, and nothing else is asked: give a policy, keys, or an identity"
        ]
    return Answered(
        repository=name, digest=digest, outcome=outcome, reasons=told, verdicts=[_given(one) for one in verdicts]
    )


def _given(verdict: Verdict) -> VerdictGiven:
    return VerdictGiven(
        policy=verdict.policy,
        version=verdict.version,
        mode=verdict.mode.value,
        passes=verdict.passes,
        branch=branch_told(verdict.branch),
        problems=list(verdict.problems),
        valid_until=verdict.valid_until,
    )


ROUTES = (Route(method="POST", path="/verify", handler=verify, body=Question, gives=Answered, is_for_readers=True),)
