"""`blacklake policy check|test`: whether a policy can be read, and says of examples what it should (docs/policies.md)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from blacklake.files import content_of
from blacklake.locations import LocationOptions, location, opened
from blacklake.outcomes import verdict_document
from blacklake.policies import policy_in, roots_of
from blacklake.settings import USAGE, Refused, needing
from blacklake.verify import Output

if TYPE_CHECKING:
    from signing.evidence import Evidence
    from signing.policy.problems import Problem
    from signing.policy.testing import Case, Cases, Outcome

policy = App(name="policy", help="Read policies, and test them before they decide.")

PolicyFile = Annotated[Path, Parameter(help="Policy (YAML).")]
CasesFile = Annotated[Path, Parameter(help="Cases (YAML): artifacts, and what the policy is to say of each.")]
Instead = Annotated[Path | None, Parameter(help="Policy to test, instead of the one that the cases name.")]


@policy.command
def check(file: PolicyFile, *, output: Output = "text") -> int:
    """Say whether a policy can be read: exit 0 if it can, 1 if not, with all that is wrong and where."""
    with _undecided():
        problems = _problems(content_of(file))
    if output == "json":
        found = [{"line": one.line, "pointer": one.pointer, "message": one.message} for one in problems]
        print(json.dumps({"file": str(file), "isValid": not problems, "problems": found}, indent=2))
    else:
        print("\n".join([f"{file}: {one}" for one in problems] or [f"{file} is a policy"]))
    return 1 if problems else 0


@policy.command(name="test")
def run_cases(cases: CasesFile, *, policy: Instead = None, output: Output = "text") -> int:
    """Judge the artifacts of a file of cases: exit 0 if all verdicts are as expected, 1 if not, 2 if that can't be said."""
    with _undecided():
        outcomes = _outcomes(cases, policy)
    failed = sum(one.wrong is not None for one in outcomes)
    if output == "json":
        found = [_document(one) for one in outcomes]
        print(json.dumps({"passed": len(outcomes) - failed, "failed": failed, "cases": found}, indent=2))
    else:
        print("\n".join(line for one in outcomes for line in _lines(one)))
        print(f"{len(outcomes) - failed} of {len(outcomes)} cases are as expected")
    return 1 if failed else 0


@contextlib.contextmanager
def _undecided() -> Iterator[None]:
    """Exit by 2 where something is in the way: 1 is an answer."""
    try:
        with needing("signing"):
            yield
    except Refused as error:
        raise Refused(str(error), USAGE) from error


def _problems(content: bytes) -> tuple[Problem, ...]:
    from signing.policy.document import read_policy
    from signing.policy.problems import InvalidPolicy

    try:
        read_policy(content)
    except InvalidPolicy as error:
        return error.problems
    return ()


def _outcomes(path: Path, instead: Path | None) -> list[Outcome]:
    """Run the cases of a file; paths in it are relative to it. Raise Refused."""
    from signing.policy.testing import run

    cases = _cases(path)
    found = policy_in(instead or path.parent / cases.policy)
    roots = roots_of(found, {name: path.parent / file for name, file in cases.trusted_roots.items()})
    now = datetime.now(UTC)
    return [run(one, found, roots, _evidence(one, path.parent), now=now) for one in cases.cases]


def _cases(path: Path) -> Cases:
    from signing.policy.problems import InvalidPolicy
    from signing.policy.testing import read_cases

    try:
        return read_cases(content_of(path))
    except InvalidPolicy as error:
        raise Refused(f"{path} holds no cases that can be read:\n{error}", USAGE) from None


def _evidence(case: Case, directory: Path) -> Evidence | None:
    """Return what a case's layout holds; None where the case says all itself. Raise Refused."""
    from blacklake.gathering import gather
    from blacklake.oci.contents import OciFailed

    if case.artifact is None:
        return None
    try:
        with opened(location(str(directory / case.artifact), layout=True), LocationOptions()) as (source, reference):
            return gather(source, reference).evidence
    except OciFailed as error:
        raise Refused(f"case {case.name}: {error}", USAGE) from error


def _lines(outcome: Outcome) -> Iterator[str]:
    from signing.policy.telling import lines, plain

    if outcome.wrong is None:
        yield plain(f"✓ {outcome.case.name}")
        return
    yield plain(f"✗ {outcome.case.name}: {outcome.wrong}")
    yield from (f"    {line}" for line in lines(outcome.verdict))


def _document(outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.case.name,
        "isAsExpected": outcome.wrong is None,
        "wrong": outcome.wrong,
        "verdict": verdict_document(outcome.verdict),
    }
