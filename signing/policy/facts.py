"""Requirements on what is known of an artifact beside its signatures: age, license, schemas, scans, record, SBOM."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from mediatypes import documents
from mediatypes.models import sbom
from mediatypes.models.signature import PREDICATE
from signing.evidence import Attached, Evidence, Scan
from signing.policy import licenses
from signing.policy.context import Context, Judgement
from signing.policy.outcomes import Outcome, at_least
from signing.policy.predicates import is_sbom
from signing.policy.requirements import Aged, Licensed, Recorded, Scanned

SEVERITIES: Final = ("none", "low", "medium", "high", "critical")

_PREDICATES: Final = (
    "predicateType",
    "in-toto.io/predicate-type",
)  # annotations of layers (mediatypes.models.attestation)
_TOLD: Final = 5  # violations and findings


def conforms(context: Context) -> Judgement:
    """Return whether it conforms to the schemas that are bound to it."""
    violations = context.evidence.known.violations
    if violations is None:
        return Judgement(Outcome.UNDECIDED, "whether it conforms to its schemas is not known")
    if not violations:
        return Judgement(Outcome.MET, "it conforms to its schemas")
    notes = tuple(f"{one.get('pointer', '')} {one.get('message', '')}".strip()[:300] for one in violations)
    return Judgement(Outcome.UNMET, f"it does not conform to its schemas: {notes[0]}", notes=notes[:_TOLD])


def licensed(context: Context, wanted: Licensed) -> Judgement:
    """Return whether its licenses are as is wanted."""
    record = context.evidence.known.record
    if record is None:
        return Judgement(Outcome.UNDECIDED, "it is not known what it holds, and so no license")
    return Judgement(*licenses.judged(documents.texts(record.get("licenses")), wanted))


def recorded(context: Context, wanted: Recorded) -> Judgement:
    """Return whether a condition is true of what is known."""
    outcome, why = wanted.condition.evaluate(context.values, context.budget)
    return Judgement(outcome, why)


def aged(context: Context, wanted: Aged, moment: datetime | None, what: str) -> Judgement:
    """Return whether a moment (`what`: it was pushed) is as long ago as is wanted."""
    if moment is None:
        return Judgement(Outcome.UNDECIDED, f"when {what} is not known")
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        is_young = wanted.least is not None and not context.has_passed(moment + wanted.least)
        is_old = wanted.most is not None and context.has_passed(moment + wanted.most)
    except OverflowError:
        return Judgement(Outcome.UNDECIDED, f"when {what} is out of bounds: {moment.isoformat()}")
    said = f"{what} at {moment.isoformat(timespec='seconds')}"
    if not is_young and not context.has_passed(moment):
        # A clock that is wrong, or somebody who lies, makes nothing younger than new.
        return Judgement(Outcome.UNDECIDED, f"{said}, which is yet to come")
    if is_young or is_old:
        return Judgement(Outcome.UNMET, f"{said}, not {wanted.words} ago")
    return Judgement(Outcome.MET, f"{said}, {wanted.words} ago")


def scanned(context: Context, wanted: Scanned) -> Judgement:
    """Return whether all scanners that are asked for have found nothing worse than is allowed."""
    scans = context.evidence.known.scans
    if scans is None:
        return Judgement(Outcome.UNDECIDED, "nothing is known of scans")
    by_name = {scan.scanner: scan for scan in scans}
    judged = [_scan(name, by_name.get(name), wanted) for name in wanted.scanners]
    outcome = at_least(len(judged), [one.outcome for one in judged])
    # Of several, the reason is what decides: what is not met, else what is undecided.
    reasons = [one.reason for one in judged if one.outcome is outcome]
    branches = tuple(one.branch(f"that of {name}") for one, name in zip(judged, wanted.scanners, strict=True))
    return Judgement(outcome, "; ".join(reasons), branches if len(branches) > 1 else (), judged[0].notes)


def _scan(name: str, scan: Scan | None, wanted: Scanned) -> Judgement:
    if scan is None:
        return Judgement(Outcome.UNDECIDED, f"no scanner {name} has said anything")
    match scan.state:
        case "clean":
            return Judgement(Outcome.MET, f"{name} found nothing")
        case "found" if scan.worst in SEVERITIES:
            is_fine = SEVERITIES.index(scan.worst) <= SEVERITIES.index(wanted.most)
            said = f"{name} found something of severity {scan.worst}"
            if is_fine and not scan.is_whole:
                said = f"{said}, and did not look at all of it"
                return Judgement(Outcome.UNDECIDED, said, notes=_findings(scan))
            return Judgement(Outcome.MET if is_fine else Outcome.UNMET, said, notes=_findings(scan))
        case "pending":
            allows, said = wanted.allows_pending, f"{name} has not scanned it yet"
        case "down":
            allows, said = wanted.allows_down, f"{name} is down"
        case "failed":  # whoever makes the artifact can bring that about: no policy lets it pass
            allows, said = False, f"{name} has failed at it"
        case _:
            return Judgement(Outcome.UNDECIDED, f"{name} found something of a severity that is not known")
    if allows:
        return Judgement(Outcome.MET, f"{said}, which the policy allows")
    return Judgement(Outcome.UNDECIDED, said)


def _findings(scan: Scan) -> tuple[str, ...]:
    found = [f"{one.get('severity', '')} {one.get('path', '')}: {one.get('message', '')}" for one in scan.findings]
    return tuple(text[:300] for text in found[:_TOLD])


def inventoried(context: Context) -> Judgement:
    """Return whether a bill of materials is attached, whoever has attached it."""
    for attached in context.evidence.attached:
        if _is_sbom(attached, context.evidence):
            return Judgement(Outcome.MET, f"an SBOM is attached: {attached.digest}")
    if context.lacks is not None:
        return Judgement(Outcome.UNDECIDED, f"there is no SBOM in what could be read: {context.lacks[:300]}")
    return Judgement(Outcome.UNMET, "there is no SBOM attached to it")


def _is_sbom(attached: Attached, evidence: Evidence) -> bool:
    manifest = documents.parsed(attached.content)
    if not isinstance(manifest, dict) or documents.at(manifest, "/subject/digest") not in (None, evidence.digest):
        return False
    layers = documents.objects(manifest.get("layers"))
    types = [manifest.get("artifactType"), documents.at(manifest, "/config/mediaType")]
    types += [layer.get("mediaType") for layer in layers]
    known = {one for several in sbom.TYPES.values() for one in several}
    if any(isinstance(one, str) and one.partition(";")[0].strip() in known for one in types):
        return True
    predicates = [documents.at(manifest, f"/annotations/{PREDICATE}"), *_annotated(layers)]
    return any(isinstance(one, str) and is_sbom(one) for one in predicates)


def _annotated(layers: Sequence[dict[str, Any]]) -> list[Any]:
    annotations = [layer.get("annotations") for layer in layers]
    return [found.get(name) for found in annotations if isinstance(found, dict) for name in _PREDICATES]
