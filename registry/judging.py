"""What is done with policies in the sandbox: they are read, and artifacts judged (`answer`, in a child of registry.sandboxed).

Policies, trust roots, signatures and certificates are all written by somebody else. What comes out is plain.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from signing.evidence import Evidence
from signing.policy.document import InvalidPolicy, read_policy
from signing.policy.evaluation import evaluate
from signing.policy.policy import needs
from signing.policy.verdict import Branch, Verdict
from signing.roots import TrustRoot

_MOST_NOTES: Final = 50  # of a branch
_LONGEST: Final = 1000  # characters of a text


def answer(task: dict[str, Any], source: object) -> Any:
    """Do a task: read a `policy`, read a trust `root`, or judge an artifact by several."""
    del source
    if "policy" in task:
        return _read_policy(task["policy"])
    if "root" in task:
        return _read_root(task["root"])
    return _judged(task)


def _read_policy(content: bytes) -> dict[str, Any]:
    try:
        policy = read_policy(content)
    except InvalidPolicy as error:
        return {"problems": [[one.pointer[:_LONGEST], one.message[:_LONGEST]] for one in error.problems[:_MOST_NOTES]]}
    return {"name": policy.name, "mode": policy.mode.value, "roots": sorted(needs(policy).roots)}


def _read_root(content: bytes) -> dict[str, Any]:
    try:
        TrustRoot.parse(content)
    except ValueError as error:
        return {"problem": str(error)[:_LONGEST]}
    return {}


def _judged(task: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a verdict for each of the task's policies, in their order."""
    evidence = msgspec.msgpack.decode(task["evidence"], type=Evidence)
    roots = {name: TrustRoot.parse(content) for name, content in task["roots"].items()}
    found = []
    for version, content in task["policies"]:
        verdict = evaluate(read_policy(content), evidence, roots, now=task["now"], version=version)
        found.append(msgspec.to_builtins(_bounded(verdict)))
    return found


def _bounded(verdict: Verdict) -> Verdict:
    """Return a verdict whose texts are of a length that can be kept and shown."""
    problems = tuple(_cut(text) for text in verdict.problems[:_MOST_NOTES])
    return msgspec.structs.replace(verdict, branch=_bounded_branch(verdict.branch), problems=problems)


def _bounded_branch(branch: Branch) -> Branch:
    return msgspec.structs.replace(
        branch,
        requirement=_cut(branch.requirement),
        reason=_cut(branch.reason),
        branches=tuple(map(_bounded_branch, branch.branches)),
        notes=tuple(_cut(text) for text in branch.notes[:_MOST_NOTES]),
    )


def _cut(text: str) -> str:
    plain = text.encode(errors="replace").decode()  # halves of surrogate pairs, which UTF-8 can't
    return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}…"
