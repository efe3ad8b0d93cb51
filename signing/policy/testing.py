"""Cases by which a policy is tested: artifacts, what is known of them, and what is to become of them.

Files are read by whoever runs them (`blacklake policy test`); here the cases are read, and judged once their evidence is there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from signing.evidence import Evidence, Known, Scan
from signing.policy.checking import check
from signing.policy.evaluation import evaluate
from signing.policy.policy import Policy
from signing.policy.problems import InvalidPolicy, Problem
from signing.policy.telling import failing
from signing.policy.text import Text, read_yaml
from signing.policy.verdict import Verdict
from signing.roots import TrustRoot

LARGEST: Final = 1 << 20
"""Bytes of a file of cases."""

_IMAGE: Final = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True, slots=True)
class Case:
    """An artifact, and what a policy is to say of it."""

    name: str
    artifact: str | None
    """An OCI layout's path (`DIRECTORY`, `DIRECTORY:TAG` or `DIRECTORY@DIGEST`); None where `inline` says what it is."""
    inline: Evidence | None
    known: Known
    at: datetime | None
    """When it is judged; None is now."""
    passes: bool
    because: str | None
    """What a reason of those because of which it doesn't has to contain."""


@dataclass(frozen=True, slots=True)
class Cases:
    """A file of cases; paths in it are relative to it."""

    policy: str
    trusted_roots: Mapping[str, str]
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a case."""

    case: Case
    verdict: Verdict
    wrong: str | None
    """Why it is not as expected; None where it is."""


def read_cases(text: bytes) -> Cases:
    """Read a file of cases. Raise InvalidPolicy with all that is wrong, each with its place."""
    read = read_yaml(text, largest=LARGEST)
    problems = check(read, "cases")
    if not problems:
        problems = [problem for position in range(len(read.document["cases"])) for problem in _odd(read, position)]
    if problems:
        raise InvalidPolicy(problems)
    document = read.document
    cases = tuple(_case(value) for value in document["cases"])
    return Cases(document["policy"], dict(document.get("trustedRoots", {})), cases)


def run(
    case: Case, policy: Policy, roots: Mapping[str, TrustRoot], evidence: Evidence | None, *, now: datetime
) -> Outcome:
    """Judge a case.

    `evidence` is what was gathered of its artifact, and None where that stands in the case itself. What is known is what the
    case says. `now` counts where it says no time.
    """
    found = evidence or case.inline
    if found is None:
        raise ValueError(f"the evidence of case {case.name} was not gathered")
    verdict = evaluate(policy, msgspec.structs.replace(found, known=case.known), roots, now=case.at or now)
    return Outcome(case, verdict, _wrong(case, verdict))


def _wrong(case: Case, verdict: Verdict) -> str | None:
    if verdict.passes and not case.passes:
        return "it passes, and is expected not to"
    reasons = [f"{branch.requirement}: {branch.reason}" for branch in failing(verdict.branch)]
    if case.passes and reasons:
        return f"it is expected to pass, and does not: {'; '.join(reasons)}"
    if case.because is not None and not any(case.because in reason for reason in reasons):
        return f"no reason says “{case.because}”: {'; '.join(reasons)}"
    return None


def _odd(read: Text, position: int) -> list[Problem]:
    """Return what is wrong with a case that its schema can't say."""
    at, case = f"/cases/{position}", read.document["cases"][position]
    problems = []
    if ("artifact" in case) == ("manifest" in case):
        problems.append(read.problem(at, "must have one of artifact and manifest"))
    if "because" in case and case["expect"] == "pass":
        problems.append(read.problem(f"{at}/because", "has no meaning where it is expected to pass"))
    for name, value in (("at", case.get("at")), ("known/pushedAt", case.get("known", {}).get("pushedAt"))):
        if value is not None and _moment(value) is None:
            problems.append(read.problem(f"{at}/{name}", f"is no time: {value}"))
    names = [other["name"] for other in read.document["cases"][:position]]
    if case["name"] in names:
        problems.append(read.problem(f"{at}/name", "is another case's name, too"))
    return problems


def _case(value: dict[str, Any]) -> Case:
    known = value.get("known", {})
    scans = known.get("scans")
    violations = known.get("violations")
    return Case(
        name=value["name"],
        artifact=value.get("artifact"),
        inline=_inline(value["manifest"]) if "manifest" in value else None,
        known=Known(
            record=known.get("record"),
            violations=tuple(violations) if violations is not None else None,
            scans=tuple(Scan(one["scanner"], one["state"], one.get("worst")) for one in scans)
            if scans is not None
            else None,
            pushed_at=_moment(known["pushedAt"]) if "pushedAt" in known else None,
        ),
        at=_moment(value["at"]) if "at" in value else None,
        passes=value["expect"] == "pass",
        because=value.get("because"),
    )


def _inline(manifest: dict[str, Any]) -> Evidence:
    content = json.dumps(manifest).encode()
    media_type = manifest.get("mediaType")
    return Evidence(
        digest=f"sha256:{hashlib.sha256(content).hexdigest()}",
        media_type=media_type if isinstance(media_type, str) else _IMAGE,
        content=content,
    )


def _moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
