"""`blacklake verify`: whether an artifact of any registry, or of a layout, may be used, by a key, an identity or a policy.

The exit code is the answer: 0 verified, 1 refused, 2 could not be decided (docs/signing.md).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from blacklake.locations import AnyRef, Location, LocationOptions, location, opened
from blacklake.outcomes import Outcome, Report
from blacklake.settings import USAGE, Refused, needing
from blacklake.signers import SignerOptions

if TYPE_CHECKING:
    from blacklake.gathering import Gathered
    from signing.authorities import Authority
    from signing.policy.policy import Policy
    from signing.roots import TrustRoot

Output = Annotated[Literal["text", "json"], Parameter(help="How the answer is printed.")]
PolicyFile = Annotated[Path | None, Parameter(help="Policy (YAML) that decides, instead of one signer.")]
Attestation = Annotated[
    str | None, Parameter(help="Ask for an attestation with this type of predicate, instead of a signature.")
]


def verify(
    ref: AnyRef,
    *,
    policy: PolicyFile = None,
    attestation: Attestation = None,
    output: Output = "text",
    signer: SignerOptions | None = None,
    options: LocationOptions | None = None,
) -> int:
    """Say whether an artifact is verified: exit 0 if it is, 1 if it is refused, with reasons, 2 if nobody can say."""
    signer, options = signer or SignerOptions(), options or LocationOptions()
    try:
        with needing("signing"):
            report = _report(ref, policy, attestation, signer, options)
    except Refused as error:
        if output == "text":
            raise Refused(str(error), USAGE) from error
        report = Report(reference=ref, outcome=Outcome.UNDECIDED, reasons=(str(error),))
    if output == "json":
        print(json.dumps(report.document(), indent=2))
    else:
        print("\n".join(report.lines()))
    return report.outcome.value


def _report(
    ref: str, policy: Path | None, attestation: str | None, signer: SignerOptions, options: LocationOptions
) -> Report:
    """Verify an artifact. Raise Refused where that can't be decided."""
    from blacklake.oci.contents import OciFailed, Unsound

    if policy is not None and (not signer.is_empty or attestation is not None):
        raise Refused("a policy says itself who has to have signed, and what: say --policy alone", USAGE)
    place = location(ref, layout=options.layout)
    judged = _judging(ref, policy, attestation, signer)
    try:
        gathered = _gathered(place, options)
    except Unsound as error:
        return Report(reference=ref, outcome=Outcome.REFUSED, reasons=(str(error),))
    except OciFailed as error:
        raise Refused(str(error), USAGE) from error
    return judged(gathered)


def _judging(
    ref: str, policy: Path | None, attestation: str | None, signer: SignerOptions
) -> Callable[[Gathered], Report]:
    """Return how an artifact is judged, once all that is named is read. Raise Refused."""
    if policy is None:
        from signing.policy.predicates import SHORT

        authority = signer.authority()
        wanted = SHORT.get(attestation, attestation) if attestation is not None else None
        return lambda gathered: by_authority(ref, gathered, authority, wanted)
    from blacklake.policies import policy_in, roots_of

    found = policy_in(policy)
    roots = roots_of(found, signer.root_files())
    return lambda gathered: by_policy(ref, gathered, found, roots)


def _gathered(place: Location, options: LocationOptions) -> Gathered:
    from blacklake.gathering import gather

    with opened(place, options) as (source, reference):
        return gather(source, reference)


def by_authority(ref: str, gathered: Gathered, authority: Authority, attestation: str | None) -> Report:
    """Judge an artifact by one authority: a signature has to be there, or an attestation of a type."""
    from signing.verification import judge
    from signing.verified import SIGNED

    evidence = gathered.evidence
    found = judge(evidence, authority, now=datetime.now(UTC))
    wanted = attestation or SIGNED
    accepted = tuple(one for one in found.verified if one.statement.predicate_type == wanted)
    reasons: tuple[str, ...] = ()
    if not accepted:
        what = f"no attestation of the type {wanted}" if attestation else "no signature"
        others = sorted({one.statement.predicate_type for one in found.verified})
        beside = f"; what they have signed of it is {', '.join(others)}" if others else ""
        reasons = (f"it has {what} by {authority.name}{beside}",)
    return Report(
        reference=ref,
        outcome=_outcome(is_met=bool(accepted), is_whole=gathered.is_whole),
        digest=evidence.digest,
        media_type=evidence.media_type,
        reasons=reasons,
        signatures=accepted,
        rejected=tuple(found.rejected),
        problems=evidence.problems,
    )


def by_policy(ref: str, gathered: Gathered, policy: Policy, roots: Mapping[str, TrustRoot]) -> Report:
    """Judge an artifact by a policy: what does not pass is refused here, whatever the policy's mode is in a registry."""
    from signing.policy.evaluation import evaluate

    evidence = gathered.evidence
    verdict = evaluate(policy, evidence, roots, now=datetime.now(UTC))
    return Report(
        reference=ref,
        outcome=_outcome(is_met=verdict.passes, is_whole=gathered.is_whole and verdict.branch.decided),
        digest=evidence.digest,
        media_type=evidence.media_type,
        verdict=verdict,
        problems=evidence.problems,
    )


def _outcome(*, is_met: bool, is_whole: bool) -> Outcome:
    """Return what is decided: what is missing may be there, where not all could be read."""
    if is_met:
        return Outcome.VERIFIED
    return Outcome.REFUSED if is_whole else Outcome.UNDECIDED
